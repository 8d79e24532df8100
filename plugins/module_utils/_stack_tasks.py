# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How Swarm's tasks are read: which belong to a service's present spec, how many there should be, why one ended. Pure.

Note that this is private to the collection: other collections must not import it.

Services, tasks and nodes are as the engine lists them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import (
    hostname,
    is_active,
    is_up,
    satisfies_all,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import meaningful

ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
_DEFAULT_MONITOR = 5.0

Object = Mapping[str, Any]


@dataclass(frozen=True)
class View:
    """One service with its tasks, oldest first. nodes: all of the Swarm, by ID. current: tasks of the present spec."""

    service: Object
    nodes: Mapping[str, Object]
    tasks: tuple[Object, ...]
    current: tuple[Object, ...]

    @classmethod
    def of(cls, service: Object, tasks: Iterable[Object], nodes: Mapping[str, Object]) -> View:
        mine = (task for task in tasks if task["ServiceID"] == service["ID"])
        ordered = tuple(sorted(mine, key=lambda task: task["CreatedAt"]))
        template = meaningful(service["Spec"]["TaskTemplate"])
        current = tuple(task for task in ordered if _is_current(task, service, template, nodes))
        return cls(service, nodes, ordered, current)

    @property
    def name(self) -> str:
        return str(self.service["Spec"]["Name"])

    @property
    def mode(self) -> Object:
        return self.service["Spec"].get("Mode") or {}

    @property
    def is_job(self) -> bool:
        return "ReplicatedJob" in self.mode or "GlobalJob" in self.mode

    def newest(self) -> dict[str, Object]:
        """By slot, the last task of the present spec."""
        return {slot_of(task): task for task in self.current}

    def failures(self, known: frozenset[str]) -> list[Object]:
        """Tasks of the present spec that ended and should not have, but for the ``known`` ones."""
        return [task for task in self.current if task["ID"] not in known and self.is_failure(task)]

    def is_failure(self, task: Object) -> bool:
        """Ending with 0 is a failure where the service starts again after any end."""
        state = task["Status"]["State"]
        return state in ("failed", "rejected") or (state == "complete" and self._restarts_always)

    def is_live(self, task: Object) -> bool:
        """Whether the task runs or is on the way there, on a node that is not lost."""
        here = is_up(self.nodes.get(task.get("NodeID", ""), {}))
        return not is_stopping(task) and task["Status"]["State"] not in ENDED and here

    def task_name(self, task: Object) -> str:
        node = self.nodes.get(task.get("NodeID", ""))
        slot = f".{task['Slot']}" if task.get("Slot") else ""
        return f"task {self.name}{slot}" + (f" on {hostname(node)}" if node else "")

    @property
    def monitor_seconds(self) -> float:
        """How long new tasks are watched before an update counts as done."""
        nanoseconds = (self.service["Spec"].get("UpdateConfig") or {}).get("Monitor") or 0
        return float(nanoseconds) / 1e9 or _DEFAULT_MONITOR

    @property
    def desired(self) -> int:
        """Tasks that shall run, or complete where the service is a job."""
        if "Replicated" in self.mode:
            return int(self.mode["Replicated"].get("Replicas", 1))
        if "ReplicatedJob" in self.mode:
            job = self.mode["ReplicatedJob"] or {}
            return int(job.get("TotalCompletions") or job.get("MaxConcurrent") or 1)
        constraints = self.service["Spec"]["TaskTemplate"].get("Placement", {}).get("Constraints") or []
        nodes = self.nodes.values()
        return sum(1 for node in nodes if is_active(node) and is_up(node) and satisfies_all(node, constraints))

    @property
    def _restarts_always(self) -> bool:
        policy = self.service["Spec"]["TaskTemplate"].get("RestartPolicy") or {}
        return not self.is_job and policy.get("Condition", "any") == "any"


@dataclass(frozen=True)
class Progress:
    """How far a service is. reached: the IDs of tasks that run (or completed, where that is the aim).

    live: tasks that run or are on the way. surplus: live ones that shall not be and are not told to stop yet.
    """

    desired: int
    reached: frozenset[str]
    live: int
    surplus: int

    @classmethod
    def of(cls, view: View) -> Progress:
        live = [task for task in view.tasks if view.is_live(task)]
        if view.is_job:
            done = [task for task in view.current if task["Status"]["State"] == "complete"]
            return cls(view.desired, _ids(done), len(live), 0)
        newest = view.newest().values()
        done = [task for task in newest if task["Status"]["State"] == "complete" and not view.is_failure(task)]
        serving = [task for task in view.current if view.is_live(task) and task["Status"]["State"] == "running"]
        stale = len(_ids(live) - _ids(view.current))
        return cls(view.desired, _ids([*done, *serving]), len(live), max(stale, len(live) - view.desired))

    @property
    def complete(self) -> bool:
        return len(self.reached) >= self.desired and not self.surplus


def _ids(tasks: Iterable[Object]) -> frozenset[str]:
    return frozenset(task["ID"] for task in tasks)


def slot_of(task: Object) -> str:
    """What a task's successor takes over: the slot of a replica, the node of a global service's task."""
    return str(task.get("Slot") or task.get("NodeID", ""))


def is_stopping(task: Object) -> bool:
    return task["DesiredState"] in ("shutdown", "remove")


def _is_current(task: Object, service: Object, template: Mapping[str, Any], nodes: Mapping[str, Object]) -> bool:
    """Whether the task was made from the service's present spec, of which ``template`` is the meaningful part.

    As Swarm itself sees it, another placement alone leaves a task current where its node satisfies the new one.
    """
    if "JobIteration" in task:
        iteration = (service.get("JobStatus") or {}).get("JobIteration", {}).get("Index")
        return bool(task["JobIteration"].get("Index") == iteration)
    spec = meaningful(task["Spec"])
    placement = template.get("Placement", {})
    if {**template, "Placement": {}} != {**spec, "Placement": {}}:
        return False
    if placement == spec.get("Placement", {}):
        return True
    node = nodes.get(task.get("NodeID", ""))
    return node is not None and satisfies_all(node, placement.get("Constraints", []))


@dataclass(frozen=True)
class Cause:
    """Why a task ended. times: failures of one slot that suffice to call it hopeless; times_after: how many of those
    must come after all other services arrived, 0 where no other service can be the reason.
    """

    words: str
    times: int
    times_after: int


_CAUSES = (
    (r"no such image|manifest unknown|pull access denied", "image not found, or not to be pulled", 3, 0),
    (r"(address|port).*already (in use|allocated)", "port in use on the node", 2, 0),
    (r"executable file not found|exec:.*(no such file|permission denied)", "command cannot be started", 2, 0),
    (r"invalid mount|bind source path does not exist|error while mounting", "mount impossible", 2, 0),
    (r"unhealthy", "health check fails", 2, 1),
)


def cause_of(task: Object) -> Cause:
    status = task["Status"]
    error = status.get("Err", "") or status.get("Message", "")
    for pattern, meaning, times, times_after in _CAUSES:
        if re.search(pattern, error, re.IGNORECASE):
            return Cause(f"{meaning}: {error}", times, times_after)
    code = (status.get("ContainerStatus") or {}).get("ExitCode", 0)
    if status["State"] == "complete":
        return Cause("ends by itself with exit code 0 and is started again and again", 3, 2)
    words = {137: "exit code 137: killed, probably out of memory", 139: "exit code 139: segmentation fault"}
    fallback = f"exit code {code}: {error}" if code else error
    return Cause(words.get(code, fallback), 3, 2)
