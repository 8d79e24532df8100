# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images. Only snapshots and backups can be changed; making them is an action of a server."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, locked, protected, refused
from lab.api.machines import Imaging
from lab.api.models.action import Ref
from lab.api.models.image import Image, UpdateImage
from lab.api.models.network import ChangeProtection
from lab.api.pagination import listing

router = APIRouter(prefix="/images")


async def _own(cloud: Cloud, image_id: int) -> Image:
    """The snapshot or backup that a path names; refused for a system image, and while an action locks it."""
    await cloud.images.require(image_id)
    image = cloud.project.images.get(image_id)
    if image is None:
        raise refused("invalid_input", f"image {image_id} is a system image, which cannot be changed")
    if cloud.actions.locked(Ref("image", image_id)):
        raise locked(f"image '{image.description}'")
    return image


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    filters = ("name", "type", "status", "architecture", "bound_to")
    return listing(request, "images", await cloud.images.views(), filters=filters)


@router.get("/{id:int}")
async def get(cloud: CloudDep, image_id: PathId) -> dict[str, Any]:
    return {"image": await cloud.images.require(image_id)}


@router.put("/{id:int}")
async def update(cloud: CloudDep, image_id: PathId, body: UpdateImage) -> dict[str, Any]:
    await _own(cloud, image_id)
    changes = body.model_dump(exclude_none=True)
    if body.type is not None:
        changes["bound_to"] = None
    return {"image": cloud.project.images.update(image_id, **changes).view()}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, image_id: PathId) -> None:
    image = await _own(cloud, image_id)
    if image.protection.delete:
        raise protected(f"image '{image.description}'", "deletion")
    cloud.project.images.remove(image_id)
    if isinstance(cloud.machines.backend, Imaging):
        await cloud.machines.backend.discard(image_id)


@router.post("/{id:int}/actions/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, image_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    image = await _own(cloud, image_id)
    if image.type != "snapshot":
        raise invalid_input("delete", "only snapshots can be protected")
    protection = image.protection.model_copy(update=body.model_dump(exclude_none=True)).model_dump()
    itself = [Ref("image", image_id)]
    arguments = {"protection": protection}
    return {"action": cloud.actions.begin("change_protection", itself, arguments=arguments, locks=itself).view()}
