# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Passwords that are tried at the stores: how they get there, what answers mean, what must come of a rotation."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest

from lab.playbook import Failure, Run
from tests.acceptance.data import stores
from tests.acceptance.data.stores import Container, Look
from tests.acceptance.stack.deployment import Swarm
from tests.acceptance.stage import Stage
from tests.acceptance.updates import logins
from tests.acceptance.updates.logins import ACCEPTED, REFUSED, Login
from tests.acceptance.updates.rotation import Rotation

PASSWORD = "wJalrXUtnFEMI7MDENGbPxRfiCYEXAMPL"
SEEN = Look(
    [
        Container(f"{store}-on-{number}", f"voteapp-data_{store}-{number}", f"server-{number}", fit=True)
        for store in ("redis", "db")
        for number in (1, 2, 3)
    ],
    {},
    [],
)
MEMBERS = ("db-1", "db-2", "db-3", "redis-1", "redis-2", "redis-3")

# As the engine's command line, whose containers are this machine; what it was called with is written down.
DOCKER = """#!/bin/bash
printf '%s\\n' "$*" >> "$CALLS"
[[ $1 == exec && $2 == -i ]]
exec "${@:4}"
"""
# As the stores' command lines, each of which tells where it got the password from.
REDIS_CLI = """#!/bin/bash
printf '%s\\n' "$*" >> "$CALLS"
read -r verb account password
[[ "$verb $account $password" == "AUTH voteapp_7 $EXPECTED" ]] && echo OK || echo WRONGPASS
"""
PSQL = """#!/bin/bash
printf '%s\\n' "$*" >> "$CALLS"
[[ $PGPASSWORD == "$EXPECTED" ]] && echo 1 || { echo 'FATAL:  password authentication failed' >&2; exit 2; }
"""


@dataclass(frozen=True)
class Kept(Login):
    """Whose files are in a folder of the test."""

    folder: Path

    def file(self, store: str) -> str:
        return str(self.folder / store)


@pytest.fixture
def login(tmp_path: Path) -> Login:
    for store in logins.SECRETS:
        (tmp_path / store).write_text(PASSWORD, encoding="utf-8")
    for name, program in (("docker", DOCKER), ("redis-cli", REDIS_CLI), ("psql", PSQL)):
        (tmp_path / name).write_text(program, encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    return Kept("voteapp_7", "server-2", tmp_path)


@pytest.mark.parametrize("store", logins.SECRETS)
@pytest.mark.parametrize(("expected", "outcome"), [(PASSWORD, ACCEPTED), ("another", REFUSED)])
def test_a_password_is_tried_and_in_no_argument(
    login: Login, store: str, expected: str, outcome: str, tmp_path: Path
) -> None:
    command = logins.command(SEEN, login, store, f"{store}-3")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(tmp_path / "calls"), "EXPECTED": expected}
    done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=True)
    assert logins.outcome(done.stdout) == outcome
    calls = (tmp_path / "calls").read_text(encoding="utf-8")
    # From the container that the login's server has, at the member that is asked.
    assert calls.startswith(f"exec -i {store}-on-2 ")
    assert f"-h {store}-3" in calls
    for text in (command, calls, done.stdout, done.stderr):
        assert PASSWORD not in text


@pytest.mark.parametrize(
    ("told", "outcome"),
    [
        ("OK\n", ACCEPTED),
        ("1\n", ACCEPTED),
        ("WRONGPASS invalid username-password pair or user is disabled.\n", REFUSED),
        ('psql: error: ...: FATAL:  password authentication failed for user "voteapp_1"\n', REFUSED),
        ('psql: error: ...: FATAL:  role "voteapp_1" is not permitted to log in\n', REFUSED),
        # Whoever is not reached has refused nobody.
        (
            "Could not connect to Redis at redis-1:6379: Connection refused\n",
            "Could not connect to Redis at redis-1:6379: Connection refused",
        ),
        ("", "nothing"),
    ],
)
def test_outcome(told: str, outcome: str) -> None:
    assert logins.outcome(told) == outcome


