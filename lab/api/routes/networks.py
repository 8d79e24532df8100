# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks. Only one change at a time: the others are refused as conflicts."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import conflict, invalid_input, not_found, protected, refused
from lab.api.models.action import Ref
from lab.api.models.network import (
    AddSubnet,
    ChangeProtection,
    CreateNetwork,
    IpRange,
    Network,
    NetworkRange,
    Route,
    RouteBody,
    Subnet,
    UpdateNetwork,
)
from lab.api.networking import with_route, with_subnet
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.views import network_view

router = APIRouter(prefix="/networks")


def _settled(cloud: Cloud, network_id: int) -> Network:
    network = cloud.project.networks.require(network_id)
    if cloud.actions.locked(Ref("network", network_id)):
        raise conflict(f"network '{network.name}' is being changed, please retry")
    return network


def _begin(cloud: Cloud, network: Network, command: str, **changes: Any) -> dict[str, Any]:
    """Start a change of a network; the changes are its new fields."""
    itself = Ref("network", network.id)
    arguments = network.model_copy(update=changes).model_dump(mode="json", include=set(changes))
    return {"action": cloud.actions.begin(command, [itself], arguments=arguments, locks=[itself]).view()}


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    return listing(request, "networks", [network_view(cloud, network) for network in cloud.project.networks])


@router.get("/{id:int}")
async def get(cloud: CloudDep, network_id: PathId) -> dict[str, Any]:
    return {"network": network_view(cloud, cloud.project.networks.require(network_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateNetwork) -> dict[str, Any]:
    cloud.project.networks.require_free(body.name)
    fields = body.model_dump(exclude={"subnets", "routes"})
    network = Network(id=cloud.project.new_id(), created=now(), **fields)
    for subnet in body.subnets:
        network = with_subnet(network, subnet)
    for route in body.routes:
        network = with_route(network, route)
    return {"network": network_view(cloud, cloud.project.networks.put(network))}


@router.put("/{id:int}")
async def update(cloud: CloudDep, network_id: PathId, body: UpdateNetwork) -> dict[str, Any]:
    return {"network": network_view(cloud, cloud.project.networks.rename(network_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, network_id: PathId) -> None:
    """Its servers and load balancers are detached."""
    network = _settled(cloud, network_id)
    if network.protection.delete:
        raise protected(f"network '{network.name}'", "deletion")
    members = [server for server in cloud.project.servers if server.in_network(network_id)]
    balancers = [balancer for balancer in cloud.project.load_balancers if balancer.in_network(network_id)]
    for server in members:
        cloud.free_server(server.id)
    for balancer in balancers:
        cloud.free_load_balancer(balancer.id)
    with cloud.project.together():
        cloud.project.networks.remove(network_id)
        for server in members:
            itself = Ref("server", server.id)
            cloud.actions.begin("detach_from_network", [itself, Ref("network", network_id)], locks=[itself])
        for balancer in balancers:
            itself = Ref("load_balancer", balancer.id)
            changes = {"private_net": None}
            cloud.actions.begin("detach_from_network", [itself], arguments=changes, locks=[itself])


@router.post("/{id:int}/actions/add_subnet", status_code=201)
async def add_subnet(cloud: CloudDep, network_id: PathId, body: AddSubnet) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    return _begin(cloud, network, "add_subnet", subnets=with_subnet(network, body).subnets)


@router.post("/{id:int}/actions/delete_subnet", status_code=201)
async def delete_subnet(cloud: CloudDep, network_id: PathId, body: IpRange) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    kept: list[Subnet] = [subnet for subnet in network.subnets if subnet.ip_range != body.ip_range]
    if len(kept) == len(network.subnets):
        raise not_found(f"subnet '{body.ip_range}'")
    for server in cloud.project.servers:
        net = server.in_network(network_id)
        if net and any(address in body.ip_range for address in (net.ip, *net.alias_ips)):
            raise refused("resource_in_use", f"server '{server.name}' has an IP in subnet {body.ip_range}")
    for balancer in cloud.project.load_balancers:
        if balancer.in_network(network_id) and balancer.private_net and balancer.private_net.ip in body.ip_range:
            raise refused("resource_in_use", f"load balancer '{balancer.name}' has an IP in subnet {body.ip_range}")
    return _begin(cloud, network, "delete_subnet", subnets=kept)


@router.post("/{id:int}/actions/add_route", status_code=201)
async def add_route(cloud: CloudDep, network_id: PathId, body: RouteBody) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    return _begin(cloud, network, "add_route", routes=with_route(network, body).routes)


@router.post("/{id:int}/actions/delete_route", status_code=201)
async def delete_route(cloud: CloudDep, network_id: PathId, body: RouteBody) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    gone = Route(destination=body.destination, gateway=body.gateway)
    if gone not in network.routes:
        raise not_found(f"route to '{body.destination}'")
    return _begin(cloud, network, "delete_route", routes=[route for route in network.routes if route != gone])


@router.post("/{id:int}/actions/change_ip_range", status_code=201)
async def change_ip_range(cloud: CloudDep, network_id: PathId, body: NetworkRange) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    if body.ip_range[0] != network.ip_range[0] or not network.ip_range.subnet_of(body.ip_range):
        raise invalid_input("ip_range", f"can only extend {network.ip_range} at its end")
    return _begin(cloud, network, "change_ip_range", ip_range=body.ip_range)


@router.post("/{id:int}/actions/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, network_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    network = _settled(cloud, network_id)
    protection = network.protection.model_copy(update=body.model_dump(exclude_none=True))
    return _begin(cloud, network, "change_protection", protection=protection)
