# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stack that a row deploys, and what the swarm then tells of it, asked without the collection's code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from lab.playbook import Run
from tests.acceptance.stage import Stage, StageError

STACK = "app"
PLAY = str(Path(__file__).parents[1] / "plays" / "stack.yml")
MONITOR_SECONDS = 5.0
"""How long the engine watches new tasks where nothing else is said."""

ASK = (
    "python3 -c 'import docker, json; c = docker.APIClient(); "
    'print(json.dumps({"services": c.services(), "tasks": c.tasks(), "nodes": c.nodes(), "configs": c.configs()}))\''
)
NAMESPACE = "com.docker.stack.namespace"
ENDED = ("failed", "rejected", "complete")

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What a run of swarm_stack came to. result: the module's. began, ended: seconds since 1970."""

    result: Mapping[str, Any]
    began: float
    ended: float

    @property
    def verdict(self) -> str:
        """converged, failed, or refused, before anything was sent."""
        if "msg" not in self.result:
            return "converged"
        return "failed" if self.result.get("applied") else "refused"

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


def deploy(stage: Stage, manager: str, file: Any, **options: Any) -> Deployment:
    """Deploy a Compose file through a manager. StageError where the run itself came to no end."""
    run = play(stage, manager, {"compose": yaml.safe_dump(file), "resolve_image": "never", **options})
    return told(run)


def remove(stage: Stage, manager: str) -> Deployment:
    """The stack with all that belongs to it."""
    return told(play(stage, manager, {"state": "absent"}))


def play(stage: Stage, manager: str, options: Mapping[str, Any]) -> Run:
    """The run of the playbook itself."""
    options = {"name": STACK, "timeout": 120, **options}
    return stage.play(PLAY, {"stack_host": manager, "stack_options": options})


def told(run: Run) -> Deployment:
    """What the run's module told. StageError where it told nothing."""
    if "Tell" not in run.reports:
        raise StageError(f"the stack could not be deployed: {'; '.join(map(str, run.failures))}")
    report = run.reports["Tell"][0]
    return Deployment(report["result"], float(report["began"]), float(report["ended"]))


@dataclass(frozen=True)
class Swarm:
    """What a manager lists, as the engine does."""

    services: Sequence[Object]
    tasks: Sequence[Object]
    nodes: Sequence[Object]
    configs: Sequence[Object]

    def of_stack(self) -> tuple[list[Object], list[Object]]:
        """Services and tasks of the stack, the latter in the order they were made."""
        services = [item for item in self.services if item["Spec"]["Labels"].get(NAMESPACE) == STACK]
        ids = {service["ID"] for service in services}
        tasks = [task for task in self.tasks if task["ServiceID"] in ids]
        return services, sorted(tasks, key=lambda task: str(task["CreatedAt"]))

    def hostname(self, task: Object) -> str:
        """Of the node that the task is on."""
        return next(str(node["Description"]["Hostname"]) for node in self.nodes if node["ID"] == task["NodeID"])


def look(stage: Stage, manager: str) -> Swarm:
    """What a manager tells. StageError where it does not."""
    return Swarm(**json.loads(stage.on(manager, ASK)))


def moment(text: str) -> float:
    """Seconds since 1970 of a time as the engine writes it, nanoseconds and all."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6] or 0}+00:00").timestamp()


def known_since(fact: str, deployment: Deployment, swarm: Swarm) -> float:
    """When a verdict could be known, by what the tasks of the stack tell. StageError where they do not."""
    _services, tasks = swarm.of_stack()
    if fact == "beginning":
        return deployment.began
    if fact == "pending":
        moments = [moment(task["CreatedAt"]) for task in tasks if task["Status"]["State"] == "pending"]
    elif fact in ("first", "second"):
        ended = sorted(moment(task["Status"]["Timestamp"]) for task in tasks if task["Status"]["State"] in ENDED)
        moments = ended[{"first": 0, "second": 1}[fact] :][:1]
    else:
        seen = [moment(task["Status"]["Timestamp"]) for task in tasks if task["Status"]["State"] == fact]
        moments = [max(seen) + (MONITOR_SECONDS if fact == "running" else 0.0)] if seen else []
    if not moments:
        raise StageError(f"no task tells when it was known ({fact})")
    return moments[0]
