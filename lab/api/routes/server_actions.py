# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a server. Only one at a time: the others are refused as locked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from fastapi import APIRouter

from lab.api.catalog.locations import location
from lab.api.catalog.server_types import server_type, server_type_named
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, protected, refused
from lab.api.machines import Resizing
from lab.api.models.action import Ref
from lab.api.models.server import (
    AddToPlacementGroup,
    ChangeDnsPtr,
    ChangeServerProtection,
    ChangeType,
    Rebuild,
    Server,
)
from lab.api.scheduling import require_group_room, require_stock

router = APIRouter(prefix="/servers/{id:int}/actions")
BACKUP_WINDOW = "22-02"


def begin(
    cloud: Cloud, server: Server, command: str, *others: Ref, arguments: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Start a locking action on a server and answer it."""
    itself = Ref("server", server.id)
    return {"action": cloud.actions.begin(command, [itself, *others], arguments=arguments, locks=[itself]).view()}


async def stopped(cloud: Cloud, server_id: int) -> Server:
    """The server, refused while its machine runs."""
    await cloud.observe([cloud.project.servers.require(server_id)])
    server = cloud.free_server(server_id)
    if server.status != "off":
        raise refused("server_not_stopped", f"server '{server.name}' is {server.status}, but needs to be powered off")
    return server


def _add_power_route(name: Literal["poweroff", "shutdown", "reboot", "reset"], command: str) -> None:
    @router.post(f"/{name}", status_code=201)
    async def power(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
        return begin(cloud, cloud.free_server(server_id), command)


_add_power_route("poweroff", "stop_server")
_add_power_route("shutdown", "shutdown_server")
_add_power_route("reboot", "reboot_server")
_add_power_route("reset", "reset_server")


@router.post("/poweron", status_code=201)
async def poweron(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    if not cloud.project.public_ips(server_id) and not server.private_net:
        raise refused("invalid_input", f"server '{server.name}' needs a public or a private network to be started")
    return begin(cloud, server, "start_server")


@router.post("/rebuild", status_code=201)
async def rebuild(cloud: CloudDep, server_id: PathId, body: Rebuild) -> dict[str, Any]:
    architecture = server_type(cloud.project.servers.require(server_id).server_type).architecture
    image = await cloud.images.bootable(body.image, architecture)
    server = cloud.free_server(server_id)
    if server.protection.rebuild:
        raise protected(f"server '{server.name}'", "rebuild")
    user_data = server.user_data if body.user_data is None else body.user_data
    answer = begin(cloud, server, "rebuild_server", arguments={"image": image, "user_data": user_data})
    return answer | {"root_password": None}


@router.post("/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, server_id: PathId, body: ChangeServerProtection) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    protection = server.protection.model_copy(update=body.model_dump(exclude_none=True))
    if protection.delete != protection.rebuild:
        raise invalid_input("rebuild", "delete and rebuild need to have the same value")
    return begin(cloud, server, "change_protection", arguments={"protection": protection.model_dump()})


@router.post("/enable_backup", status_code=201)
async def enable_backup(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    return begin(cloud, cloud.free_server(server_id), "enable_backup", arguments={"backup_window": BACKUP_WINDOW})


@router.post("/disable_backup", status_code=201)
async def disable_backup(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    return begin(cloud, cloud.free_server(server_id), "disable_backup", arguments={"backup_window": None})


@router.post("/change_type", status_code=201)
async def change_type(cloud: CloudDep, server_id: PathId, body: ChangeType) -> dict[str, Any]:
    server = await stopped(cloud, server_id)
    old, new = server_type(server.server_type), server_type_named(body.server_type)
    if new.architecture != old.architecture or new.disk < server.primary_disk_size or new.id == old.id:
        raise refused("invalid_server_type", f"server type '{new.name}' does not fit for server '{server.name}'")
    require_stock(cloud, new, location(server.location))
    cloud.machines.require(Resizing, "change their type")
    disk = new.disk if body.upgrade_disk else server.primary_disk_size
    arguments = {"server_type": new.id, "primary_disk_size": disk}
    with cloud.project.together():
        cloud.project.servers.update(server_id, status="migrating")
        return begin(cloud, server, "change_server_type", arguments=arguments)


@router.post("/add_to_placement_group", status_code=201)
async def add_to_placement_group(cloud: CloudDep, server_id: PathId, body: AddToPlacementGroup) -> dict[str, Any]:
    server = await stopped(cloud, server_id)
    if server.placement_group is not None:
        raise refused("already_in_placement_group", f"server '{server.name}' is in a placement group already")
    require_group_room(cloud, body.placement_group)
    group = Ref("placement_group", body.placement_group)
    return begin(cloud, server, "add_to_placement_group", group, arguments={"placement_group": body.placement_group})


@router.post("/remove_from_placement_group", status_code=201)
async def remove_from_placement_group(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    if server.placement_group is None:
        raise refused("not_in_placement_group", f"server '{server.name}' is in no placement group")
    return begin(cloud, server, "remove_from_placement_group", arguments={"placement_group": None})


@router.post("/change_dns_ptr", status_code=201)
async def change_dns_ptr(cloud: CloudDep, server_id: PathId, body: ChangeDnsPtr) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    ip = next((ip for ip in cloud.project.public_ips(server_id).values() if ip.covers(body.ip)), None)
    if ip is None:
        raise invalid_input("ip", f"{body.ip} is not a primary IP of server '{server.name}'")
    names = ip.renamed(body.ip, body.dns_ptr)
    return begin(cloud, server, "change_dns_ptr", Ref("primary_ip", ip.id), arguments={"dns_ptr": names})
