# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for the shape of a network. Pure: a network goes in, a changed one comes out."""

from __future__ import annotations

from lab.api.addresses import next_subnet
from lab.api.catalog.locations import ZONES
from lab.api.errors import invalid_input, limit_exceeded, refused
from lab.api.models.network import AddSubnet, Network, Route, RouteBody, Subnet

SUBNETS_PER_NETWORK = 50
ROUTES_PER_NETWORK = 100


def with_subnet(network: Network, body: AddSubnet) -> Network:
    """The network with one more subnet."""
    if body.network_zone not in ZONES:
        raise invalid_input("network_zone", f"network zone '{body.network_zone}' not found")
    if len(network.subnets) >= SUBNETS_PER_NETWORK:
        raise limit_exceeded("subnet_limit", f"a network has at most {SUBNETS_PER_NETWORK} subnets")
    wanted = body.ip_range or next_subnet(network)
    if not wanted.subnet_of(network.ip_range):
        raise invalid_input("ip_range", f"{wanted} is not in the network's range {network.ip_range}")
    if any(wanted.overlaps(subnet.ip_range) for subnet in network.subnets):
        raise invalid_input("ip_range", f"{wanted} overlaps with another subnet")
    if any(wanted.overlaps(route.destination) for route in network.routes):
        raise invalid_input("ip_range", f"{wanted} overlaps with the destination of a route")
    subnet = Subnet(type=body.type, ip_range=wanted, network_zone=body.network_zone)
    return network.model_copy(update={"subnets": [*network.subnets, subnet]})


def with_route(network: Network, body: RouteBody) -> Network:
    """The network with one more route."""
    if len(network.routes) >= ROUTES_PER_NETWORK:
        raise limit_exceeded("route_limit", f"a network has at most {ROUTES_PER_NETWORK} routes")
    if body.gateway not in network.ip_range or body.gateway == network.gateway:
        raise invalid_input("gateway", f"{body.gateway} is not an address for servers in {network.ip_range}")
    if any(body.destination.overlaps(subnet.ip_range) for subnet in network.subnets):
        raise invalid_input("destination", f"{body.destination} overlaps with a subnet")
    if any(body.destination == route.destination for route in network.routes):
        raise refused("invalid_input", f"a route to {body.destination} exists already")
    route = Route(destination=body.destination, gateway=body.gateway)
    return network.model_copy(update={"routes": [*network.routes, route]})
