# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel lists of its networks, written as it writes it."""

from __future__ import annotations

import struct
from ipaddress import ip_interface
from pathlib import Path

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._host import (
    Messages,
    entries,
    free_bytes,
    interfaces,
    networks,
    report,
)

LINK, ADDRESS, ROUTE = "=BBHiII", "=BBBBI", "=BBBBBBBBI"
SIZES = {LINK: 16, ADDRESS: 8, ROUTE: 12}
UNICAST, LOCAL, BLACKHOLE = 1, 2, 6


def message(kind: int, body: bytes) -> bytes:
    return struct.pack("=IHHII", 16 + len(body), kind, 2, 1, 0) + body


def entry(header: bytes, attributes: dict[int, bytes]) -> bytes:
    written = [
        struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4) for kind, value in attributes.items()
    ]
    return message(16, header + b"".join(written))


def listed(form: str, *written: bytes) -> Messages:
    return list(entries([*written, message(3, bytes(4))], SIZES[form]))


def link(index: int, name: str, mtu: int) -> bytes:
    return entry(struct.pack(LINK, 0, 0, 1, index, 0, 0), {3: name.encode() + b"\0", 4: struct.pack("=I", mtu)})


def address(index: int, cidr: str, attribute: int = 2) -> bytes:
    given = ip_interface(cidr)
    return entry(struct.pack(ADDRESS, 2, given.network.prefixlen, 0, 0, index), {attribute: given.ip.packed})


def route(index: int, cidr: str, kind: int = UNICAST) -> bytes:
    given = ip_interface(cidr)
    header = struct.pack(ROUTE, 2, given.network.prefixlen, 0, 0, 254, 0, 0, kind, 0)
    return entry(header, {1: given.ip.packed, 4: struct.pack("=I", index)})


LINKS = listed(LINK, link(1, "lo", 65536), link(2, "enp7s0", 1450), link(3, "docker0", 1500))


def test_interfaces() -> None:
    far_end = entry(
        struct.pack(ADDRESS, 2, 32, 0, 0, 3),
        {1: ip_interface("10.9.0.1").ip.packed, 2: ip_interface("10.9.0.2").packed},
    )
    addresses = listed(
        ADDRESS, address(1, "127.0.0.1/8"), address(2, "10.0.0.2/24"), address(2, "fd00::2/64", 1), far_end
    )
    assert interfaces(LINKS, addresses) == [
        {"name": "lo", "mtu": 65536, "addresses": ["127.0.0.1/8"]},
        {"name": "enp7s0", "mtu": 1450, "addresses": ["10.0.0.2/24", "fd00::2/64"]},
        {"name": "docker0", "mtu": 1500, "addresses": ["10.9.0.2/32"]},
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([route(2, "10.0.0.0/16"), route(3, "172.17.0.0/16")], {"10.0.0.0/16": "enp7s0", "172.17.0.0/16": "docker0"}),
        ([route(2, "172.31.1.1/32"), route(2, "fd00::/64")], {"172.31.1.1/32": "enp7s0", "fd00::/64": "enp7s0"}),
        ([route(2, "10.0.0.0/16"), route(2, "10.0.0.0/16")], {"10.0.0.0/16": "enp7s0"}),
        ([route(2, "0.0.0.0/0"), route(2, "::/0")], {}),
        ([route(3, "0.0.0.0/1"), route(3, "128.0.0.0/1")], {}),
        ([route(2, "fe80::/64"), route(2, "ff00::/8"), route(2, "169.254.0.0/16"), route(1, "127.0.0.0/8")], {}),
        ([route(2, "10.0.0.2/32", LOCAL), route(2, "10.9.0.0/16", BLACKHOLE)], {}),
    ],
    ids=["two", "host route and v6", "in two tables", "default", "default in halves", "of the link", "not unicast"],
)
def test_networks(written: list[bytes], expected: dict[str, str]) -> None:
    found = networks(LINKS, listed(ROUTE, *written))
    assert found == [{"network": network, "interface": name} for network, name in expected.items()]


def test_a_route_over_two_interfaces() -> None:
    paths = b"".join(struct.pack("=HBBi", 8, 0, 0, index) for index in (2, 3))
    header = struct.pack(ROUTE, 2, 24, 0, 0, 254, 0, 0, UNICAST, 0)
    over = entry(header, {1: ip_interface("10.8.0.0/24").ip.packed, 9: paths})
    assert {found["interface"] for found in networks(LINKS, listed(ROUTE, over))} == {"enp7s0", "docker0"}


def test_a_list_in_parts_ends_where_the_kernel_says() -> None:
    parts = [link(1, "lo", 65536) + link(2, "enp7s0", 1450), message(3, bytes(4)) + link(3, "docker0", 1500)]
    assert [attributes[3] for _header, attributes in entries(parts, 16)] == [b"lo\0", b"enp7s0\0"]


def test_what_the_kernel_refuses_is_an_error() -> None:
    with pytest.raises(OSError, match="Operation not permitted"):
        list(entries([message(2, struct.pack("=i", -1))], 16))


def test_free_bytes(tmp_path: Path) -> None:
    assert free_bytes(str(tmp_path / "elsewhere")) is None
    assert (free_bytes(str(tmp_path)) or 0) > 0


def test_this_host() -> None:
    told = report({"DockerRootDir": "/", "LiveRestoreEnabled": True, "FirewallBackend": {"Driver": "nftables"}})
    assert (told["live_restore"], told["firewall_backend"]) == (True, "nftables")
    assert any("127.0.0.1/8" in interface["addresses"] for interface in told["interfaces"])
