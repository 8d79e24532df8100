# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probing the ports between the members of a swarm, from all of them at the same time.

Note that this is private to the collection: other collections must not import it.

Every member sends to all others until each knows what the other has heard. What is heard counts where it arrives, so
each member reports one direction of UDP, and of TCP the other one.
"""

from __future__ import annotations

import ctypes
import errno
import os
import selectors
import socket
import struct
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, TypeAlias

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._ingress import MTUS
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence
    from ipaddress import IPv4Address, IPv6Address

    Address: TypeAlias = "IPv4Address | IPv6Address"

CLUSTER_PORT, GOSSIP_PORT = 2377, 7946

GOSSIP, DATA_PATH, FULL_SIZE = "udp_7946", "udp_4789", "mtu"
WAYS = {GOSSIP: 1, DATA_PATH: 2, FULL_SIZE: 4}
"""What is probed by datagrams, with the bit that a probe confirms it by."""
DONE = 8
"""The bit by which a probe says that its sender needs nothing more of the receiver."""

MAGIC = b"TRIADSWL"
"""Begins a probe. As a VXLAN header it is invalid, so that a kernel which reads it as one drops it."""
HEADER = struct.Struct("!8sdB")
"""Of a probe: the magic, the sender's clock in seconds, and its bits. The sender's address follows."""

IP_HEADER = {4: 20, 6: 40}
UDP_HEADER = 8

# linux/in.h, linux/in6.h, asm-generic/socket.h: Python names none of them.
IP_MTU_DISCOVER, IPV6_MTU_DISCOVER, PMTUDISC_PROBE, IPV6_DONTFRAG, SO_ATTACH_FILTER = 10, 23, 3, 62, 26

INTERVALS = {GOSSIP: 1.0, DATA_PATH: 0.25, FULL_SIZE: 0.5}
"""Seconds between two probes to one peer. A live engine logs each one to its gossip port."""
GOSSIP_AFTER = 3.0
"""Seconds until the gossip port of a peer that is not heard at all is probed; before, its engine would be the only one
to hear it."""
REDIAL = 0.5
"""Seconds between two attempts to connect."""
LINGER = 1.0
"""Seconds to go on telling the others that all is done."""
TICK = 0.1
"""Seconds without anything heard until it is time to see what is due."""


@dataclass(frozen=True)
class Member:
    """A member of the swarm, with its advertise address."""

    name: str
    address: Address
    manager: bool


@dataclass(frozen=True)
class Probe:
    """What a datagram tells: the sender's address, the time by its clock, and what it has heard of the receiver."""

    address: Address
    clock: float
    heard: frozenset[str]
    done: bool

    def encode(self, size: int = 0) -> bytes:
        """The datagram's content, filled up to ``size`` bytes."""
        bits = sum(WAYS[way] for way in self.heard) + DONE * self.done
        return (HEADER.pack(MAGIC, self.clock, bits) + self.address.packed).ljust(size, b"\0")

    @classmethod
    def decode(cls, content: bytes, address_size: int) -> Probe | None:
        """None for what is no probe."""
        if len(content) < HEADER.size + address_size or not content.startswith(MAGIC):
            return None
        _magic, clock, bits = HEADER.unpack_from(content)
        address = ip_address(content[HEADER.size : HEADER.size + address_size])
        return cls(address, clock, frozenset(way for way, bit in WAYS.items() if bits & bit), bool(bits & DONE))


