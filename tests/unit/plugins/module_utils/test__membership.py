# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_member, by the cases of test__membership.yaml."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._membership import (
    Wanted,
    check_joined,
    check_recovered,
    plan,
    remarks,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, summary
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.swarm_cases import nodes, swarm

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def planned(case: dict[str, Any]) -> list[Step]:
    options = {**asdict(Wanted()), **case["wanted"]}
    actual = swarm(**case.get("swarm", {}), nodes=nodes(case.get("voters", {}), DATA["node"]))
    return plan(Wanted.from_options(options), actual, case.get("encrypted", False))


@pytest.mark.parametrize("case", [case for case in DATA["cases"] if "plan" in case], ids=lambda case: case["case"])
def test_plan(case: dict[str, Any]) -> None:
    assert summary(planned(case)) == case["plan"]


@pytest.mark.parametrize("case", [case for case in DATA["cases"] if "refused" in case], ids=lambda case: case["case"])
def test_refusal(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        planned(case)
    assert case["refused"] in str(refusal.value)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, []),
        ({"default_addr_pool": ("10.128.0.0/10",), "subnet_size": 24}, []),
        ({"default_addr_pool": ("10.0.0.0/8",)}, ["default_addr_pool is 10.0.0.0/8, but"]),
        ({"subnet_size": 26}, ["subnet_size is 26, but"]),
        ({"state": "absent", "subnet_size": 26}, []),
    ],
)
def test_what_cannot_change_is_told(wanted: dict[str, Any], expected: list[str]) -> None:
    actual = swarm(state="active", manager=True, default_addr_pool=("10.128.0.0/10",), subnet_size=24)
    told = remarks(Wanted(**wanted), actual)
    assert [line.partition(" this swarm")[0] for line in told] == expected


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"cluster_id": "C2"}, "has joined cluster C1, but cluster_id asks for C2"),
        ({"role": "manager"}, "join_token is the workers' token"),
    ],
)
def test_a_join_that_led_elsewhere(wanted: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_joined(Wanted(**wanted), swarm(state="active", cluster_id="C1"))


def test_a_recovery_that_led_elsewhere() -> None:
    recovered = swarm(state="active", manager=True, cluster_id="C1")
    check_recovered(None, recovered)
    check_recovered("C1", recovered)
    with pytest.raises(Refused, match="is in cluster C1 after the recovery of C2"):
        check_recovered("C2", recovered)


def test_no_key_is_shown() -> None:
    [step] = plan(Wanted(unlock_key="SWMKEY-1"), swarm(state="locked"))
    assert step.payload == {"key": "SWMKEY-1"}
    assert "SWMKEY-1" not in repr(step)
