# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_paths: which ways there must be between the tasks of a swarm, and what those that fail mean. Pure.

Note that this is private to the collection: other collections must not import it.

A task is plain data, for one node to hand to another: id, name ("shop_web.1"), service, node, node_id, container (its
ID), networks: [{id, name, address, names}] and ports: [{published, protocol, mode}]. names has, by each name that is
answered on that network because of the task, the address that must be in the answer.
"""

from __future__ import annotations

import socket
from collections import Counter
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node

    Object = Mapping[str, Any]

KINDS = ("task", "name", "port")

FIELDS = frozenset({"id", "name", "service", "node", "node_id", "container", "networks", "ports"})
"""What a task consists of."""

GONE = "the container of this task does not run on this node any more"
"""Why nothing can be tried from a task."""

_SHOWN = 10


@dataclass(frozen=True)
class Path:
    """One way that must be there. kind: one of KINDS.

    source: a task here, or for a port this node. target: a task, a name, or a service and the node to ask for it.
    addresses: where the target is; for a name, what must be in the answer. full: fill the MTU of the network.
    container, own: the source's container and its address on the network, "" for a port.
    """

    kind: str
    source: str
    target: str
    network: str
    addresses: tuple[str, ...]
    port: int = 0
    full: bool = False
    container: str = ""
    own: str = ""

    @property
    def address(self) -> str:
        """For people."""
        if self.kind == "port":
            host = f"[{self.addresses[0]}]" if ":" in self.addresses[0] else self.addresses[0]
            return f"{host}:{self.port}"
        return ", ".join(self.addresses)


@dataclass(frozen=True)
class Outcome:
    """What came of trying a path. milliseconds: None where it failed. size: bytes of the packet, None but for tasks."""

    error: str
    milliseconds: float | None
    size: int | None = None

    @property
    def ok(self) -> bool:
        return not self.error


def family(address: str) -> socket.AddressFamily:
    """Of an address, IPv4 or IPv6."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def running(tasks: Iterable[Object], services: Iterable[Object], nodes: Iterable[Node]) -> list[dict[str, Any]]:
    """The tasks of services that run on nodes that are ready, by name; tasks and services as a manager lists them."""
    known = {service["ID"]: service for service in services}
    ready = {node.id: node for node in nodes if node.status == "ready"}
    found = [
        _task(task, known[task["ServiceID"]], ready[task["NodeID"]])
        for task in tasks
        # A task runs only once it is healthy, where it has a health check.
        if task["Status"]["State"] == "running" and task.get("ServiceID") in known and task.get("NodeID") in ready
    ]
    return sorted(found, key=lambda task: (task["name"], task["id"]))


def check(tasks: Iterable[Object]) -> None:
    """Refuse tasks that are not as ``running`` gives them."""
    for task in tasks:
        if FIELDS - set(task):
            raise Refused(
                f"An entry of the setting tasks lacks {', '.join(sorted(FIELDS - set(task)))}: give it unchanged what "
                "a manager's run of this module returned as tasks."
            )


def expected(
    tasks: Sequence[Object], node_id: str, node_name: str, addresses: Mapping[str, str], ip_vs: bool
) -> list[Path]:
    """All paths to try from this node.

    addresses: of the nodes whose published ports are tried, by name. ip_vs: whether the kernel can route a mesh.
    """
    paths: list[Path] = []
    for task in tasks:
        for network in task["networks"] if task["node_id"] == node_id else ():
            paths += [*_to_tasks(task, network, tasks), *_to_names(task, network, tasks)]
    # Many tasks stand behind one port of the mesh.
    return paths + list(dict.fromkeys(_to_ports(tasks, node_name, addresses, ip_vs)))


def left_out(tasks: Iterable[Object], nodes: Iterable[Node], addresses: Mapping[str, str], ip_vs: bool) -> list[str]:
    """What is not tried and why, one line each."""
    lines = [f"{node.name} is {node.status}: its tasks are not tried." for node in nodes if node.status != "ready"]
    for task, port in _published(tasks):
        what = f"Port {port['published']}/{port['protocol']} of {task['service']}"
        if port["protocol"] != "tcp":
            lines.append(f"{what} is not tried: only TCP says whether somebody takes a connection up.")
        elif port["mode"] == "ingress" and not ip_vs:
            lines.append(f"{what} is not tried: the kernel has no ip_vs, which the routing mesh cannot work without.")
        elif port["mode"] == "host" and task["node"] not in addresses:
            lines.append(f"{what} on {task['node']} is not tried: node_addresses has no address of this node.")
    return list(dict.fromkeys(lines))


