# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_nodes, by the cases of test__nodes.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._nodes import (
    Rules,
    Wish,
    awaited,
    changed_spec,
    check_manager,
    named,
    plan,
    remarks,
    resolved,
    settled,
    unfinished,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, summary
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.swarm_cases import nodes, swarm

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def rules_of(case: dict[str, Any]) -> Rules:
    given = case.get("rules", {})
    return Rules(**{**given, "data_labels": frozenset(given.get("data_labels", ()))})


def planned(case: dict[str, Any]) -> list[Step]:
    actual = nodes(case["nodes"], DATA["node"])
    wishes = resolved([Wish.from_option(option) for option in case["wishes"]], actual)
    return plan(wishes, actual, case.get("this", "m1"), rules_of(case))


@pytest.mark.parametrize("case", DATA["plans"], ids=lambda case: case["case"])
def test_plan(case: dict[str, Any]) -> None:
    assert summary(planned(case)) == case["plan"]


@pytest.mark.parametrize("case", DATA["refusals"], ids=lambda case: case["case"])
def test_refusal(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        planned(case)
    assert case["refused"] in str(refusal.value)


def test_a_label_is_one_value() -> None:
    with pytest.raises(Refused, match="label zones must be a single value, not a list"):
        Wish.from_option({"name": "w1", "labels": {"zones": ["a"]}})


@pytest.mark.parametrize(
    ("wish", "node", "expected"),
    [
        ({}, {}, True),
        ({"state": "absent"}, {}, False),
        ({"state": "absent"}, {"status": "down"}, True),
        ({"name": "other", "state": "absent"}, {}, True),
        ({}, {"status": "unknown"}, False),
        ({}, {"role": "manager"}, False),
        ({}, {"role": "manager", "status": "down"}, True),
        ({}, {"role": "manager", "reachability": "reachable"}, True),
        ({}, {"role": "worker", "reachability": "reachable"}, False),
        ({"name": "w0"}, {"name": "w0"}, False),
    ],
)
def test_settled(wish: dict[str, Any], node: dict[str, Any], expected: bool) -> None:
    listed = nodes({"w0": {}, "w1": node}, DATA["node"])
    actual = swarm(state="active", manager=True, nodes=listed)
    assert settled([Wish(**{"name": "w1", **wish})], actual) is expected


@pytest.mark.parametrize(
    ("wish", "node", "expected"),
    [
        ({"role": "manager"}, {"role": "manager"}, True),
        ({"role": "manager"}, {"role": "manager", "reachability": "unreachable"}, False),
        ({"role": "manager"}, {"role": "worker"}, False),
        ({"role": "worker"}, {"role": "worker", "reachability": "reachable"}, True),
        ({"role": "worker"}, {"role": "manager"}, False),
        ({}, {"role": "manager"}, False),
        ({"name": "w2", "role": "manager"}, {"role": "manager"}, False),
    ],
)
def test_a_change_of_role_that_is_not_finished(wish: dict[str, Any], node: dict[str, Any], expected: bool) -> None:
    listed = nodes({"w1": node}, DATA["node"])
    assert bool(unfinished([Wish(**{"name": "w1", **wish})], listed)) is expected


def test_a_step_changes_what_it_names_in_a_spec() -> None:
    payload = {"id": "w1", "set": {"Labels": {"a": "2"}, "Availability": "drain"}, "drop": ["b"]}
    spec = {"Role": "worker", "Availability": "active", "Labels": {"a": "1", "b": "1", "c": "1"}}
    changed = changed_spec(Step("update", "node", "w1", payload=payload), spec)
    assert changed == {"Role": "worker", "Availability": "drain", "Labels": {"a": "2", "c": "1"}}


def test_a_name_means_the_one_that_is_up() -> None:
    listed = nodes({"old": {"name": "w1", "status": "down"}, "new": {"name": "w1"}}, DATA["node"])
    assert (named("w1", listed).id, named("old", listed).id) == ("new", "old")
    with pytest.raises(Refused, match=r"called w2\. Known nodes: w1, w1"):
        named("w2", listed)


def test_not_settled_without_a_leader() -> None:
    assert not settled([], swarm(state="active", manager=True, error="The swarm does not have a leader"))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({}, "server-1 is in no swarm"),
        ({"state": "active", "remote_managers": ("10.0.0.2:2377",)}, r"server-1 is a worker.*\(10.0.0.2:2377\)"),
        ({"state": "locked"}, "docker swarm unlock"),
        ({"state": "error", "error": "certificate expired"}, "certificate expired"),
        ({"state": "active", "manager": True, "error": "context deadline exceeded"}, "no leader.*deadline"),
    ],
)
def test_nodes_are_seen_on_a_manager_only(state: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        check_manager(swarm(**state))


@pytest.mark.parametrize(("mode", "warned"), [("keep", True), ("remove", False)])
def test_a_kept_twin_is_told(mode: str, warned: bool) -> None:
    listed = nodes({"old": {"name": "w1", "status": "down"}, "new": {"name": "w1"}}, DATA["node"])
    assert [("old" in remark) for remark in remarks([Wish("w1")], listed, Rules(dead_twins=mode))] == [True] * warned


def test_what_is_awaited_shows_what_is_asked() -> None:
    step = awaited(Wish("w1", role="manager", labels={"a": "b"}))
    assert (str(step), step.after) == ("update node w1 (once it has joined)", {"role": "manager", "labels": {"a": "b"}})
