# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run one of the collection's playbooks and tell what it did, phase by phase."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FAILURES = ("v2_runner_on_failed", "v2_runner_on_unreachable")


@dataclass(frozen=True)
class Failure:
    """A task that failed for good on a host, and why, in a line."""

    host: str
    task: str
    reason: str

    def __str__(self) -> str:
        return f"{self.host}: {self.task}: {self.reason}"


@dataclass
class Run:
    """What a run of a playbook did.

    phases: seconds by phase, in order; a phase is what stands before the colon in the names of plays.
    hosts: Ansible's recap by host ("ok", "changed", "failures", ...).
    failures: the tasks that failed for good, in order; what a rescue took care of is not among them.
    reports: what ``debug`` tasks said, by task name. warnings: what modules warned about.
    """

    phases: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    reports: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    exit_code: int = 0

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.hosts.values())

    @property
    def seconds(self) -> float:
        return sum(self.phases.values())


def ignore(_phase: str, _task: str) -> None:
    """Progress that nobody watches."""


def run(
    playbook: str,
    *,
    project: Path,
    environment: Mapping[str, str],
    log: Path,
    arguments: tuple[str, ...] = (),
    progress: Callable[[str, str], None] = ignore,
) -> Run:
    """Run a playbook in the project's environment; every event goes to ``log``, one JSON document a line.

    progress is called with (phase, task) whenever a task starts.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [str(project / ".venv/bin/ansible-playbook"), str(project / "playbooks" / playbook), *arguments]
    environment = {
        **os.environ,
        **environment,
        "ANSIBLE_CONFIG": str(project / "ansible.cfg"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.jsonl",
    }
    result = Run()
    clock = _Clock(result.phases)
    with (
        log.open("w", encoding="utf-8") as record,
        subprocess.Popen(
            command, cwd=project, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        ) as process,
    ):
        for event in _events(process.stdout or (), record.write):
            _take(event, result, clock, progress)
        result.exit_code = process.wait()
    clock.stop()
    return result


class _Clock:
    """Adds the time that passes to the phase under way."""

    def __init__(self, phases: dict[str, float]) -> None:
        self.phases = phases
        self.phase = "Start"
        self.since = time.monotonic()

    def enter(self, phase: str) -> None:
        self.stop()
        self.phase = phase

    def stop(self) -> None:
        now = time.monotonic()
        self.phases[self.phase] = self.phases.get(self.phase, 0.0) + now - self.since
        self.since = now


def _events(lines: Iterable[str], record: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    """The events among a run's output; all of it is recorded."""
    for line in lines:
        record(line)
        if line.startswith("{"):
            yield json.loads(line)


def _take(event: dict[str, Any], run_: Run, clock: _Clock, progress: Callable[[str, str], None]) -> None:
    kind = event["_event"]
    if kind == "v2_playbook_on_play_start":
        clock.enter(event["play"]["name"].partition(":")[0])
    elif kind == "v2_playbook_on_task_start":
        progress(clock.phase, event["task"]["name"])
    elif kind == "v2_playbook_on_stats":
        run_.hosts = event["stats"]
        run_.failures = [failure for host, counts in run_.hosts.items() for failure in _final(run_, host, counts)]
    elif kind in FAILURES:
        run_.failures += [
            Failure(host, event["task"]["name"], _reason(result)) for host, result in event["hosts"].items()
        ]
    elif kind == "v2_runner_on_ok":
        for result in event["hosts"].values():
            run_.warnings += map(str, result.get("warnings") or ())
            if result.get("action", "").endswith("debug"):
                run_.reports.setdefault(event["task"]["name"], []).append(result.get("msg"))


def _final(run_: Run, host: str, counts: dict[str, int]) -> list[Failure]:
    """A host's last failures, as many as the recap counts: those before them were rescued."""
    count = counts["failures"] + counts["unreachable"]
    return [failure for failure in run_.failures if failure.host == host][-count:] if count else []


def _reason(result: dict[str, Any]) -> str:
    """Why a task failed, in a line: its message, else the messages of the loop's items."""
    items = [item.get("msg", "") for item in result.get("results", []) if item.get("failed")]
    return "; ".join(items) or str(result.get("msg", "no reason given")).strip()
