# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the tasks of nodes that are drained can go, and whether they have got there. Pure.

Note that this is private to the collection: other collections must not import it.

Nodes, services and tasks are as the engine lists them. A task needs a place where its service is replicated; the tasks
of a global service belong to their node and stop with it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import (
    hostname,
    is_active,
    runs_one_of,
    satisfies,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_tasks import ENDED, is_stopping

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    Object = Mapping[str, Any]

ON_EVERY_NODE = frozenset({"/var/run/docker.sock", "/run/docker.sock", "/etc/localtime", "/dev", "/proc", "/sys"})
"""What is bound into containers and is each node's own."""

NO_DISK = frozenset({"nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "tmpfs"})
"""File systems of the driver local that keep nothing on the node's disk."""


@dataclass(frozen=True)
class Stranded:
    """A task that has no other place, or leaves its data behind.

    service: its ID. node: the ID of the node it is on, empty where it has none. homeless: whether no other node takes
    it. data: what it keeps on the node's disk. words: all of it for people.
    """

    service: str
    node: str
    homeless: bool
    data: str
    words: str


@dataclass(frozen=True)
class Forecast:
    """What a drain leads to.

    left: how many tasks are on the nodes. given_up: by the ID of each service to wait for, how many of its tasks have
    no place.
    """

    left: int = 0
    stranded: tuple[Stranded, ...] = ()
    given_up: Mapping[str, int] = field(default_factory=dict)


class _Host:
    """A node that takes tasks. services: those of the tasks it has, once a task."""

    def __init__(self, node: Object, services: list[Object]) -> None:
        self.node = node
        self.services = services

    def objection(self, service: Object) -> str:
        """What keeps the scheduler from placing a task of the service here, in the order it looks; empty if nothing."""
        template = service["Spec"]["TaskTemplate"]
        placement = template.get("Placement") or {}
        unmet = [one for one in placement.get("Constraints") or [] if not satisfies(self.node, one)]
        if unmet:
            return f"the constraint {' and '.join(unmet)}"
        if not runs_one_of(self.node, placement.get("Platforms") or []):
            return "the platforms of its image"
        most = placement.get("MaxReplicas") or 0
        if most and self.load(service)[0] >= most:
            return f"max_replicas_per_node {most}"
        taken = sorted(_host_ports(service) & {port for other in self.services for port in _host_ports(other)})
        if taken:
            return f"the port {', '.join(taken)} in use"
        short = [kind for kind in _reserved(service) if not self._has_room(kind, service)]
        return f"the reservation of {' and '.join(short)}" if short else ""

    def load(self, service: Object) -> tuple[int, int]:
        """Tasks of the service here, and tasks in all: what the scheduler prefers the least of."""
        return sum(other["ID"] == service["ID"] for other in self.services), len(self.services)

    def _has_room(self, kind: str, service: Object) -> bool:
        total = (self.node["Description"].get("Resources") or {}).get(kind)
        taken = sum(_reserved(other).get(kind, 0) for other in [*self.services, service])
        return total is None or taken <= total


def unended(tasks: Iterable[Object]) -> list[Object]:
    return [task for task in tasks if task["Status"]["State"] not in ENDED]


def forecast(
    nodes: Sequence[Object], services: Iterable[Object], tasks: Iterable[Object], leaving: Collection[str]
) -> Forecast:
    """What becomes of the tasks once the nodes are as given and those with the IDs ``leaving`` are drained.

    Each task takes the place that Swarm would give it, so that the next one finds it taken. Tasks that wait for a place
    already come last.
    """
    known = {service["ID"]: service for service in services}
    names = {node["ID"]: hostname(node) for node in nodes}
    left = unended(tasks)
    live = [task for task in left if task.get("ServiceID") in known and not is_stopping(task)]
    hosts = [
        _Host(node, [known[task["ServiceID"]] for task in live if _place(task) == node["ID"]])
        for node in nodes
        if is_active(node) and node["Status"]["State"] == "ready" and node["ID"] not in leaving
    ]
    stranded = []
    for task in sorted(live, key=lambda task: (not _place(task), task["ID"])):
        service, home = known[task["ServiceID"]], _place(task)
        if not _is_replicated(service) or home not in {"", *leaving}:
            continue
        takers = [host for host in hosts if not host.objection(service)]
        if takers:
            min(takers, key=lambda host: host.load(service)).services.append(service)
        data = ", ".join(local_data(service)) if home else ""
        if data or not takers:
            reason = f"its data ({data}) would stay behind" if data else _nowhere(service, hosts)
            words = f"{service['Spec']['Name']} on {names.get(home, 'no node yet')}: {reason}"
            stranded.append(Stranded(service["ID"], home, not takers, data, words))
    homeless = Counter(one.service for one in stranded if one.homeless)
    there = [task.get("ServiceID") for task in left if _place(task) in leaving]
    given_up = {key: homeless[key] for key, service in known.items() if key in there and _is_endless(service)}
    return Forecast(len(there), tuple(stranded), given_up)


def refusal(stranded: Sequence[Stranded]) -> str:
    """Why nodes are not drained, and the way out."""
    ways = []
    if any(one.data for one in stranded):
        ways.append("move the data to a place that all nodes reach, or stop the service yourself (replicas: 0)")
    if any(not one.data for one in stranded):
        ways.append("give another node what it lacks (a label, availability: active)")
    told = "; ".join(dict.fromkeys(one.words for one in stranded))
    return (
        f"Not every service can go elsewhere. {told}. Before the drain, {', and '.join(ways)}. Or set when_stranded: "
        "stop: what no other node takes then stops until the node is active again, and what one takes starts there "
        "without its data."
    )


def local_data(service: Object) -> list[str]:
    """What the service's tasks mount from the disk of their node; volumes without a name go with their container."""
    mounts = (service["Spec"]["TaskTemplate"].get("ContainerSpec") or {}).get("Mounts") or []
    return [
        f"{'volume' if mount['Type'] == 'volume' else 'directory'} {mount['Source']}"
        for mount in mounts
        if _is_on_disk(mount)
    ]


def lagging(
    given_up: Mapping[str, int], services: Iterable[Object], tasks: Iterable[Object], drained: Collection[str]
) -> list[str]:
    """The services that do not run elsewhere as often as wanted, each with "running/wanted"."""
    running = Counter(
        task["ServiceID"]
        for task in tasks
        if task["Status"]["State"] == "running" and not is_stopping(task) and _place(task) not in drained
    )
    found = []
    for service in services:
        wanted = _replicas(service) - given_up.get(service["ID"], 0)
        if service["ID"] in given_up and running[service["ID"]] < wanted:
            found.append(f"{service['Spec']['Name']} {running[service['ID']]}/{wanted}")
    return found


def _nowhere(service: Object, hosts: Sequence[_Host]) -> str:
    """Why none of the hosts takes a task of the service, each reason with those it rules out."""
    if not hosts:
        return "no other node is ready and active"
    ruled_out: dict[str, list[str]] = {}
    for host in hosts:
        ruled_out.setdefault(host.objection(service), []).append(hostname(host.node))
    told = [f"{reason} rules out {', '.join(names)}" for reason, names in ruled_out.items()]
    return f"no other node would take it ({'; '.join(told)})"


def _place(task: Object) -> str:
    """The ID of the task's node; empty while the scheduler has found none."""
    return str(task.get("NodeID") or "")


def _is_replicated(service: Object) -> bool:
    """Whether its tasks, endless or not, may run on any node."""
    return bool(service["Spec"]["Mode"].keys() & {"Replicated", "ReplicatedJob"})


def _is_endless(service: Object) -> bool:
    """Whether a number of its tasks is to run at any time."""
    return "Replicated" in service["Spec"]["Mode"]


def _replicas(service: Object) -> int:
    return int(service["Spec"]["Mode"].get("Replicated", {}).get("Replicas", 1))


def _host_ports(service: Object) -> set[str]:
    """The ports that its tasks publish on their node, as "80/tcp"."""
    ports = (service["Spec"].get("EndpointSpec") or {}).get("Ports") or []
    return {
        f"{port['PublishedPort']}/{port.get('Protocol', 'tcp')}"
        for port in ports
        if port.get("PublishMode") == "host" and port.get("PublishedPort")
    }


def _reserved(service: Object) -> dict[str, int]:
    """Billionths of a processor and bytes of memory that each of its tasks reserves."""
    reserved = (service["Spec"]["TaskTemplate"].get("Resources") or {}).get("Reservations") or {}
    return {kind: reserved[kind] for kind in ("NanoCPUs", "MemoryBytes") if reserved.get(kind)}


def _is_on_disk(mount: Object) -> bool:
    source = mount.get("Source")
    if mount["Type"] == "bind":
        return source not in ON_EVERY_NODE
    driver = (mount.get("VolumeOptions") or {}).get("DriverConfig") or {}
    file_system = (driver.get("Options") or {}).get("type", "")
    local = driver.get("Name", "") in ("", "local") and file_system not in NO_DISK
    return mount["Type"] == "volume" and bool(source) and local
