# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Probes of swarm_paths: whether the ways between tasks are there, tried from the tasks' own network namespaces.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path as File
from time import monotonic
from typing import TYPE_CHECKING

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._paths import GONE, Outcome, family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._paths import Path

AT_ONCE = 128
"""How many paths are tried at the same time. Hardly any work: where a node is silent, all just wait."""

SMALL = 84
"""Bytes of a small packet with all headers, as ping sends it."""

NAME_SERVER = ("127.0.0.11", 53)
"""Where the engine answers names, in the network namespace of each container."""

_NETWORK_NAMESPACE = 0x40000000
_SIOCGIFADDR = 0x8915
_SIOCGIFMTU = 0x8921


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
    find = _interfaces6 if family(own) is socket.AF_INET6 else _interfaces
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


def _echo(address: str, size: int, timeout: float) -> None:
    """Send an ICMP echo of ``size`` bytes with all headers, in one piece, and await its answer."""
    six = family(address) is socket.AF_INET6
    request = echo_request(six, os.urandom(size - (48 if six else 28)))
    protocol = socket.IPPROTO_ICMPV6 if six else socket.IPPROTO_ICMP
    with socket.socket(family(address), socket.SOCK_RAW, protocol) as echo:
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