def test_the_accounts_that_services_are_given() -> None:
    def service(name: str, *environment: str) -> dict[str, Any]:
        container = {"Env": list(environment)} if environment else {}
        return {"Spec": {"Name": name, "TaskTemplate": {"ContainerSpec": container}}}

    swarm = Swarm(
        services=[
            service("voteapp_vote", "OPTION_A=a=b", "REDIS_USER=voteapp_2"),
            service("voteapp_result"),
            service("voteapp_worker", "REDIS_USER=voteapp_2", "POSTGRES_USER=voteapp_1"),
            service("voteapp-data_db-1", "POSTGRES_USER=postgres"),
        ],
        tasks=[],
        nodes=[],
        configs=[],
    )
    assert logins.given(swarm) == {
        "REDIS_USER of vote": "voteapp_2",
        "POSTGRES_USER of result": "none",
        "REDIS_USER of worker": "voteapp_2",
        "POSTGRES_USER of worker": "voteapp_1",
    }


def test_who_is_logged_in_at_each_member(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "redis-on-1": "id=3 addr=10.0.0.9:1 name= user=voteapp_2 lib-name=redis-py\nid=4 addr=10.0.0.9:2 user=default",
        "db-on-2": "\npostgres\nvoteapp_12\nvoteapp_2\nvoteapp_2\nreplicator",
    }
    monkeypatch.setattr(stores, "look", lambda _stage: SEEN)
    monkeypatch.setattr(stores, "inside", lambda _stage, container, _question: told.get(container.id, ""))
    assert logins.logged_in(cast(Stage, None)) == {
        **{member: [] for member in MEMBERS},
        "redis-1": ["voteapp_2"],
        "db-2": ["voteapp_12", "voteapp_2"],
    }


GOOD = Rotation(
    "first",
    Run(),
    ("voteapp_1", "voteapp_2"),
    before=dict.fromkeys(MEMBERS, ACCEPTED),
    after=dict.fromkeys(MEMBERS, REFUSED),
    now=dict.fromkeys(MEMBERS, ACCEPTED),
    given={"REDIS_USER of vote": "voteapp_2", "POSTGRES_USER of result": "voteapp_2"},
    logged_in={**dict.fromkeys(MEMBERS, ()), "redis-1": ["voteapp_2"], "db-3": ["voteapp_2"]},
)


def test_a_rotation_is_as_it_must_be() -> None:
    assert GOOD.problems() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"run": Run(exit_code=2, failures=[Failure("one", "task", "why")])},
            "rotate_passwords.yml succeeds (one: task",
        ),
        ({"accounts": ("voteapp_2", "voteapp_2")}, "the app has another account"),
        ({"before": {**GOOD.before, "db-2": "nothing"}}, "the old passwords were accepted before"),
        ({"after": {**GOOD.after, "redis-3": ACCEPTED}}, "they are refused afterwards"),
        ({"after": {}}, "they are refused afterwards"),
        ({"now": {**GOOD.now, "db-1": REFUSED}}, "the new ones are accepted"),
        (
            {"given": {**GOOD.given, "POSTGRES_USER of result": "voteapp_1"}},
            "vote, result and worker have the new account",
        ),
        ({"logged_in": {**GOOD.logged_in, "db-3": ["voteapp_1", "voteapp_2"]}}, "all of the app is logged in with it"),
        # Whoever is logged in nowhere has not been seen.
        ({"logged_in": dict.fromkeys(MEMBERS, ())}, "all of the app is logged in with it"),
    ],
)
def test_what_is_not_so_of_a_rotation_is_told(change: dict[str, object], words: str) -> None:
    (problem,) = replace(GOOD, **change).problems()  # type: ignore[arg-type]
    assert problem.startswith(f"first rotation: {words}")
