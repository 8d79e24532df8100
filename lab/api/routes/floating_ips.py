# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floating IPs. Whom one is assigned to is a record of the API: the lab routes no packet by it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.catalog.locations import location_named
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, locked, protected, refused
from lab.api.interfaces import free_public_address
from lab.api.models.action import Action, Ref
from lab.api.models.floating_ip import AssignFloatingIp, CreateFloatingIp, FloatingIp, UpdateFloatingIp
from lab.api.models.network import ChangeProtection
from lab.api.models.server import ChangeDnsPtr
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.views import floating_ip_view

router = APIRouter(prefix="/floating_ips")


def _free_ip(cloud: Cloud, ip_id: int) -> FloatingIp:
    ip = cloud.project.floating_ips.require(ip_id)
    if cloud.actions.locked(Ref("floating_ip", ip_id)):
        raise locked(f"floating IP '{ip.name}'")
    return ip


def _begin(cloud: Cloud, ip: int, command: str, *others: Ref, **changes: Any) -> Action:
    """Start a change of a floating IP; the changes are its new fields."""
    everything = [Ref("floating_ip", ip), *others]
    return cloud.actions.begin(command, everything, arguments=changes, locks=everything)


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [floating_ip_view(ip) for ip in cloud.project.floating_ips]
    return listing(request, "floating_ips", views, sorts=("id", "created"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, ip_id: PathId) -> dict[str, Any]:
    return {"floating_ip": floating_ip_view(cloud.project.floating_ips.require(ip_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateFloatingIp) -> dict[str, Any]:
    if (body.server is None) == (body.home_location is None):
        raise invalid_input("home_location", "give either a home_location or a server")
    if body.server is None:
        home = location_named(str(body.home_location))["name"]
    else:
        home = cloud.free_server(cloud.project.servers.referenced(body.server, "server").id).location
    if body.name is not None:
        cloud.project.floating_ips.require_free(body.name)
    address = free_public_address(cloud, body.type)
    ip_id = cloud.project.new_id()
    ip = FloatingIp(
        id=ip_id,
        name=body.name or f"floating-ip-{ip_id}",
        created=now(),
        ip=address,
        home_location=home,
        **body.model_dump(include={"type", "description", "labels"}),
    )
    action = None
    with cloud.project.together():
        cloud.project.floating_ips.put(ip)
        if body.server is not None:
            action = _begin(cloud, ip_id, "assign_floating_ip", Ref("server", body.server), server=body.server).view()
    return {"floating_ip": floating_ip_view(ip), "action": action}


@router.put("/{id:int}")
async def update(cloud: CloudDep, ip_id: PathId, body: UpdateFloatingIp) -> dict[str, Any]:
    return {"floating_ip": floating_ip_view(cloud.project.floating_ips.rename(ip_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, ip_id: PathId) -> None:
    ip = _free_ip(cloud, ip_id)
    if ip.protection.delete:
        raise protected(f"floating IP '{ip.name}'", "deletion")
    if ip.server is not None:
        raise refused("must_be_unassigned", f"floating IP '{ip.name}' is still assigned to a server")
    cloud.project.floating_ips.remove(ip_id)


@router.post("/{id:int}/actions/assign", status_code=201)
async def assign(cloud: CloudDep, ip_id: PathId, body: AssignFloatingIp) -> dict[str, Any]:
    """One that is assigned moves to the other server: that is what floating IPs are for."""
    ip = _free_ip(cloud, ip_id)
    server = cloud.free_server(cloud.project.servers.referenced(body.server, "server").id)
    if ip.server == server.id:
        raise refused("floating_ip_assigned", f"floating IP '{ip.name}' is already assigned to server '{server.name}'")
    return {"action": _begin(cloud, ip_id, "assign_floating_ip", Ref("server", server.id), server=server.id).view()}


@router.post("/{id:int}/actions/unassign", status_code=201)
async def unassign(cloud: CloudDep, ip_id: PathId) -> dict[str, Any]:
    ip = _free_ip(cloud, ip_id)
    if ip.server is None:
        raise refused("floating_ip_not_assigned", f"floating IP '{ip.name}' is not assigned")
    server = Ref("server", cloud.free_server(ip.server).id)
    return {"action": _begin(cloud, ip_id, "unassign_floating_ip", server, server=None).view()}


@router.post("/{id:int}/actions/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, ip_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    ip = _free_ip(cloud, ip_id)
    protection = ip.protection.model_copy(update=body.model_dump(exclude_none=True))
    return {"action": _begin(cloud, ip_id, "change_protection", protection=protection.model_dump()).view()}


@router.post("/{id:int}/actions/change_dns_ptr", status_code=201)
async def change_dns_ptr(cloud: CloudDep, ip_id: PathId, body: ChangeDnsPtr) -> dict[str, Any]:
    ip = _free_ip(cloud, ip_id)
    if not ip.covers(body.ip):
        raise invalid_input("ip", f"{body.ip} is not an address of floating IP '{ip.name}'")
    return {"action": _begin(cloud, ip_id, "change_dns_ptr", dns_ptr=ip.renamed(body.ip, body.dns_ptr)).view()}
