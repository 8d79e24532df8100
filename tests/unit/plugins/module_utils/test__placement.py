# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import runs_one_of, satisfies
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import node

NODE = node("server-fsn-1", {"location": "fsn"}, role="manager", address="10.0.0.2")


@pytest.mark.parametrize(
    ("constraint", "satisfied"),
    [
        ("node.labels.location == fsn", True),
        ("node.labels.location==FSN", True),
        ("node.labels.location != fsn", False),
        ("node.labels.location == nbg", False),
        ("node.labels.absent == x", False),
        ("node.labels.absent != x", True),
        ("node.role == manager", True),
        ("node.role != manager", False),
        ("node.hostname == server-fsn-1", True),
        ("node.id == id-server-fsn-1", True),
        ("node.platform.os == linux", True),
        ("node.platform.arch == aarch64", False),
        ("engine.labels.disk == ssd", True),
        ("node.ip == 10.0.0.0/24", True),
        ("node.ip != 10.0.0.2", False),
        ("node.ip == nonsense", False),
        ("node.colour == blue", False),
        ("node.role", False),
    ],
)
def test_constraints(constraint: str, satisfied: bool) -> None:
    assert satisfies(NODE, constraint) is satisfied


@pytest.mark.parametrize(
    ("platforms", "runs"),
    [
        ([], True),
        ([{"OS": "linux", "Architecture": "amd64"}], True),
        ([{"OS": "linux", "Architecture": "x86_64"}], True),
        ([{"OS": "linux", "Architecture": "arm64"}, {"OS": "linux", "Architecture": "amd64"}], True),
        ([{"OS": "linux"}], True),
        ([{"Architecture": "amd64"}], True),
        ([{"OS": "linux", "Architecture": "arm64"}], False),
        ([{"OS": "windows", "Architecture": "amd64"}], False),
    ],
)
def test_platforms(platforms: list[dict[str, str]], runs: bool) -> None:
    assert runs_one_of(NODE, platforms) is runs