@dataclass
class Link:
    """What is known between this host and one peer.

    heard: what came from the peer. confirmed: what the peer has heard from here. reached: TCP ports of the peer, None
    for one it does not have. clock_skew: seconds this host's clock is ahead. trouble: errors by what was tried. due:
    when it is time for the next try. told: what the peer was told last.
    """

    peer: Member
    heard: set[str] = field(default_factory=set)
    confirmed: set[str] = field(default_factory=set)
    peer_done: bool = False
    clock_skew: float | None = None
    trouble: dict[str, str] = field(default_factory=dict)
    due: dict[str | int, float] = field(default_factory=dict)
    told: tuple[set[str], bool] | None = None
    reached: dict[int, bool | None] = field(init=False)

    def __post_init__(self) -> None:
        self.reached = {CLUSTER_PORT: False if self.peer.manager else None, GOSSIP_PORT: False}

    @property
    def done(self) -> bool:
        """Whether this host needs nothing more of the peer."""
        return self.heard >= WAYS.keys() and self.confirmed >= WAYS.keys() and False not in self.reached.values()

    def take(self, ways: Sequence[str], probe: Probe, source: Address, clock: float) -> None:
        """Note what a probe tells that came by these ways from ``source``, at ``clock`` by this host's own."""
        if source != probe.address:
            self.trouble["source"] = f"what {probe.address} sends comes from {source}"
            return
        self.heard.update(ways)
        self.confirmed |= probe.heard
        self.peer_done |= probe.done
        skew = clock - probe.clock
        self.clock_skew = skew if self.clock_skew is None else min(skew, self.clock_skew)

    def ways_due(self, now: float, started: float) -> list[str]:
        """By what to send a probe now. The data path carries what is confirmed, so it goes on to the end."""
        wanted = [DATA_PATH, *(way for way in (GOSSIP, FULL_SIZE) if way not in self.confirmed)]
        if not self.heard and now < started + GOSSIP_AFTER:
            wanted.remove(GOSSIP)
        if self.told != (self.heard, self.done):
            self.due[DATA_PATH] = 0.0
            self.told = set(self.heard), self.done
        due = [way for way in wanted if now >= self.due.get(way, 0.0)]
        self.due.update({way: now + INTERVALS[way] for way in due})
        return due

    def report(self) -> dict[str, Any]:
        """The link as the module returns it."""
        return {
            "peer": self.peer.name,
            "address": str(self.peer.address),
            "heard": {way: way in self.heard for way in WAYS},
            "reached": {f"tcp_{port}": reached for port, reached in self.reached.items()},
            "clock_skew": None if self.clock_skew is None else round(self.clock_skew, 3),
            "error": "; ".join(self.trouble.values()) or None,
        }


