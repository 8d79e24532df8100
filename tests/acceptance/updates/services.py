# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's services and their tasks as a manager lists them, and their deployment."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lab.daemons import wait_for
from lab.playbook import Run
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.stack import deployment
from tests.acceptance.stack.deployment import Swarm
from tests.acceptance.stage import Stage
from tests.acceptance.updates.drill import Span

STACKS = ("voteapp", "voteapp-data")
PAGES = ("vote", "result")
# Of each page there is one on another server when a server is lost.
REPLICAS = {"vote": 2, "result": 2, "worker": 2}
# Where a task has failed, Swarm may begin with the next one before it looks at that, and goes back only once that one
# has failed too: each is given three minutes to become healthy.
SECONDS_TO_ROLL_BACK = 300


@dataclass(frozen=True)
class Task:
    """service: as the Compose file of the app has it; one of the stores' goes by its full name."""

    id: str
    service: str
    server: str


@dataclass(frozen=True)
class Services:
    """images: the reference that each service has. updates: what became of its last update, in the engine's word.

    tasks: those that run and shall run. updated: from when to when the engine was at that update, where it is done.
    """

    images: Mapping[str, str]
    updates: Mapping[str, str]
    tasks: Sequence[Task]
    updated: Mapping[str, Span] = field(default_factory=dict)

    def version(self, service: str) -> str:
        """The tag of its image."""
        return self.images[service].partition("@")[0].rpartition(":")[2]

    def of(self, *services: str) -> set[str]:
        """The IDs of their tasks."""
        return {task.id for task in self.tasks if task.service in services}

    def others(self, service: str) -> set[str]:
        """The IDs of the tasks of all other services."""
        return {task.id for task in self.tasks if task.service != service}

    def is_back(self, before: Services, services: Collection[str]) -> bool:
        """Whether each of these was rolled back and has its image and as many tasks as before."""
        return all(
            self.updates.get(service) == "rollback_completed"
            and self.images[service] == before.images[service]
            and len(self.of(service)) == len(before.of(service))
            for service in services
        )


def read(swarm: Swarm) -> Services:
    """What a manager's lists say of the app and of its stores."""
    names: dict[str, str] = {}
    for item in swarm.services:
        if item["Spec"]["Labels"].get(deployment.NAMESPACE) in STACKS:
            names[item["ID"]] = item["Spec"]["Name"].removeprefix(f"{STACKS[0]}_")
    own = {names[item["ID"]]: item for item in swarm.services if item["ID"] in names}
    updates = {name: item.get("UpdateStatus") or {} for name, item in own.items()}
    return Services(
        {name: item["Spec"]["TaskTemplate"]["ContainerSpec"]["Image"] for name, item in own.items()},
        {name: update.get("State", "") for name, update in updates.items()},
        [
            Task(task["ID"], names[task["ServiceID"]], swarm.hostname(task))
            for task in swarm.tasks
            if task["ServiceID"] in names and task["Status"]["State"] == task["DesiredState"] == "running"
        ],
        {
            name: (deployment.moment(update["StartedAt"]), deployment.moment(update["CompletedAt"]))
            for name, update in updates.items()
            if update.get("CompletedAt")
        },
    )


def look(stage: Stage) -> Services:
    """What the first manager tells now. StageError where it does not."""
    return read(deployment.look(stage, next(iter(blueprint_addresses()))))


def deploy(stage: Stage, versions: Mapping[str, str], **variables: Any) -> Run:
    """Run deploy.yml with these versions of single services, and all others as they are."""
    run = stage.play("deploy.yml", {"voting_app_versions": versions, **variables})
    said = "; ".join(map(str, run.failures))
    stage.say(f"deploy.yml {versions or ''}: changed={run.changed}, {run.seconds:.0f} s {said}".rstrip())
    return run


def await_back(stage: Stage, before: Services, services: Collection[str]) -> bool:
    """Whether Swarm itself brought these services back to what they were, within a time."""
    return wait_for(lambda: look(stage).is_back(before, services), seconds=SECONDS_TO_ROLL_BACK, interval=2)


def to_be_lost(tasks: Sequence[Task], leader: str, spared: Collection[str] = ()) -> str:
    """The server whose loss the pages feel most: it has tasks of the most pages, and rather leads the swarm."""
    pages = {
        server: {task.service for task in tasks if task.server == server and task.service in PAGES}
        for server in sorted({task.server for task in tasks} - set(spared))
    }
    return max(pages, key=lambda server: (len(pages[server]), server == leader))
