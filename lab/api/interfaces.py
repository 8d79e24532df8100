# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Private interfaces and public addresses of servers: what is checked and reserved when they are asked for."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from lab.api.addresses import check_private, next_ipv4, next_ipv6, private_address
from lab.api.catalog.locations import location
from lab.api.cloud import Cloud
from lab.api.errors import ApiError, conflict, refused
from lab.api.models.action import Ref
from lab.api.models.network import Network
from lab.api.models.primary_ip import PrimaryIp
from lab.api.models.public_address import IpKind
from lab.api.models.server import PrivateNet, Server
from lab.api.project import now

NETWORKS_PER_SERVER = 3
ALIASES_PER_NETWORK = 5


def zone_of(server: Server) -> str:
    zone: str = location(server.location)["network_zone"]
    return zone


def taken_addresses(cloud: Cloud, network: int, but: int | None = None) -> frozenset[IPv4Address]:
    """Private addresses held or reserved in a network, but for those of the server ``but``."""
    balanced = frozenset(
        balancer.private_net.ip
        for balancer in cloud.project.load_balancers
        if balancer.private_net and balancer.private_net.network == network
    )
    return balanced | frozenset(
        address
        for server in cloud.project.servers
        if server.id != but
        for net in server.private_net
        if net.network == network
        for address in (net.ip, *net.alias_ips)
    )


def require_attachable(cloud: Cloud, nets: list[PrivateNet], network: Network) -> None:
    """Refuse a network that a server is in already, that overlaps with another of its networks, or is one too many."""
    if any(net.network == network.id for net in nets):
        raise refused("server_already_attached", f"server is already attached to network '{network.name}'")
    for net in nets:
        other = cloud.project.networks.get(net.network)
        if other is not None and other.ip_range.overlaps(network.ip_range):
            raise refused("networks_overlap", f"network '{network.name}' overlaps with network '{other.name}'")
    if len(nets) >= NETWORKS_PER_SERVER:
        raise refused("invalid_input", f"a server can be attached to at most {NETWORKS_PER_SERVER} networks")


def reserve_interface(
    cloud: Cloud,
    network: Network,
    zone: str,
    wanted: IPv4Address | None = None,
    within: IPv4Network | None = None,
    aliases: list[IPv4Address] | None = None,
) -> PrivateNet:
    """A place in a network for one more server, still to be plugged."""
    taken = taken_addresses(cloud, network.id)
    aliases = aliases or []
    address = private_address(network, zone, taken | frozenset(aliases), wanted, within)
    check_aliases(network, zone, taken | {address}, aliases)
    return PrivateNet(network=network.id, ip=address, alias_ips=aliases, mac_address=cloud.project.new_mac())


def check_aliases(network: Network, zone: str, taken: frozenset[IPv4Address], aliases: list[IPv4Address]) -> None:
    """Refuse alias addresses that a server cannot have."""
    if len(aliases) > ALIASES_PER_NETWORK:
        raise refused("invalid_input", f"a server has at most {ALIASES_PER_NETWORK} alias IPs in a network")
    for at, alias in enumerate(aliases):
        check_private(network, zone, taken | frozenset(aliases[:at]), alias, "alias_ips")


def free_public_address(cloud: Cloud, kind: IpKind) -> str:
    """The next address out of the public pool: an IPv4 address, or an IPv6 /64."""
    project, settings = cloud.project, cloud.settings
    taken = {ip.ip for ip in (*project.primary_ips, *project.floating_ips)}
    taken |= {part for balancer in project.load_balancers for part in (str(balancer.ipv4), balancer.public_range6)}
    return next_ipv4(settings.public_ipv4, taken) if kind == "ipv4" else next_ipv6(settings.public_ipv6, taken)


def settled_network(cloud: Cloud, network_id: int) -> Network:
    """The network that a body names, refused while it is being changed."""
    network = cloud.project.networks.referenced(network_id, "network")
    if cloud.actions.locked(Ref("network", network_id)):
        raise conflict(f"network '{network.name}' is being changed, please retry")
    return network


def new_primary_ip(
    cloud: Cloud, kind: IpKind, place: str, *, name: str | None = None, auto_delete: bool = False
) -> PrimaryIp:
    """A primary IP with the next free address, not yet recorded. Without a name it gets one from its id."""
    ip_id = cloud.project.new_id()
    return PrimaryIp(
        id=ip_id,
        name=name or f"primary_ip-{ip_id}",
        created=now(),
        type=kind,
        ip=free_public_address(cloud, kind),
        location=place,
        auto_delete=auto_delete,
    )


def usable_primary_ip(cloud: Cloud, ip_id: int, kind: IpKind, place: str) -> PrimaryIp:
    """The existing primary IP that a new server asks for."""
    ip = cloud.project.primary_ips.referenced(ip_id, f"public_net.{kind}")
    if ip.type != kind:
        raise ApiError(412, "primary_ip_version_mismatch", f"primary IP '{ip.name}' is not {kind}")
    if ip.assignee_id is not None:
        raise refused("primary_ip_assigned", f"primary IP '{ip.name}' is already assigned to a server")
    if ip.location != place:
        raise refused("primary_ip_datacenter_mismatch", f"primary IP '{ip.name}' is in {ip.location}, not in {place}")
    return ip