def report(path: Path, outcome: Outcome) -> dict[str, Any]:
    """A path and what came of it, as the module returns them."""
    return {
        "kind": path.kind,
        "source": path.source,
        "target": path.target,
        "network": path.network or None,
        "address": path.address,
        "bytes": outcome.size,
        "ok": outcome.ok,
        "milliseconds": outcome.milliseconds,
        "error": outcome.error,
    }


def line(path: Path, outcome: Outcome) -> str:
    """A path that failed, for people."""
    details = [path.address] if path.kind != "name" else []
    details += [f"network {path.network}"] if path.network else []
    details += [f"{outcome.size} bytes"] if outcome.size else []
    return f"{path.source} to {path.target} ({', '.join(details)}): {outcome.error}"


def counts(outcomes: Mapping[Path, Outcome]) -> dict[str, dict[str, int]]:
    """By kind, how many paths there are and how many failed."""
    total = Counter(path.kind for path in outcomes)
    failed = Counter(path.kind for path, outcome in outcomes.items() if not outcome.ok)
    return {kind: {"total": total[kind], "failed": failed[kind]} for kind in KINDS}


def verdict(outcomes: Mapping[Path, Outcome], node_name: str, seconds: float) -> str:
    """What failed, what it means and what to do, in one message."""
    failed = {path: outcome for path, outcome in outcomes.items() if not outcome.ok}
    lines = [line(path, outcome) for path, outcome in failed.items()]
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    listed = "; ".join(lines[:_SHOWN] + more)
    head = f"{len(failed)} of {len(outcomes)} paths from {node_name} still fail after {seconds:g} s: {listed}."
    return " ".join([head, *_advice(failed)])


def _task(task: Object, service: Object, node: Node) -> dict[str, Any]:
    name = service["Spec"]["Name"]
    return {
        "id": task["ID"],
        "name": f"{name}.{task.get('Slot') or node.name}",
        "service": name,
        "node": node.name,
        "node_id": node.id,
        "container": (task["Status"].get("ContainerStatus") or {}).get("ContainerID", ""),
        "networks": list(_networks(task, service)),
        "ports": [
            {
                "published": port["PublishedPort"],
                "protocol": port.get("Protocol", "tcp"),
                "mode": port.get("PublishMode", "ingress"),
            }
            for port in _ports(task, service)
            if port.get("PublishedPort")
        ],
    }


def _ports(task: Object, service: Object) -> list[Object]:
    """The ports of the mesh, which are the service's, and those of the task's own node."""
    shared = (service.get("Endpoint") or {}).get("Ports") or ()
    own = (task["Status"].get("PortStatus") or {}).get("Ports") or ()
    return [
        *(port for port in shared if port.get("PublishMode", "ingress") == "ingress"),
        *(port for port in own if port.get("PublishMode") == "host"),
    ]


def _networks(task: Object, service: Object) -> Iterator[dict[str, Any]]:
    """The overlay networks of a task, once for each address."""
    for attachment in task.get("NetworksAttachments") or ():
        network, spec = attachment["Network"], attachment["Network"]["Spec"]
        if (network.get("DriverState") or {}).get("Name") != "overlay" or spec.get("Ingress"):
            continue
        for text in attachment.get("Addresses") or ():
            address = ip_interface(text)
            names = _names(task, service, network["ID"], spec["Name"], str(address.ip)) if address.version == 4 else {}
            yield {"id": network["ID"], "name": spec["Name"], "address": str(address.ip), "names": names}


