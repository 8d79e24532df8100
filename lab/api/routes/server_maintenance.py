# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one does to a server that is ill or old: images, ISO, rescue system, console, password.

A machine backend that cannot do such a thing is not pretended to have done it: the request ends in unsupported_error.
"""

from __future__ import annotations

import secrets
from typing import Any

from fastapi import APIRouter

from lab.api.catalog.isos import iso_named
from lab.api.catalog.server_types import server_type
from lab.api.cloud import CloudDep, PathId
from lab.api.errors import invalid_input, refused
from lab.api.machines import Attended, Imaging, Rescuing
from lab.api.models.action import Ref
from lab.api.models.image import CreateImage, Image, Origin
from lab.api.models.server import AttachIso, EnableRescue
from lab.api.project import now
from lab.api.routes.server_actions import begin

router = APIRouter(prefix="/servers/{id:int}/actions")


@router.post("/create_image", status_code=201)
async def create_image(cloud: CloudDep, server_id: PathId, body: CreateImage) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    cloud.machines.require(Imaging, "be copied into an image")
    if body.type == "backup" and server.backup_window is None:
        raise invalid_input("type", f"backups are not enabled for server '{server.name}'")
    with cloud.project.together():
        image = cloud.project.images.put(
            Image(
                id=cloud.project.new_id(),
                type=body.type,
                description=body.description or f"{server.name} {now()}",
                created=now(),
                created_from=Origin(id=server.id, name=server.name),
                bound_to=server.id if body.type == "backup" else None,
                disk_size=server.primary_disk_size,
                base=server.image,
                labels=body.labels,
            )
        )
        return {"image": image.view(), **begin(cloud, server, "create_image", Ref("image", image.id))}


@router.post("/attach_iso", status_code=201)
async def attach_iso(cloud: CloudDep, server_id: PathId, body: AttachIso) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    chosen = iso_named(body.iso)
    if chosen.architecture != server_type(server.server_type).architecture:
        raise invalid_input("iso", f"ISO '{chosen.name}' is for another architecture")
    return begin(cloud, server, "attach_iso", arguments={"iso": chosen.id})


@router.post("/detach_iso", status_code=201)
async def detach_iso(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    return begin(cloud, cloud.free_server(server_id), "detach_iso", arguments={"iso": None})


@router.post("/enable_rescue", status_code=201)
async def enable_rescue(cloud: CloudDep, server_id: PathId, body: EnableRescue | None = None) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    for key in body.ssh_keys if body else ():
        cloud.project.ssh_keys.referenced(key, "ssh_keys")
    cloud.machines.require(Rescuing, "boot a rescue system")
    return begin(cloud, server, "enable_rescue") | {"root_password": secrets.token_urlsafe(12)}


@router.post("/disable_rescue", status_code=201)
async def disable_rescue(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    cloud.machines.require(Rescuing, "boot a rescue system")
    return begin(cloud, server, "disable_rescue")


@router.post("/request_console", status_code=201)
async def request_console(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    backend = cloud.machines.backend
    if not isinstance(backend, Attended):
        raise refused("unsupported_error", f"machines of kind '{backend.name}' have no console")
    password = secrets.token_urlsafe(12)
    return begin(cloud, server, "request_console") | {"wss_url": backend.console(server_id), "password": password}


@router.post("/reset_password", status_code=201)
async def reset_password(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    cloud.machines.require(Attended, "get a root password")
    if server.status != "running":
        raise refused("invalid_input", f"server '{server.name}' is {server.status}, but needs to be running")
    password = secrets.token_urlsafe(12)
    return begin(cloud, server, "reset_password", arguments={"password": password}) | {"root_password": password}
