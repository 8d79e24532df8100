# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, IPv6Network
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.addresses import private_address
from lab.api.catalog.load_balancer_types import load_balancer_type_named
from lab.api.catalog.locations import LOCATIONS, location_named
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, protected
from lab.api.interfaces import free_public_address, settled_network, taken_addresses
from lab.api.load_balancing import with_service, with_target
from lab.api.models.action import Ref
from lab.api.models.base import Renaming
from lab.api.models.load_balancer import BalancerNet, CreateLoadBalancer, LoadBalancer
from lab.api.pagination import View, listing
from lab.api.project import now
from lab.api.views import load_balancer_view

router = APIRouter(prefix="/load_balancers")


async def _view(cloud: Cloud, balancer: LoadBalancer) -> View:
    return load_balancer_view(cloud, balancer, await cloud.load_balancers.health(balancer.id))


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = await asyncio.gather(*(_view(cloud, balancer) for balancer in cloud.project.load_balancers))
    return listing(request, "load_balancers", views)


@router.get("/{id:int}")
async def get(cloud: CloudDep, balancer_id: PathId) -> dict[str, Any]:
    return {"load_balancer": await _view(cloud, cloud.project.load_balancers.require(balancer_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateLoadBalancer) -> dict[str, Any]:
    project = cloud.project
    project.load_balancers.require_free(body.name)
    kind = load_balancer_type_named(body.load_balancer_type)
    place = _place(body)
    balancer = LoadBalancer(
        id=project.new_id(),
        name=body.name,
        labels=body.labels,
        created=now(),
        load_balancer_type=kind.id,
        location=place["name"],
        ipv4=IPv4Address(free_public_address(cloud, "ipv4")),
        ipv6=IPv6Network(free_public_address(cloud, "ipv6"))[1],
        public_interface=body.public_interface,
        private_net=_net(cloud, body.network, place["network_zone"]),
        algorithm=body.algorithm,
    )
    for service in body.services:
        balancer = with_service(cloud, balancer, service)
    for target in body.targets:
        balancer = with_target(cloud, balancer, target)
    itself = Ref("load_balancer", balancer.id)
    with project.together():
        project.load_balancers.put(balancer)
        action = cloud.actions.begin("create_load_balancer", [itself], locks=[itself])
    return {"load_balancer": load_balancer_view(cloud, balancer, {}), "action": action.view()}


@router.put("/{id:int}")
async def update(cloud: CloudDep, balancer_id: PathId, body: Renaming) -> dict[str, Any]:
    return {"load_balancer": await _view(cloud, cloud.project.load_balancers.rename(balancer_id, body))}


@router.delete("/{id:int}", status_code=201)
async def delete(cloud: CloudDep, balancer_id: PathId) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    if balancer.protection.delete:
        raise protected(f"load balancer '{balancer.name}'", "deletion")
    itself = Ref("load_balancer", balancer_id)
    return {"action": cloud.actions.begin("delete_load_balancer", [itself], locks=[itself]).view()}


def _place(body: CreateLoadBalancer) -> dict[str, Any]:
    """The location that a body names, or the first of its network zone."""
    if (body.location is None) == (body.network_zone is None):
        raise invalid_input("location", "give either a location or a network zone")
    if body.location is not None:
        return location_named(body.location)
    place = next((place for place in LOCATIONS if place["network_zone"] == body.network_zone), None)
    if place is None:
        raise invalid_input("network_zone", f"network zone '{body.network_zone}' not found")
    return place


def _net(cloud: Cloud, network_id: int | None, zone: str) -> BalancerNet | None:
    if network_id is None:
        return None
    network = settled_network(cloud, network_id)
    address = private_address(network, zone, taken_addresses(cloud, network_id), None, None)
    return BalancerNet(network=network_id, ip=address)
