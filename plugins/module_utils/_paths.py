# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner and probes of swarm_paths: which ways there must be between the tasks of a swarm, and whether they are there.

Note that this is private to the collection: other collections must not import it.

A task is plain data, for one node to hand to another: id, name ("shop_web.1"), service, node, node_id, container (its
ID), networks: [{id, name, address, names}] and ports: [{published, protocol, mode}]. names has, by each name that is
answered on that network because of the task, the address that must be in the answer.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_interface
from pathlib import Path as File
from time import monotonic
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node

    Object = Mapping[str, Any]

KINDS = ("task", "name", "port")

FIELDS = frozenset({"id", "name", "service", "node", "node_id", "container", "networks", "ports"})
"""What a task consists of."""

AT_ONCE = 128
"""How many paths are tried at the same time. Hardly any work: where a node is silent, all just wait."""

SMALL = 84
"""Bytes of a small packet with all headers, as ping sends it."""

NAME_SERVER = ("127.0.0.11", 53)
"""Where the engine answers names, in the network namespace of each container."""

GONE = "the container of this task does not run on this node any more"
"""Why nothing can be tried from a task."""

_SHOWN = 10
_NETWORK_NAMESPACE = 0x40000000
_SIOCGIFADDR = 0x8915
_SIOCGIFMTU = 0x8921


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
        if task["id"] == source["id"] or _family(entry["address"]) != _family(network["address"]):
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


def probe(paths: Sequence[Path], pids: Mapping[str, int], timeout: float) -> dict[Path, Outcome]:
    """Try the paths, many at a time. pids: a process of each container that runs here, by the container's ID."""

    def outcome(path: Path) -> Outcome:
        return _try(path, os.getpid() if path.kind == "port" else pids.get(path.container), timeout)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(paths, pool.map(outcome, paths), strict=True))


def _try(path: Path, pid: int | None, timeout: float) -> Outcome:
    """Try one path from the network namespace of a process; the thread stays there."""
    size, started = None, monotonic()
    try:
        if pid is None:
            raise ConnectionError(GONE)
        enter(pid)
        if path.kind == "task":
            size = mtu(path.own) if path.full else SMALL
            _echo(path.addresses[0], size, timeout)
        elif path.kind == "name":
            _resolve(f"{path.target}.{path.network}", path.addresses, timeout)
        else:
            _connect(path.addresses[0], path.port, timeout)
    except TimeoutError:
        return Outcome(f"no answer within {timeout:g} s", None, size)
    except OSError as error:
        return Outcome(error.strerror or str(error), None, size)
    return Outcome("", round((monotonic() - started) * 1000, 1), size)


def enter(pid: int) -> None:
    """Move the calling thread, and no other, to the network namespace of a process."""
    with File(f"/proc/{pid}/ns/net").open("rb") as namespace:
        # os.setns came with Python 3.12.
        if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _NETWORK_NAMESPACE):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mtu(own: str) -> int:
    """The MTU of the interface that has our own address, in the namespace of the thread."""
    find = _interfaces6 if _family(own) is socket.AF_INET6 else _interfaces
    name = next((name for name, address in find() if address == own), None)
    if name is None:
        raise ConnectionError(f"no interface of this task has the address {own}")
    return int(struct.unpack_from("i", _ask_interface(_SIOCGIFMTU, name), 16)[0])


def _interfaces() -> Iterator[tuple[str, str]]:
    """Each interface with its first IPv4 address, which for a task on an overlay network is its own."""
    for _number, name in socket.if_nameindex():
        with suppress(OSError):
            yield name, socket.inet_ntoa(_ask_interface(_SIOCGIFADDR, name)[20:24])


def _interfaces6() -> Iterator[tuple[str, str]]:
    """Interfaces with each of their IPv6 addresses."""
    for entry in File("/proc/thread-self/net/if_inet6").read_text(encoding="ascii").splitlines():
        fields = entry.split()
        yield fields[5], socket.inet_ntop(socket.AF_INET6, bytes.fromhex(fields[0]))


