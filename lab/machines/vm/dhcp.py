# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine is told by DHCP at each of its cables, by a dnsmasq of that cable alone. Pure.

Addresses are /32 and everything goes through the gateway, as in the cloud: no machine can ask for its neighbours.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network

from lab.fabric.addresses import GATEWAY, METADATA, NAME_SERVER, PRIVATE_MTU, link_local
from lab.machines.base import PrivateLink

_HERE = IPv4Address("0.0.0.0")  # noqa: S104 - a route to what is on the cable itself


def public(interface: str, mac: str, server_id: int, address: IPv4Address | None) -> list[str]:
    """Serve a server's public address. One without gets an address that reaches the metadata and nothing else."""
    gateway = IPv4Address(GATEWAY)
    on_cable = (IPv4Network(f"{GATEWAY}/32"), _HERE)
    if address is None:
        routes = [on_cable, (IPv4Network(f"{METADATA}/32"), gateway)]
        return _serve(interface, mac, link_local(server_id), gateway, routes, ["option:dns-server"])
    routes = [on_cable, (IPv4Network("0.0.0.0/0"), gateway)]
    return _serve(interface, mac, address, gateway, routes, [f"option:dns-server,{NAME_SERVER}"])


def private(interface: str, link: PrivateLink, *, with_metadata: bool) -> list[str]:
    """Serve a machine's address in a private network; the way to the metadata where it has no public interface."""
    routes = [(IPv4Network(f"{link.gateway}/32"), _HERE), (link.network, link.gateway)]
    if with_metadata:
        routes.append((IPv4Network(f"{METADATA}/32"), link.gateway))
    options = [f"option:mtu,{PRIVATE_MTU}", "option:dns-server"]
    return _serve(interface, link.mac, link.address, link.gateway, routes, options)


def _serve(
    interface: str,
    mac: str,
    address: IPv4Address,
    gateway: IPv4Address,
    routes: list[tuple[IPv4Network, IPv4Address]],
    options: list[str],
) -> list[str]:
    classless = ",".join(f"{network},{way}" for network, way in routes)
    # The one address of this range; dnsmasq has to be told that the gateway's cable leads to it.
    network = IPv4Network(f"{address}/30", strict=False)
    return [
        "dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--port=0",
        f"--interface={interface}", "--except-interface=lo", "--bind-interfaces",
        "--leasefile-ro", "--dhcp-authoritative", "--no-ping", "--log-dhcp", "--log-facility=-",
        f"--dhcp-range={network.network_address},static,{network.netmask},1h",
        f"--shared-network={gateway},{network.network_address}",
        f"--dhcp-host={mac},{address}",
        "--dhcp-option=option:netmask,255.255.255.255",
        "--dhcp-option=28",
        "--dhcp-option=option:router",
        f"--dhcp-option=option:classless-static-route,{classless}",
        *(f"--dhcp-option={option}" for option in options),
    ]  # fmt: skip
