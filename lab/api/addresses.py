# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which address a server gets. Pure: what is taken comes in, an address goes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import islice

from lab.api.errors import invalid_input, refused, unavailable
from lab.api.models.network import Network, Subnet

# The cloud routes to this address inside every private network.
_METADATA_GATEWAY = IPv4Address("172.31.1.1")


def next_ipv4(pool: IPv4Network, taken: Collection[str]) -> str:
    """The lowest free public address. The first usable one and the last are the lab's own."""
    for address in islice(pool.hosts(), 1, pool.num_addresses - 3):
        if str(address) not in taken:
            return str(address)
    raise unavailable(f"no public IPv4 address is left in {pool}")


def next_ipv6(pool: IPv6Network, taken: Collection[str]) -> str:
    """The lowest free public /64. The first is the lab's own."""
    for network in islice(pool.subnets(new_prefix=64), 1, None):
        if str(network) not in taken:
            return str(network)
    raise unavailable(f"no public IPv6 network is left in {pool}")


def reserved(network: Network) -> frozenset[IPv4Address]:
    """Addresses that no server may have."""
    edges = {edge for subnet in network.subnets for edge in (subnet.ip_range[0], subnet.ip_range[-1])}
    return frozenset({network.gateway, _METADATA_GATEWAY, *edges})


def private_address(
    network: Network, zone: str, taken: Collection[IPv4Address], wanted: IPv4Address | None, within: IPv4Network | None
) -> IPv4Address:
    """The address of a new interface: ``wanted`` if it is free, else the lowest free one, of subnet ``within``."""
    subnets = [subnet for subnet in network.subnets if subnet.network_zone == zone]
    if within is not None and within not in (subnet.ip_range for subnet in subnets):
        raise invalid_input("ip_range", f"{within} is not a subnet of the network in zone {zone}")
    if wanted is not None:
        check_private(network, zone, taken, wanted, "ip")
        return wanted
    chosen = [subnet for subnet in subnets if within in (None, subnet.ip_range)]
    free = next(_free(chosen, reserved(network), taken), None)
    if free is None:
        raise refused("no_subnet_available", f"no subnet or IP of zone {zone} is available in network '{network.name}'")
    return free


def check_private(network: Network, zone: str, taken: Collection[IPv4Address], wanted: IPv4Address, field: str) -> None:
    """Refuse an address that a server of this zone cannot have."""
    if not any(wanted in subnet.ip_range for subnet in network.subnets if subnet.network_zone == zone):
        raise invalid_input(field, f"{wanted} is not in a subnet of network '{network.name}' in zone {zone}")
    if wanted in taken or wanted in reserved(network):
        raise refused("ip_not_available", f"IP {wanted} is not available in network '{network.name}'")


def _free(
    subnets: Iterable[Subnet], reserved: Collection[IPv4Address], taken: Collection[IPv4Address]
) -> Iterator[IPv4Address]:
    for subnet in subnets:
        yield from (address for address in subnet.ip_range.hosts() if address not in reserved and address not in taken)


def next_subnet(network: Network) -> IPv4Network:
    """The first free /24 of a network, for a subnet that names no range."""
    for candidate in network.ip_range.subnets(new_prefix=24):
        if not any(candidate.overlaps(subnet.ip_range) for subnet in network.subnets):
            return candidate
    raise invalid_input("ip_range", f"no /24 is left in {network.ip_range}")
