# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Addresses and sizes that every lab has in common, most of them the cloud's own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

GATEWAY = "172.31.1.1"
GATEWAY6 = "fe80::1"
METADATA = IPv4Address("169.254.169.254")
EGRESS_NETWORK = IPv4Network("198.18.0.0/24")
NAME_SERVER = EGRESS_NETWORK[3]
PUBLIC_MTU, PRIVATE_MTU = 1500, 1450
_LINK_LOCAL = IPv4Network("169.254.0.0/17")


def link_local(server_id: int) -> IPv4Address:
    """Where a server without a public IPv4 address asks for its metadata from."""
    return _LINK_LOCAL[256 + server_id % (_LINK_LOCAL.num_addresses - 512)]