def _names(task: Object, service: Object, network_id: str, network: str, address: str) -> dict[str, str]:
    """What the engines answer because of a task: tasks.NAME with its address, NAME with the virtual one if there is."""
    names = {service["Spec"]["Name"]}
    for asked in task["Spec"].get("Networks") or service["Spec"].get("Networks") or ():
        if asked.get("Target") in (network_id, network):
            names.update(asked.get("Aliases") or ())
    virtual = {
        item["NetworkID"]: str(ip_interface(item["Addr"]).ip)
        for item in (service.get("Endpoint") or {}).get("VirtualIPs") or ()
        if item.get("Addr")
    }
    answered = virtual.get(network_id, address)
    return {full: target for name in sorted(names) for full, target in ((name, answered), (f"tasks.{name}", address))}


def _peers(network: Object, tasks: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    """The tasks on a network, each with its entry for it."""
    return ((task, entry) for task in tasks for entry in task["networks"] if entry["id"] == network["id"])


def _label(task: Object) -> str:
    return f"{task['name']} on {task['node']}"


def _to_tasks(source: Object, network: Object, tasks: Sequence[Object]) -> Iterator[Path]:
    for task, entry in _peers(network, tasks):
        if task["id"] == source["id"] or family(entry["address"]) != family(network["address"]):
            continue
        for full in (False, True):
            yield Path(
                "task",
                _label(source),
                _label(task),
                network["name"],
                (entry["address"],),
                full=full,
                container=source["container"],
                own=network["address"],
            )


def _to_names(source: Object, network: Object, tasks: Sequence[Object]) -> Iterator[Path]:
    wanted: dict[str, set[str]] = {}
    # Only IPv4 addresses have names, and a network may be there once for each family.
    for _task, entry in _peers(network, tasks) if network["names"] else ():
        for name, address in entry["names"].items():
            wanted.setdefault(name, set()).add(address)
    for name, found in sorted(wanted.items()):
        yield Path(
            "name",
            _label(source),
            name,
            network["name"],
            tuple(sorted(found)),
            container=source["container"],
            own=network["address"],
        )


def _published(tasks: Iterable[Object]) -> Iterator[tuple[Object, Object]]:
    return ((task, port) for task in tasks for port in task["ports"])


def _to_ports(tasks: Iterable[Object], node_name: str, addresses: Mapping[str, str], ip_vs: bool) -> Iterator[Path]:
    for task, port in _published(tasks):
        at = set(addresses) if port["mode"] == "ingress" and ip_vs else set()
        at |= {task["node"]} & set(addresses) if port["mode"] == "host" else set()
        for node in sorted(at) if port["protocol"] == "tcp" else ():
            target = f"{task['service']} at {node}"
            yield Path("port", node_name, target, "", (addresses[node],), port=int(port["published"]))


def _advice(outcomes: Mapping[Path, Outcome]) -> Iterator[str]:
    """What failures of each kind mean. What is advised was seen to help in the issue that is named."""
    failed = {path for path, outcome in outcomes.items() if outcome.error != GONE}
    if len(failed) < len(outcomes):
        yield (
            "Where a container does not run any more, the tasks have changed since they were listed: run this again, "
            "with the tasks as a manager lists them then."
        )
    small = {(path.source, path.addresses) for path in failed if path.kind == "task" and not path.full}
    cut = {path.network for path in failed if path.full and (path.source, path.addresses) not in small}
    names = {path.target.removeprefix("tasks.") for path in failed if path.kind == "name"}
    if small:
        yield (
            "Tasks that do not answer at all: ports 7946/tcp, 7946/udp and 4789/udp, and ESP for encrypted networks, "
            "must be open between the nodes. After a recovery with --force-new-cluster restart the engine of the "
            "manager that it was run on, which may have closed its port 7946 (moby#36860)."
        )
    if cut:
        yield (
            f"Where only full packets are lost, the MTU of the network ({', '.join(sorted(cut))}) is larger than what "
            "passes between the nodes, and large requests hang: create it anew with the driver option "
            "com.docker.network.driver.mtu set to the MTU of the network that the nodes reach each other on."
        )
    if names:
        yield (
            f"Names that are not answered in full ({', '.join(sorted(names))}) stay so until their tasks are published "
            "anew: docker service update --force SERVICE (moby#53141)."
        )
    if any(path.kind == "port" for path in failed):
        yield (
            "Where a service answers at some nodes and not at others, look at the firewall of those nodes, then "
            "restart their engine, which writes the rules of the routing mesh anew (docker/cli#2274)."
        )