class Probing:
    """All links of this host, as they are probed. ports: where each way of WAYS leads to."""

    def __init__(self, me: Member, peers: Sequence[Member], mtu: int, data_path_port: int) -> None:
        self.me = me
        self.links = {peer.address: Link(peer) for peer in peers}
        self.ports = {GOSSIP: GOSSIP_PORT, DATA_PATH: data_path_port, FULL_SIZE: data_path_port}
        self.mtu = mtu
        self.family = socket.AF_INET if me.address.version == 4 else socket.AF_INET6
        self.selector = selectors.DefaultSelector()

    def run(self, timeout: float) -> list[dict[str, Any]]:
        """Probe until every link is done at both ends, or for ``timeout`` seconds. Raises OSError."""
        with ExitStack() as stack:
            stack.callback(self.close)
            try:
                sender = stack.enter_context(self.sender())
                receiver = stack.enter_context(self.receiver())
                self.listen(stack)
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                for link in self.links.values():
                    link.trouble["address"] = f"{self.me.address} is no address of this host"
            else:
                self.exchange(sender, receiver, timeout)
        return [link.report() for link in self.links.values()]

    def exchange(self, sender: socket.socket, receiver: socket.socket, timeout: float) -> None:
        self.selector.register(receiver, selectors.EVENT_READ)
        started = now = time.monotonic()
        end = started + timeout
        settled = False
        while now < end:
            for link in self.links.values():
                for way in link.ways_due(now, started):
                    self.send(sender, link, way)
                self.dial(link, now)
            for key, _events in self.selector.select(TICK):
                if key.fileobj is receiver:
                    self.hear(receiver)
                else:
                    self.connected(key)
            now = time.monotonic()
            if not settled and all(link.done and link.peer_done for link in self.links.values()):
                settled, end = True, min(end, now + LINGER)

    def sender(self) -> socket.socket:
        """A socket from a port of its own: a reply to one of the swarm's ports would pass many a firewall."""
        sender = socket.socket(self.family, socket.SOCK_DGRAM)
        if self.family == socket.AF_INET:
            sender.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE)
        else:
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE)
            sender.setsockopt(socket.IPPROTO_IPV6, IPV6_DONTFRAG, 1)
        sender.bind((str(self.me.address), 0))
        sender.setblocking(False)
        return sender

    def receiver(self) -> socket.socket:
        """A socket that sees the probes which the host's firewall lets in, whoever has their port."""
        receiver = socket.socket(self.family, socket.SOCK_RAW, socket.IPPROTO_UDP)
        _let_in_probes_only(receiver)
        receiver.bind((str(self.me.address), 0))
        receiver.setblocking(False)
        return receiver

    def listen(self, stack: ExitStack) -> None:
        """Listen where no engine does. The kernel answers those who connect; nobody needs to accept them."""
        for port in (CLUSTER_PORT, GOSSIP_PORT) if self.me.manager else (GOSSIP_PORT,):
            listener = stack.enter_context(socket.socket(self.family, socket.SOCK_STREAM))
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((str(self.me.address), port))
                listener.listen(max(128, len(self.links)))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise

    def send(self, sender: socket.socket, link: Link, way: str) -> None:
        probe = Probe(self.me.address, time.time(), frozenset(link.heard), link.done)
        size = self.mtu - IP_HEADER[self.me.address.version] - UDP_HEADER if way == FULL_SIZE else 0
        try:
            sender.sendto(probe.encode(size), (str(link.peer.address), self.ports[way]))
        except OSError as error:
            link.trouble[way] = f"{way}: {error.strerror}"
        else:
            link.trouble.pop(way, None)

    def hear(self, receiver: socket.socket) -> None:
        """Take all that has come."""
        while True:
            try:
                packet, sender = receiver.recvfrom(1 << 16)
            except BlockingIOError:
                return
            clock = time.time()
            port, size, content = datagram(packet, self.me.address.version)
            probe = Probe.decode(content, len(self.me.address.packed))
            if probe and probe.address in self.links:
                exact = {FULL_SIZE: size == self.mtu, DATA_PATH: size != self.mtu}
                ways = [way for way, at in self.ports.items() if at == port and exact.get(way, True)]
                self.links[probe.address].take(ways, probe, ip_address(sender[0]), clock)

    def dial(self, link: Link, now: float) -> None:
        """Begin to connect where that is due."""
        for port, reached in link.reached.items():
            if reached is False and now >= link.due.get(port, 0.0):
                link.due[port] = float("inf")
                dialled = socket.socket(self.family, socket.SOCK_STREAM)
                dialled.setblocking(False)
                dialled.bind((str(self.me.address), 0))
                code = dialled.connect_ex((str(link.peer.address), port))
                key = self.selector.register(dialled, selectors.EVENT_WRITE, (dialled, link, port))
                if code not in (0, errno.EINPROGRESS):
                    self.hang_up(key, code)

    def connected(self, key: selectors.SelectorKey) -> None:
        self.hang_up(key, key.data[0].getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def hang_up(self, key: selectors.SelectorKey, code: int) -> None:
        """End an attempt to connect with the kernel's error number, 0 where it succeeded."""
        dialled, link, port = key.data
        link.reached[port] = code == 0
        link.due[port] = time.monotonic() + REDIAL
        if code:
            link.trouble[f"tcp_{port}"] = f"tcp_{port}: {os.strerror(code)}"
        else:
            link.trouble.pop(f"tcp_{port}", None)
        self.selector.unregister(dialled)
        dialled.close()

    def close(self) -> None:
        for key in list(self.selector.get_map().values()):
            if key.data:
                key.data[0].close()
        self.selector.close()


def datagram(packet: bytes, version: int) -> tuple[int, int, bytes]:
    """Destination port, size as an IP packet, and content of what a raw socket received.

    It gives the IP header of version 4 only.
    """
    start = (packet[0] & 15) * 4 if version == 4 else 0
    size = len(packet) if version == 4 else len(packet) + IP_HEADER[6]
    port: int = struct.unpack_from("!H", packet, start + 2)[0]
    return port, size, packet[start + UDP_HEADER :]


def _let_in_probes_only(receiver: socket.socket) -> None:
    """Drop all else in the kernel: a raw socket is given a copy of every datagram, a busy overlay's included."""
    header_length = (0xB1, 0, 0, 0) if receiver.family == socket.AF_INET else (0x01, 0, 0, 0)
    magic = int.from_bytes(MAGIC[:4], "big")
    steps = [header_length, (0x40, 0, 0, UDP_HEADER), (0x15, 0, 1, magic), (0x06, 0, 0, 0xFFFFFFFF), (0x06, 0, 0, 0)]
    program = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
    pointer = struct.pack("@HP", len(steps), ctypes.addressof(program))
    receiver.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


def member(name: str, address: str, manager: bool) -> Member:
    """Raises Refused where the address is none."""
    try:
        return Member(name, ip_address(address), manager)
    except ValueError as error:
        raise Refused(
            f"The address of {name} is {address}, which is no IP address: set it to the one that the node advertises."
        ) from error


def check(me: Member, peers: Sequence[Member], mtu: int) -> None:
    """Refuse what cannot be probed."""
    seen: dict[Address, str] = {}
    for peer in peers:
        if peer.address.version != me.address.version:
            raise Refused(
                f"{me.address} of this host and {peer.address} of {peer.name} are not of the same IP version: give all "
                "members addresses of one."
            )
        if peer.address in seen:
            raise Refused(
                f"{seen[peer.address]} and {peer.name} both have the address {peer.address}: give each member its own."
            )
        seen[peer.address] = peer.name
    if mtu not in MTUS:
        raise Refused(f"mtu is {mtu} and must be from {MTUS[0]} to {MTUS[-1]}: set it to the MTU between the members.")
