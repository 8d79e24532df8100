# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Primary IPs."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.catalog.locations import location_named
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, locked, protected, refused
from lab.api.interfaces import new_primary_ip
from lab.api.machines import Readdressing
from lab.api.models.action import Action, Ref
from lab.api.models.network import ChangeProtection
from lab.api.models.primary_ip import Assign, CreatePrimaryIp, PrimaryIp, UpdatePrimaryIp
from lab.api.models.public_address import IpKind
from lab.api.models.server import ChangeDnsPtr, Server
from lab.api.pagination import listing
from lab.api.routes.server_actions import stopped
from lab.api.views import primary_ip_view

router = APIRouter(prefix="/primary_ips")


def _free_ip(cloud: Cloud, ip_id: int) -> PrimaryIp:
    ip = cloud.project.primary_ips.require(ip_id)
    if cloud.actions.locked(Ref("primary_ip", ip_id)):
        raise locked(f"primary IP '{ip.name}'")
    return ip


def _begin(cloud: Cloud, ip: PrimaryIp, command: str, **arguments: Any) -> dict[str, Any]:
    itself = Ref("primary_ip", ip.id)
    return {"action": cloud.actions.begin(command, [itself], arguments=arguments, locks=[itself]).view()}


def _begin_on_server(cloud: Cloud, command: str, ip: int, server: int) -> Action:
    both = [Ref("primary_ip", ip), Ref("server", server)]
    return cloud.actions.begin(command, both, locks=both)


async def _assignable(cloud: Cloud, server_id: int, kind: IpKind) -> Server:
    """A stopped server that has no public address of this kind."""
    cloud.machines.require(Readdressing, "change their public addresses")
    cloud.project.servers.referenced(server_id, "assignee_id")
    server = await stopped(cloud, server_id)
    if kind in cloud.project.public_ips(server_id):
        raise refused(f"server_has_{kind}", f"server '{server.name}' already has an {kind} address")
    return server


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [primary_ip_view(ip) for ip in cloud.project.primary_ips]
    return listing(request, "primary_ips", views, filters=("name", "ip"), sorts=("id", "created"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, ip_id: PathId) -> dict[str, Any]:
    return {"primary_ip": primary_ip_view(cloud.project.primary_ips.require(ip_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreatePrimaryIp) -> dict[str, Any]:
    cloud.project.primary_ips.require_free(body.name)
    if (body.assignee_id is None) == (body.location is None):
        raise invalid_input("location", "give either a location or an assignee")
    if body.assignee_id is None:
        place = location_named(str(body.location))["name"]
    else:
        place = (await _assignable(cloud, body.assignee_id, body.type)).location
        cloud.project.primary_ips.require_free(body.name)
    ip = new_primary_ip(cloud, body.type, place, name=body.name, auto_delete=body.auto_delete)
    ip = ip.model_copy(update={"assignee_id": body.assignee_id, "labels": body.labels})
    action = None
    with cloud.project.together():
        cloud.project.primary_ips.put(ip)
        if body.assignee_id is not None:
            action = _begin_on_server(cloud, "assign_primary_ip", ip.id, body.assignee_id).view()
    return {"primary_ip": primary_ip_view(ip), "action": action}


@router.put("/{id:int}")
async def update(cloud: CloudDep, ip_id: PathId, body: UpdatePrimaryIp) -> dict[str, Any]:
    return {"primary_ip": primary_ip_view(cloud.project.primary_ips.rename(ip_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, ip_id: PathId) -> None:
    ip = _free_ip(cloud, ip_id)
    if ip.protection.delete:
        raise protected(f"primary IP '{ip.name}'", "deletion")
    if ip.assignee_id is not None:
        raise refused("must_be_unassigned", f"primary IP '{ip.name}' is still assigned to a server")
    cloud.project.primary_ips.remove(ip_id)


@router.post("/{id:int}/actions/assign", status_code=201)
async def assign(cloud: CloudDep, ip_id: PathId, body: Assign) -> dict[str, Any]:
    kind = _free_ip(cloud, ip_id).type
    server = await _assignable(cloud, body.assignee_id, kind)
    ip = _free_ip(cloud, ip_id)
    if ip.assignee_id is not None:
        raise refused("primary_ip_already_assigned", f"primary IP '{ip.name}' is already assigned to a server")
    if ip.location != server.location:
        raise invalid_input("assignee_id", f"primary IP '{ip.name}' is in {ip.location}, not in {server.location}")
    with cloud.project.together():
        cloud.project.primary_ips.update(ip_id, assignee_id=server.id)
        return {"action": _begin_on_server(cloud, "assign_primary_ip", ip_id, server.id).view()}


@router.post("/{id:int}/actions/unassign", status_code=201)
async def unassign(cloud: CloudDep, ip_id: PathId) -> dict[str, Any]:
    cloud.machines.require(Readdressing, "change their public addresses")
    assignee = _free_ip(cloud, ip_id).assignee_id
    if assignee is None:
        raise refused("primary_ip_not_assigned", f"primary IP {ip_id} is not assigned")
    await stopped(cloud, assignee)
    return {"action": _begin_on_server(cloud, "unassign_primary_ip", ip_id, assignee).view()}


@router.post("/{id:int}/actions/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, ip_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    ip = _free_ip(cloud, ip_id)
    if body.delete and ip.auto_delete:
        raise invalid_input("delete", "a primary IP with auto_delete cannot be protected")
    protection = ip.protection.model_copy(update=body.model_dump(exclude_none=True))
    return _begin(cloud, ip, "change_protection", protection=protection.model_dump())


@router.post("/{id:int}/actions/change_dns_ptr", status_code=201)
async def change_dns_ptr(cloud: CloudDep, ip_id: PathId, body: ChangeDnsPtr) -> dict[str, Any]:
    ip = _free_ip(cloud, ip_id)
    if not ip.covers(body.ip):
        raise invalid_input("ip", f"{body.ip} is not an address of primary IP '{ip.name}'")
    return _begin(cloud, ip, "change_dns_ptr", dns_ptr=ip.renamed(body.ip, body.dns_ptr))
