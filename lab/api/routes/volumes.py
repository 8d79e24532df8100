# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes. They are records of the API: no machine of the lab gets a block device, and nothing is formatted."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.catalog.locations import location_named
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, protected, refused
from lab.api.models.action import Ref
from lab.api.models.network import ChangeProtection
from lab.api.models.volume import AttachVolume, CreateVolume, ResizeVolume, UpdateVolume, Volume
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.storage import begin_attachment, free_volume, require_attachable, require_volume_room
from lab.api.views import volume_view

router = APIRouter(prefix="/volumes")


def _begin(cloud: Cloud, volume: Volume, command: str, *others: Ref, **changes: Any) -> dict[str, Any]:
    """Start a change of a volume; the changes are its new fields."""
    everything = [Ref("volume", volume.id), *others]
    return {"action": cloud.actions.begin(command, everything, arguments=changes, locks=everything).view()}


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [volume_view(volume) for volume in cloud.project.volumes]
    return listing(request, "volumes", views, filters=("name", "status"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, volume_id: PathId) -> dict[str, Any]:
    return {"volume": volume_view(cloud.project.volumes.require(volume_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateVolume) -> dict[str, Any]:
    cloud.project.volumes.require_free(body.name)
    if (body.server is None) == (body.location is None):
        raise invalid_input("location", "give either a location or a server")
    if body.server is None:
        location = location_named(str(body.location))["name"]
    else:
        location = cloud.free_server(cloud.project.servers.referenced(body.server, "server").id).location
        require_volume_room(len(cloud.project.attached_volumes(body.server)))
    fields = body.model_dump(include={"name", "size", "format", "labels"})
    with cloud.project.together():
        volume = Volume(id=cloud.project.new_id(), created=now(), location=location, **fields)
        cloud.project.volumes.put(volume)
        itself = Ref("volume", volume.id)
        action = cloud.actions.begin("create_volume", [itself], arguments={"status": "available"}, locks=[itself])
        following = [] if body.server is None else [begin_attachment(cloud, volume.id, body.server, after=action)]
    return {
        "volume": volume_view(volume),
        "action": action.view(),
        "next_actions": [step.view() for step in following],
    }


@router.put("/{id:int}")
async def update(cloud: CloudDep, volume_id: PathId, body: UpdateVolume) -> dict[str, Any]:
    return {"volume": volume_view(cloud.project.volumes.rename(volume_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, volume_id: PathId) -> None:
    volume = free_volume(cloud, volume_id)
    if volume.protection.delete:
        raise protected(f"volume '{volume.name}'", "deletion")
    if volume.server is not None:
        raise refused("service_error", f"volume with ID '{volume_id}' is still attached to a server")
    cloud.project.volumes.remove(volume_id)


@router.post("/{id:int}/actions/attach", status_code=201)
async def attach(cloud: CloudDep, volume_id: PathId, body: AttachVolume) -> dict[str, Any]:
    volume = free_volume(cloud, volume_id)
    server = cloud.free_server(cloud.project.servers.referenced(body.server, "server").id)
    require_attachable(volume, server.location, len(cloud.project.attached_volumes(server.id)))
    return {"action": begin_attachment(cloud, volume_id, server.id).view()}


@router.post("/{id:int}/actions/detach", status_code=201)
async def detach(cloud: CloudDep, volume_id: PathId) -> dict[str, Any]:
    volume = free_volume(cloud, volume_id)
    if volume.server is None:
        raise refused("invalid_input", f"volume '{volume.name}' is not attached to a server")
    return _begin(cloud, volume, "detach_volume", Ref("server", cloud.free_server(volume.server).id), server=None)


@router.post("/{id:int}/actions/resize", status_code=201)
async def resize(cloud: CloudDep, volume_id: PathId, body: ResizeVolume) -> dict[str, Any]:
    volume = free_volume(cloud, volume_id)
    if body.size <= volume.size:
        raise invalid_input("size", f"must be larger than the volume's {volume.size} GB")
    return _begin(cloud, volume, "resize_volume", size=body.size)


@router.post("/{id:int}/actions/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, volume_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    volume = free_volume(cloud, volume_id)
    protection = volume.protection.model_copy(update=body.model_dump(exclude_none=True))
    return _begin(cloud, volume, "change_protection", protection=protection.model_dump())
