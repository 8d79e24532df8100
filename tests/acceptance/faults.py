# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Faults of the cloud, each put into each phase of what hcloud_fleet does: the fleet must come out as asked for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict

from lab.playbook import Run
from tests.acceptance.alone import ApiAlone
from tests.acceptance.fleets import addresses, fleet, lay_foundation, shortcomings
from tests.acceptance.outages import outage
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "faults of the API in each phase"
TABLE = Path(__file__).parent / "suites" / "cloud_faults.yml"
SERVERS = fleet(3)
LATENCIES = {"*": 0.2}
BESIDE_EACH_OTHER = 4
# Long enough for a test to see that a request has come in, and to end the API while it works on it.
IN_HAND_SECONDS = 5
DOES_NOT_OCCUR = "-"
MASKED = '"api_token":"VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"'


class Phase(BaseModel):
    """request: what the lab's faults match. command: of the action that the request starts, None where it reads.

    verb: the step in messages; None where there is no step.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    request: dict[str, str]
    command: str | None = None
    verb: str | None = None
    state: Literal["present", "absent"] = "present"


class Trouble(BaseModel):
    """One of request (the phase's requests go wrong), action (its actions do), down_seconds (the API is gone) and
    quota_spent (the run begins with no request left).

    outcome: what the run comes to. says: words of the message where it fails.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    request: dict[str, Any] | None = None
    action: dict[str, Any] | None = None
    down_seconds: float | None = None
    quota_spent: bool = False
    outcome: Literal["converges", "fails"]
    says: list[str] = []

    def rule(self, phase: Phase) -> dict[str, Any] | None:
        """The lab's fault that puts it into a phase; None where it cannot occur there."""
        if self.quota_spent and phase.verb is not None:
            return None
        if self.action is not None:
            return None if phase.command is None else {"on": "action", "command": phase.command, **self.action}
        if self.down_seconds is not None:
            return {**phase.request, "delay": IN_HAND_SECONDS, "times": 1}
        return {**phase.request, **(self.request or {})}


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid")

    phases: list[Phase]
    faults: list[Trouble]


@dataclass(frozen=True)
class Cell:
    """What became of one fault in one phase."""

    outcome: str
    seconds: float
    message: str
    problems: list[str]


def judge(stage: Stage) -> Finding:
    """Every fault in every phase, several beside each other, each on an API that has seen nothing before."""
    table = Table.model_validate(yaml.safe_load(TABLE.read_text(encoding="utf-8")))
    pairs = [(trouble, phase) for trouble in table.faults for phase in table.phases]
    free: SimpleQueue[int] = SimpleQueue()
    for number in range(BESIDE_EACH_OTHER):
        free.put(number)

    def work(pair: tuple[Trouble, Phase]) -> Cell:
        number = free.get()
        try:
            with ApiAlone(stage.state, number, LATENCIES) as alone:
                cell = _cell(alone, *pair)
        finally:
            free.put(number)
        stage.say(f"{pair[0].name}, {pair[1].name}: {cell.outcome}")
        return cell

    with ThreadPoolExecutor(BESIDE_EACH_OTHER) as pool:
        cells = list(pool.map(work, pairs))
    return _finding(pairs, cells, _said_by_the_role(stage))


def _said_by_the_role(stage: Stage) -> list[str]:
    """Whether the role, which hands the token to all modules, says it anywhere."""
    with ApiAlone(stage.state) as alone:
        alone.begin_anew()
        run = alone.provision({}, "-vvv")
        return unmet({"the role runs": run.exit_code == 0}) + _token_said(alone, alone.output("cloud_part.yml"))


def _token_said(alone: ApiAlone, *printed: str) -> list[str]:
    return unmet(
        {
            "the token is in no output": not any(alone.api.token in text for text in printed),
            # Else the arguments were not shown at all, and it could not have been there.
            "its place is in the output": all(MASKED in text for text in printed),
        }
    )


def _cell(alone: ApiAlone, trouble: Trouble, phase: Phase) -> Cell:
    rule = trouble.rule(phase)
    if rule is None:
        return Cell(DOES_NOT_OCCUR, 0, "", [])
    began = time.monotonic()
    alone.begin_anew()
    lay_foundation(alone.api, len(SERVERS))
    variables = {"servers": SERVERS, "state": phase.state}
    if phase.state == "absent":
        _must_converge(alone, {"servers": SERVERS})
    if not trouble.quota_spent:
        alone.api.put_faults([rule])
    run, struck = _run(alone, trouble, variables)
    printed = [alone.output("fleet.yml")]
    problems = unmet({"the fault takes effect": struck})
    if run.exit_code:
        problems += _badly_said(run, trouble, phase)
        again = alone.play("fleet.yml", variables, "-vvv")
        printed.append(alone.output("fleet.yml"))
        problems += unmet({f"a second run converges ({'; '.join(map(str, again.failures))})": again.exit_code == 0})
    elif trouble.outcome == "fails":
        problems.append("the run fails, as it should with this fault")
    problems += shortcomings(alone.api, {} if phase.state == "absent" else addresses(SERVERS))
    problems += _token_said(alone, *printed)
    outcome = "converges" if run.exit_code == 0 else "fails, then converges"
    message = "; ".join(failure.reason for failure in run.failures)
    return Cell("wrong" if problems else outcome, round(time.monotonic() - began, 1), message, problems)


def _run(alone: ApiAlone, trouble: Trouble, variables: Mapping[str, Any]) -> tuple[Run, bool]:
    """The run that the fault is for, and whether the fault has taken effect."""
    if trouble.down_seconds is not None:
        with outage(alone, trouble.down_seconds, lambda: any(alone.api.fault_effects())) as killed:
            return alone.play("fleet.yml", variables, "-vvv"), killed.is_set()
    if trouble.quota_spent:
        alone.api.spend_quota()
        alone.api.forget_requests()
        run = alone.play("fleet.yml", variables, "-vvv")
        denied = 429 in alone.api.requests().statuses
        # What is left of the quota would not do to look at what came of it; a restarted API has it anew.
        alone.kill_api()
        alone.start_api()
        return run, denied
    run = alone.play("fleet.yml", variables, "-vvv")
    return run, any(alone.api.fault_effects())


def _must_converge(alone: ApiAlone, variables: Mapping[str, Any]) -> None:
    run = alone.play("fleet.yml", variables)
    if run.exit_code:
        raise StageError("; ".join(map(str, run.failures)))


def _badly_said(run: Run, trouble: Trouble, phase: Phase) -> list[str]:
    """What is wrong with how a run has failed."""
    said = " ".join(failure.reason for failure in run.failures)
    if trouble.outcome == "converges":
        return [f"the run converges (it fails: {said})"]
    named = phase.verb is None or any(server["name"] in said for server in SERVERS)
    words = [*trouble.says, *([f"{phase.verb} server"] if phase.verb else [])]
    return unmet(
        {
            f"the message names the server ({said})": named,
            f"the message is no traceback ({said})": "Traceback" not in said,
            **{f"the message has: {word} ({said})": word in said for word in words},
        }
    )


def _finding(pairs: list[tuple[Trouble, Phase]], cells: list[Cell], said_by_the_role: list[str]) -> Finding:
    grid: dict[str, dict[str, str]] = {}
    problems = [f"the role without faults: {words}" for words in said_by_the_role]
    for (trouble, phase), cell in zip(pairs, cells, strict=True):
        grid.setdefault(trouble.name, {})[phase.name] = cell.outcome
        problems += [f"{trouble.name}, {phase.name}: {words}" for words in cell.problems]
    occurring = [cell for cell in cells if cell.outcome != DOES_NOT_OCCUR]
    converged = sum(cell.outcome == "converges" for cell in occurring)
    wrong = sum(cell.outcome == "wrong" for cell in occurring)
    figure = (
        f"{len(occurring)} faults: {converged} converge, {len(occurring) - converged - wrong} fail clearly and "
        f"converge when run again, {wrong} come out wrong"
    )
    named = {f"{trouble.name}, {phase.name}": cell for (trouble, phase), cell in zip(pairs, cells, strict=True)}
    data = {
        "grid": grid,
        "messages": {name: cell.message for name, cell in named.items() if cell.message},
        "seconds": {name: cell.seconds for name, cell in named.items() if cell.seconds},
    }
    return Finding(figure, problems, data=data, grid=grid)
