# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_masking import (
    flattened,
    shown,
    shown_beside,
    without_passwords,
)

HIDDEN = "(hidden)"


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("environment.DB_PASSWORD", "hunter2", HIDDEN),
        ("environment.MYSQL_PWD", "hunter2", HIDDEN),
        ("environment.ENCRYPTION_KEY", "hunter2", HIDDEN),
        ("environment.APP_KEY", "hunter2", HIDDEN),
        ("environment.KEY", "hunter2", HIDDEN),
        ("environment.SIGNING_KEY_2", "hunter2", HIDDEN),
        ("environment.KEYS", "a b", "a b"),
        ("environment.apikey", "hunter2", HIDDEN),
        ("environment.SENTRY_DSN", "hunter2", HIDDEN),
        ("environment.SESSION_TOKEN", "", HIDDEN),
        ("environment.DB_PASSWORD_FILE", "/run/secrets/db_password", "/run/secrets/db_password"),
        ("environment.DB_PASSWORD", None, None),
        ("environment.MONKEY", "banana", "banana"),
        ("environment.PRICE", "5$", "5$"),
        ("deploy.labels.team_token", "kitchen", "kitchen"),
        ("environment.URL", "postgres://u:p@ss@h/x", "postgres://u:(hidden)@h/x"),
        ("deploy.replicas", 3, 3),
        ("command", [], []),
        (
            "command",
            ["redis", "--requirepass", "hunter2", "--port", "1"],
            ["redis", "--requirepass", HIDDEN, "--port", "1"],
        ),
        (
            "command",
            ["redis", "--requirepass=hunter2", "--port", "1"],
            ["redis", "--requirepass=(hidden)", "--port", "1"],
        ),
        ("command", ["serve", "--token", "hunter2", "pass=1"], ["serve", "--token", HIDDEN, "pass=1"]),
        ("command", ["--url", "redis://:hunter2@h:6379/0"], ["--url", "redis://:(hidden)@h:6379/0"]),
        ("command", ["serve", "passwd", "5"], ["serve", "passwd", "5"]),
        ("secrets", [{"source": "db_password", "name": "app_p_v1"}], [{"source": "db_password", "name": "app_p_v1"}]),
    ],
)
def test_what_looks_like_a_password_is_not_shown(path: str, value: Any, told: Any) -> None:
    assert shown({path: value}) == {path: told}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("postgres://u:p@h/x", "postgres://u:(hidden)@h/x"),
        ("postgres://u:p@ss@h", "postgres://u:(hidden)@h"),
        ("redis://:p@h:6379", "redis://:(hidden)@h:6379"),
        ("a://u:p@h, b://v:q@h", "a://u:(hidden)@h, b://v:(hidden)@h"),
        ("cannot reach amqp://u:p@h:5672/ (refused)", "cannot reach amqp://u:(hidden)@h:5672/ (refused)"),
        ("https://h:8443/@v", "https://h:8443/@v"),
        ("https://u@h/x", "https://u@h/x"),
        ("mail: to@h", "mail: to@h"),
        ("", ""),
    ],
)
def test_addresses_lose_their_passwords_alone(text: str, told: str) -> None:
    assert without_passwords(text) == told


def test_a_hidden_value_that_changes_is_seen_to_change() -> None:
    before = {"environment.DB_PASSWORD": "one", "environment.URL": "pg://u:one@h", "environment.APP_KEY": "same"}
    after = {"environment.DB_PASSWORD": "two", "environment.URL": "pg://u:two@h", "environment.APP_KEY": "same"}
    assert shown_beside(before, after) == {
        "environment.DB_PASSWORD": "(hidden) (before)",
        "environment.URL": "pg://u:(hidden)@h (before)",
        "environment.APP_KEY": HIDDEN,
    }


def test_a_tree_is_one_level_of_paths() -> None:
    tree = {"image": "web:1", "deploy": {"labels": {"a.b": "c"}, "resources": {}}, "command": ["a"], "init": None}
    assert flattened(tree) == {
        "image": "web:1",
        "deploy.labels.a.b": "c",
        "deploy.resources": {},
        "command": ["a"],
        "init": None,
    }
