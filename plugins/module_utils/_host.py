# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The networks that this host knows and the room its engine has, found without running a program.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import os
import socket
import struct
from ipaddress import ip_interface, ip_network
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from ipaddress import IPv4Network, IPv6Network

Messages = list[tuple[bytes, dict[int, bytes]]]
"""What the kernel lists: of each entry its fixed header, and its attributes by number."""

# linux/netlink.h
REQUEST_DUMP = 0x301
ERROR, DONE = 2, 3

# linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h: what can be listed, the size of its header, its attributes.
LINKS, ADDRESSES, ROUTES = 18, 22, 26
HEADER_SIZES = {LINKS: 16, ADDRESSES: 8, ROUTES: 12}
LINK_NAME, LINK_MTU = 3, 4
ADDRESS, LOCAL_ADDRESS = 1, 2
ROUTE_TO, ROUTE_INTERFACE, ROUTE_PATHS = 1, 4, 9
UNICAST = 1


def report(info: Mapping[str, Any]) -> dict[str, Any]:
    """What the module returns as ``host``. info: what the engine tells of itself. Raises OSError."""
    links = dump(LINKS)
    root = info.get("DockerRootDir", "/var/lib/docker")
    return {
        "interfaces": interfaces(links, dump(ADDRESSES)),
        "networks": networks(links, dump(ROUTES)),
        "docker_root": root,
        "docker_root_free": free_bytes(root),
        "live_restore": bool(info.get("LiveRestoreEnabled")),
        "firewall_backend": (info.get("FirewallBackend") or {}).get("Driver"),
    }


def interfaces(links: Messages, addresses: Messages) -> list[dict[str, Any]]:
    """The interfaces in the kernel's order, with their addresses as "10.0.0.2/24"."""
    listed: dict[int, dict[str, Any]] = {
        _interface_of_link(header): {"name": _name(link), "mtu": _number(link[LINK_MTU]), "addresses": []}
        for header, link in links
    }
    for header, address in addresses:
        _family, length, _flags, _scope, interface = struct.unpack("=BBBBI", header)
        # At the end of a tunnel ADDRESS is the other end's.
        own = address.get(LOCAL_ADDRESS) or address.get(ADDRESS)
        if own and interface in listed:
            listed[interface]["addresses"].append(str(ip_interface((own, length))))
    return list(listed.values())


def networks(links: Messages, routes: Messages) -> list[dict[str, Any]]:
    """Where this host has routes to, in all its tables: each network, by address, with the interface that leads there.

    Without the default routes (also where a VPN writes one as two halves), and what no host shares with another: link
    local, multicast and loopback.
    """
    names = {_interface_of_link(header): _name(link) for header, link in links}
    found: set[tuple[IPv4Network | IPv6Network, str]] = set()
    for header, route in routes:
        length, kind = header[1], header[7]
        if kind != UNICAST or length <= 1 or ROUTE_TO not in route:
            continue
        network = ip_network((route[ROUTE_TO], length), strict=False)
        if not (network.is_link_local or network.is_multicast or network.is_loopback):
            found.update((network, names.get(interface, "")) for interface in _interfaces_of_route(route))
    ordered = sorted(found, key=lambda pair: (pair[0].version, pair[0].network_address.packed, pair[0].prefixlen))
    return [{"network": str(network), "interface": name} for network, name in ordered]


def free_bytes(path: str) -> int | None:
    """What the file system at ``path`` has left for the engine; None where the path is not on this host."""
    try:
        room = os.statvfs(path)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize


def dump(kind: int) -> Messages:
    """All LINKS, ADDRESSES or ROUTES that the kernel lists. Raises OSError."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as kernel:
        header = bytes(HEADER_SIZES[kind])
        kernel.send(struct.pack("=IHHII", 16 + len(header), kind, REQUEST_DUMP, 1, 0) + header)
        return list(entries(iter(lambda: kernel.recv(1 << 16), b""), HEADER_SIZES[kind]))


def entries(parts: Iterable[bytes], header_size: int) -> Iterator[tuple[bytes, dict[int, bytes]]]:
    """The entries of a list that comes in parts, as far as the message that ends it. Raises OSError."""
    for part in parts:
        for kind, body in _messages(part):
            if kind == DONE:
                return
            if kind == ERROR:
                code = -struct.unpack_from("=i", body)[0]
                raise OSError(code, os.strerror(code))
            yield body[:header_size], dict(_attributes(body[header_size:]))


def _messages(part: bytes) -> Iterator[tuple[int, bytes]]:
    while len(part) >= 16:
        length, kind = struct.unpack_from("=IH", part)
        yield kind, part[16:length]
        part = part[_aligned(length) :]


def _attributes(body: bytes) -> Iterator[tuple[int, bytes]]:
    while len(body) >= 4:
        length, kind = struct.unpack_from("=HH", body)
        yield kind & 0x3FFF, body[4:length]
        body = body[_aligned(length) :]


def _aligned(length: int) -> int:
    """The next multiple of four; at least that, so that a broken length cannot hold us up."""
    return max(4, (length + 3) & ~3)


def _interface_of_link(header: bytes) -> int:
    index: int = struct.unpack_from("=i", header, 4)[0]
    return index


def _interfaces_of_route(route: Mapping[int, bytes]) -> Iterator[int]:
    """Indices of the interfaces that the route leads over: one, or one a path."""
    if ROUTE_INTERFACE in route:
        yield _number(route[ROUTE_INTERFACE])
    paths = route.get(ROUTE_PATHS, b"")
    while len(paths) >= 8:
        length, _flags, _hops, interface = struct.unpack_from("=HBBi", paths)
        yield interface
        paths = paths[_aligned(length) :]


def _name(link: Mapping[int, bytes]) -> str:
    return link[LINK_NAME].rstrip(b"\0").decode(errors="replace")


def _number(value: bytes) -> int:
    number: int = struct.unpack("=I", value)[0]
    return number
