# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The swarm as one of its managers sees it, asked without any of the collection's code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab.daemons import wait_for
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import unmet
from tests.acceptance.stage import Stage, StageError

ASK = "docker info --format '{{json .Swarm}}'; docker node ls -q | xargs -r docker node inspect --format '{{json .}}'"
SECONDS_TO_ELECT = 90


@dataclass(frozen=True)
class Node:
    """reachability: None for a node that has no vote."""

    id: str
    name: str
    role: str
    availability: str
    status: str
    reachability: str | None
    leader: bool
    labels: Mapping[str, str]


@dataclass(frozen=True)
class View:
    """cluster: its ID."""

    cluster: str
    nodes: Sequence[Node]

    @property
    def leader(self) -> str:
        """Its name; StageError during an election."""
        for node in self.nodes:
            if node.leader:
                return node.name
        raise StageError("no manager leads")

    def labels(self) -> dict[str, Mapping[str, str]]:
        """By node name, of nodes that are up."""
        return {node.name: node.labels for node in self.nodes if node.status == "ready"}

    def managers(self) -> list[str]:
        """Names of the managers that are reachable."""
        return sorted(node.name for node in self.nodes if node.reachability == "reachable")


def look(stage: Stage, server: str) -> View:
    """What this manager says. StageError where it cannot say."""
    swarm, *nodes = stage.on(server, ASK).splitlines()
    return View(json.loads(swarm)["Cluster"]["ID"], [_node(json.loads(line)) for line in nodes])


def look_at_first(stage: Stage, without: Sequence[str] = ()) -> View:
    """What any of the blueprint's managers says, once there is a leader. StageError where none speaks for the swarm."""
    seen: list[View] = []

    def told() -> bool:
        for server in blueprint_addresses():
            if server not in without:
                try:
                    seen.append(look(stage, server))
                except (StageError, KeyError):
                    continue
                # A new leader calls nodes unknown until it has heard of them.
                statuses = {node.status for node in seen[-1].nodes}
                return any(node.leader for node in seen[-1].nodes) and "unknown" not in statuses
        return False

    if not wait_for(told, seconds=SECONDS_TO_ELECT, interval=1):
        raise StageError("no manager speaks for the swarm")
    return seen[-1]


def flaws(view: View, cluster: str, roles: Mapping[str, str], labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    """What keeps it from being one whole swarm: these nodes in these roles, all up, under this ID.

    labels: what each node must carry at least.
    """
    names = [node.name for node in view.nodes]
    found = {node.name: node for node in view.nodes}
    return unmet(
        {
            f"the cluster is {cluster} ({view.cluster})": view.cluster == cluster,
            f"the nodes are {sorted(roles)} ({sorted(names)})": sorted(names) == sorted(roles),
            f"every node has its role ({ {name: node.role for name, node in found.items()} })": all(
                node.role == roles.get(name) for name, node in found.items()
            ),
            f"every node is up ({ {name: node.status for name, node in found.items()} })": all(
                node.status == "ready" for node in view.nodes
            ),
            f"every manager is reachable ({view.managers()})": view.managers()
            == sorted(name for name, role in roles.items() if role == "manager"),
            **{
                f"{name} keeps its labels {dict(wanted)} ({dict(found[name].labels)})": wanted.items()
                <= found[name].labels.items()
                for name, wanted in labels.items()
                if name in found
            },
        }
    )


def _node(item: dict[str, Any]) -> Node:
    spec, status, manager = item["Spec"], item["Status"], item.get("ManagerStatus") or {}
    description = item["Description"]
    return Node(
        id=str(item["ID"]),
        name=description["Hostname"],
        role=spec["Role"],
        availability=spec["Availability"],
        status=status["State"],
        reachability=manager.get("Reachability"),
        leader=bool(manager.get("Leader")),
        labels=spec.get("Labels") or {},
    )
