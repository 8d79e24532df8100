# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_quorum, by the cases of test__gate.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._gate import Outlook, sparing, taking_part
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Swarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.swarm_cases import nodes, swarm

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def engine(case: dict[str, Any]) -> Swarm:
    """A manager where nodes are given, else what the case says."""
    listed = nodes(case.get("nodes", {}), DATA["node"])
    seen = {"state": "active", "manager": True, "node_id": "m1", "nodes": listed} if listed else {}
    return swarm(**{"node_name": "m1", **seen, **case.get("swarm", {})})


def compare(outlook: Outlook, case: dict[str, Any]) -> None:
    """Words are looked for; what a case does not name is not there."""
    assert (outlook.obstacle == "") is ("obstacle" not in case), outlook.obstacle
    assert case.get("obstacle", "") in outlook.obstacle
    assert (outlook.passing, outlook.cost != "") == (case.get("passing", False), case.get("accept", False))
    assert (case.get("note") or "") in (outlook.note or "")
    assert (outlook.note is None) is ("note" not in case)
    assert (outlook.node.id if outlook.node else None) == case.get("node")


@pytest.mark.parametrize("case", DATA["spare"], ids=lambda case: case["case"])
def test_sparing(case: dict[str, Any]) -> None:
    compare(sparing(engine(case), case.get("name"), case.get("deed", "restart")), case)


@pytest.mark.parametrize("case", DATA["member"], ids=lambda case: case["case"])
def test_taking_part(case: dict[str, Any]) -> None:
    compare(taking_part(engine(case), case.get("name")), case)


def test_a_node_that_is_not_there_cannot_be_spared() -> None:
    with pytest.raises(Refused, match=r"called m9\. Known nodes: m1"):
        sparing(engine({"nodes": {"m1": {"role": "manager", "reachability": "reachable"}}}), "m9", "restart")


def test_what_was_waited_for_says_so() -> None:
    assert Outlook(obstacle="No leader.").after(5).obstacle == "No leader. (Waited 5 s.)"