def _ask_interface(question: int, name: str) -> bytes:
    """An ifreq as the kernel fills it in: 16 bytes of name, then the answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as anything:
        return fcntl.ioctl(anything, question, struct.pack("16s24x", name.encode()))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def _echo(address: str, size: int, timeout: float) -> None:
    """Send an ICMP echo of ``size`` bytes with all headers, in one piece, and await its answer."""
    six = _family(address) is socket.AF_INET6
    request = echo_request(six, os.urandom(size - (48 if six else 28)))
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with socket.socket(_family(address), socket.SOCK_RAW, protocol) as echo:
        # IPV6_MTU_DISCOVER and IP_MTU_DISCOVER with PMTUDISC_PROBE: don't fragment, and don't learn of a smaller MTU.
        level, option = (socket.IPPROTO_IPV6, 23) if six else (socket.IPPROTO_IP, 10)
        echo.setsockopt(level, option, 3)
        echo.connect((address, 0))
        echo.send(request)
        _receive(echo, timeout, lambda packet: is_reply(packet, request))


def _resolve(name: str, addresses: Iterable[str], timeout: float) -> None:
    """Ask the engine for a name; all the addresses must be in the answer."""
    query = dns_query(int.from_bytes(os.urandom(2), "big"), name)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(NAME_SERVER)
        client.send(query)
        code, found = dns_answer(_receive(client, timeout, lambda packet: packet[:2] == query[:2]))
    lacking = sorted(set(addresses) - set(found))
    if code == 3:
        raise ConnectionError("the name is not known (NXDOMAIN)")
    if code:
        raise ConnectionError(f"the engine cannot answer the name (DNS error {code})")
    if lacking:
        raise ConnectionError(f"the answer ({', '.join(found) or 'no address'}) lacks {', '.join(lacking)}")


def _connect(address: str, port: int, timeout: float) -> None:
    """Connect, say that nothing will be said, and await the other side's first words or its farewell.

    The engine itself listens at each port of the mesh, and never takes up what its rules do not lead to a task.
    """
    with socket.create_connection((address, port), timeout) as connection:
        connection.shutdown(socket.SHUT_WR)
        try:
            connection.recv(1)
        except TimeoutError:
            raise ConnectionError(f"connected, but nobody takes the connection up within {timeout:g} s") from None


def _receive(link: socket.socket, timeout: float, wanted: Callable[[bytes], bool]) -> bytes:
    """The first packet that is wanted. Raises TimeoutError."""
    deadline = monotonic() + timeout
    while True:
        link.settimeout(max(deadline - monotonic(), 0.001))
        packet = link.recv(65535)
        if wanted(packet):
            return packet


def echo_request(six: bool, payload: bytes) -> bytes:
    """An ICMP or ICMPv6 echo request. The kernel fills in the checksum of the latter."""
    kind, checksum = (128, 0) if six else (8, 0)
    identity = payload[:2] + b"\0\1"
    if not six:
        checksum = _checksum(struct.pack("!BBH", kind, 0, 0) + identity + payload)
    return struct.pack("!BBH", kind, 0, checksum) + identity + payload


def is_reply(packet: bytes, request: bytes) -> bool:
    """Whether a packet as a raw socket gives it, with its header for IPv4, is the answer to the request."""
    six = request[0] == 128
    message = packet if six else packet[(packet[0] & 15) * 4 :]
    return message[:1] == (b"\x81" if six else b"\0") and message[4:] == request[4:]


def _checksum(data: bytes) -> int:
    """As RFC 1071 has it."""
    words: int = sum(struct.unpack(f"!{len(data) // 2}H", data[: len(data) // 2 * 2])) + (data[-1] << 8) * (
        len(data) % 2
    )
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF


def dns_query(number: int, name: str) -> bytes:
    """A question for the IPv4 addresses of a name that allows an answer of any size (EDNS)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = labels + struct.pack("!BHH", 0, 1, 1)
    return struct.pack("!6H", number, 0x0100, 1, 0, 0, 1) + question + struct.pack("!BHHIH", 0, 41, 65535, 0, 0)


def dns_answer(packet: bytes) -> tuple[int, list[str]]:
    """The code of an answer (0 is well, 3 NXDOMAIN) and its IPv4 addresses. Raises ConnectionError."""
    addresses = []
    try:
        _number, flags, questions, answers = struct.unpack_from("!4H", packet)
        position = 12
        for _question in range(questions):
            position = _after_name(packet, position) + 4
        for _answer in range(answers):
            position = _after_name(packet, position)
            kind, _class, _ttl, length = struct.unpack_from("!HHIH", packet, position)
            position += 10 + length
            if kind == 1:
                addresses.append(socket.inet_ntoa(packet[position - length : position]))
    except (struct.error, IndexError, OSError):
        raise ConnectionError("the engine's answer to the name cannot be read") from None
    return flags & 15, addresses


def _after_name(packet: bytes, position: int) -> int:
    """Where a name ends: with an empty label, or with a pointer to the rest of it."""
    while packet[position]:
        if packet[position] >= 0xC0:
            return position + 2
        position += packet[position] + 1
    return position + 1
