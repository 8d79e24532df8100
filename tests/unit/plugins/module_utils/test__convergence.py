# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement of convergence, by the cases of test__convergence.yaml, and the loop around it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import (
    INTERVAL,
    Baseline,
    Reading,
    Verdict,
    Watch,
    judge,
    wait,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import node

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
SPECS = {"new": {"ContainerSpec": {"Image": "web:2"}}, "old": {"ContainerSpec": {"Image": "web:1"}}}


def service(name: str, written: dict[str, Any]) -> dict[str, Any]:
    template: dict[str, Any] = {**SPECS["new"], "ForceUpdate": 0}
    if "restart" in written:
        template["RestartPolicy"] = {"Condition": written["restart"]}
    if "placement" in written:
        template["Placement"] = {"Constraints": written["placement"]}
    mode: dict[str, Any] = {"Replicated": {"Replicas": written.get("replicas", 1)}}
    if written.get("global"):
        mode = {"Global": {}}
    if "job" in written:
        mode = {"ReplicatedJob": {"MaxConcurrent": 1, "TotalCompletions": written["job"]}}
    spec = {"Name": f"app_{name}", "TaskTemplate": template, "Mode": mode, "UpdateConfig": {"Monitor": 5_000_000_000}}
    item: dict[str, Any] = {"ID": name, "Spec": spec}
    if "job" in written:
        item["JobStatus"] = {"JobIteration": {"Index": 7}}
    if "update" in written:
        state, began = written["update"]
        item["UpdateStatus"] = {"State": state, "StartedAt": began, "Message": "because"}
    return item


def task(key: str, number: int, written: dict[str, Any], restart: str | None) -> dict[str, Any]:
    spec: dict[str, Any] = dict(SPECS[written.get("spec", "new")])
    if restart:
        spec["RestartPolicy"] = {"Condition": restart}
    status: dict[str, Any] = {"State": written.get("state", "running")}
    if "error" in written:
        status["Err"] = written["error"]
    if "exit" in written:
        status["ContainerStatus"] = {"ExitCode": written["exit"]}
    item = {
        "ID": key,
        "CreatedAt": f"2026-11-23T19:00:{number:02}Z",
        "ServiceID": written.get("service", "a"),
        "Slot": written.get("slot", 1),
        "NodeID": written.get("node", "m1") and f"id-{written.get('node', 'm1')}",
        "Spec": spec,
        "Status": status,
        "DesiredState": written.get("desired", "running"),
    }
    if "iteration" in written:
        item["JobIteration"] = {"Index": written["iteration"]}
    return item


def reading(case: dict[str, Any], round_: dict[str, Any]) -> Reading:
    written = {**(case.get("services") or {"a": {}}), **round_.get("services", {})}
    return Reading(
        tuple(service(name, item) for name, item in written.items()),
        tuple(
            task(key, number, item, written[item.get("service", "a")].get("restart"))
            for number, (key, item) in enumerate(round_["tasks"].items())
        ),
        (node("m1"), node("m2", **case.get("m2", {}))),
    )


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_judge(case: dict[str, Any]) -> None:
    written = case.get("services") or {"a": {}}
    updates = {name: item.get("updated_before", "") for name, item in written.items()}
    baseline = Baseline(updates, frozenset(case.get("before", [])))
    touched = frozenset(f"app_{name}" for name, item in written.items() if item.get("touched", True))
    watch = Watch()
    verdicts: list[Verdict] = []
    for round_ in case["rounds"]:
        watch.next_round(round_["at"])
        verdicts = judge(reading(case, round_), baseline, touched, watch)
    for verdict, (name, says) in zip(verdicts, case["says"].items(), strict=True):
        state, _colon, reason = says.partition(": ")
        assert (verdict.service, verdict.state) == (f"app_{name}", state), verdict
        assert reason in verdict.reason


def test_a_failure_names_its_task() -> None:
    failed = reading({}, {"tasks": {"t1": {"state": "failed", "exit": 1}}})
    watch = Watch()
    verdict = None
    for now in (0.0, 5.0):
        watch.next_round(now)
        verdict = judge(failed, Baseline(), frozenset(), watch)[0]
    assert verdict is not None
    assert (verdict.state, verdict.task, verdict.running, verdict.desired) == ("failed", "t1", 0, 1)


def test_what_was_there_before_is_the_baseline() -> None:
    before = reading({"services": {"a": {"update": ["paused", "11:00"]}}}, {"tasks": {"t1": {}}})
    assert Baseline.of(before) == Baseline({"a": "11:00"}, frozenset({"t1"}))


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.now += seconds


def waited(
    answers: list[Reading | EngineError],
    timeout: float = 30,
    tell: Callable[[list[Verdict]], None] = lambda _verdicts: None,
) -> tuple[list[Verdict], float]:
    """Verdicts and seconds; the last answer repeats."""
    clock = Clock()

    def read() -> Reading:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, EngineError):
            raise answer
        return answer

    everything = frozenset({"app_a"})
    verdicts = wait(read, everything, Baseline(), everything, timeout, tell, clock, clock.pause)
    return verdicts, clock.now - 100.0


def test_wait_returns_within_a_second_of_the_monitor_period() -> None:
    verdicts, seconds = waited([reading({}, {"tasks": {"t1": {}}})])
    assert [verdict.state for verdict in verdicts] == ["converged"]
    assert seconds == 5


def test_wait_outlives_an_engine_that_does_not_answer() -> None:
    there = reading({}, {"tasks": {"t1": {}}})
    verdicts, seconds = waited([there, *[EngineError("gone")] * 10, there])
    assert [verdict.state for verdict in verdicts] == ["converged"]
    assert seconds >= 10 * INTERVAL + 5


def test_wait_ends_with_what_is_missing() -> None:
    verdicts, seconds = waited([reading({}, {"tasks": {"t1": {"state": "preparing"}}})], timeout=12)
    assert seconds == 12
    assert verdicts[0].reason == "0 of 1 tasks running, task app_a.1 on m1 is preparing"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (EngineError("no leader"), "the engine cannot be asked: no leader"),
        (Reading((), (), ()), "the engine does not list it yet"),
    ],
)
def test_wait_ends_where_nothing_can_be_seen(answer: Reading | EngineError, reason: str) -> None:
    verdicts, seconds = waited([answer], timeout=3)
    assert seconds == 3
    assert verdicts == [Verdict("app_a", "waiting", 0, 0, reason)]


def test_wait_tells_the_verdicts_of_every_round() -> None:
    there = reading({}, {"tasks": {"t1": {}}})
    rounds: list[list[Verdict]] = []
    verdicts, _seconds = waited([Reading((), (), ()), EngineError("no leader"), there], tell=rounds.append)
    assert [one.reason for (one,) in rounds[:3]] == [
        "the engine does not list it yet",
        "the engine cannot be asked: no leader",
        "its tasks run, their monitor period is not over",
    ]
    assert rounds[-1] == verdicts


def test_wait_ends_where_telling_does() -> None:
    def lost(_verdicts: list[Verdict]) -> None:
        raise EngineError("taken over")

    with pytest.raises(EngineError, match="taken over"):
        waited([reading({}, {"tasks": {"t1": {}}})], tell=lost)
