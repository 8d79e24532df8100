# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_paths, by the cases of test__paths.yaml."""

from __future__ import annotations

from pathlib import Path as File
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._paths import (
    GONE,
    Outcome,
    Path,
    check,
    counts,
    expected,
    left_out,
    line,
    report,
    running,
    verdict,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.swarm_cases import nodes

DATA = yaml.safe_load(File(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
NODES = nodes({"n1": {}, "n2": {}, "n3": {"status": "down"}}, DATA["node"])

SMALL = Path("task", "web.1 on n1", "db.1 on n2", "back", ("10.0.1.6",), container="c1", own="10.0.1.5")
FULL = Path("task", "web.1 on n1", "db.1 on n2", "back", ("10.0.1.6",), full=True, container="c1", own="10.0.1.5")
NAME = Path("name", "web.1 on n1", "tasks.db", "back", ("10.0.1.6",), container="c1", own="10.0.1.5")
PORT = Path("port", "n1", "web at n2", "", ("10.9.0.3",), port=80)
GOOD = Outcome("", 0.5)
SILENT = Outcome("no answer within 3 s", None, 1400)


def written(path: Path) -> str:
    network = f" by {path.network}" if path.network else ""
    return f"{path.kind} {path.source} > {path.target} at {path.address}{network}{', full' if path.full else ''}"


@pytest.mark.parametrize("case", DATA["running"], ids=lambda case: case["case"])
def test_running(case: dict[str, Any]) -> None:
    found = running(case["tasks"], DATA["services"], NODES)
    assert found == case["expected"]
    check(found)


@pytest.mark.parametrize("case", DATA["paths"], ids=lambda case: case["case"])
def test_expected(case: dict[str, Any]) -> None:
    tasks = [{**DATA["task"], **task} for task in case["handed"]]
    addresses, ip_vs = case.get("addresses", {}), case.get("ip_vs", True)
    assert [written(path) for path in expected(tasks, "n1", "n1", addresses, ip_vs)] == case["paths"]
    assert left_out(tasks, (), addresses, ip_vs) == case.get("left_out", [])


def test_nodes_that_are_not_ready_are_told() -> None:
    assert left_out([], NODES, {}, True) == ["n3 is down: its tasks are not tried."]


def test_tasks_of_another_make_are_refused() -> None:
    with pytest.raises(Refused, match=r"setting tasks lacks id, networks, ports, service:"):
        check([{"name": "web.1", "node": "n1", "node_id": "n1", "container": "c1"}])


def test_paths_are_reported_and_counted() -> None:
    outcomes = {SMALL: GOOD, FULL: SILENT, NAME: GOOD}
    assert counts(outcomes) == {
        "task": {"total": 2, "failed": 1},
        "name": {"total": 1, "failed": 0},
        "port": {"total": 0, "failed": 0},
    }
    assert report(FULL, SILENT) == {
        "kind": "task",
        "source": "web.1 on n1",
        "target": "db.1 on n2",
        "network": "back",
        "address": "10.0.1.6",
        "bytes": 1400,
        "ok": False,
        "milliseconds": None,
        "error": "no answer within 3 s",
    }
    assert report(PORT, GOOD)["network"] is None


@pytest.mark.parametrize(
    ("path", "error", "text"),
    [
        (FULL, SILENT, "web.1 on n1 to db.1 on n2 (10.0.1.6, network back, 1400 bytes): no answer within 3 s"),
        (NAME, Outcome("unknown", None), "web.1 on n1 to tasks.db (network back): unknown"),
        (PORT, Outcome("refused", None), "n1 to web at n2 (10.9.0.3:80): refused"),
    ],
)
def test_line(path: Path, error: Outcome, text: str) -> None:
    assert line(path, error) == text


@pytest.mark.parametrize(
    ("failed", "advised"),
    [
        ({SMALL: SILENT, FULL: SILENT}, ["--force-new-cluster restart the engine"]),
        ({SMALL: GOOD, FULL: SILENT}, ["the MTU of the network (back) is larger"]),
        ({NAME: SILENT}, ["answered in full (db)", "service update --force"]),
        ({PORT: SILENT}, ["rules of the routing mesh"]),
        ({SMALL: Outcome(GONE, None)}, ["tasks as a manager lists them then"]),
    ],
)
def test_each_kind_of_failure_has_its_advice(failed: dict[Path, Outcome], advised: list[str]) -> None:
    message = verdict(failed, "n1", 30)
    every = ["restart the engine of the", "MTU of the network", "service update", "routing mesh", "lists them then"]
    assert all(words in message for words in advised)
    assert sum(words in message for words in every) == 1


def test_a_long_list_is_cut() -> None:
    many = {Path("port", "n1", "web at n2", "", ("10.9.0.3",), port=number): SILENT for number in range(12)}
    message = verdict({**many, NAME: GOOD}, "n1", 30)
    assert message.startswith("12 of 13 paths from n1 still fail after 30 s: n1 to web at n2 (10.9.0.3:0, ")
    assert "(10.9.0.3:9, 1400 bytes): no answer within 3 s; and 2 more. Where a service" in message
