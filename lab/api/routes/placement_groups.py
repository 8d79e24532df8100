# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placement groups."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import CloudDep, PathId
from lab.api.models.base import Renaming
from lab.api.models.placement_group import CreatePlacementGroup, PlacementGroup
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.views import placement_group_view

router = APIRouter(prefix="/placement_groups")


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [placement_group_view(cloud, group) for group in cloud.project.placement_groups]
    return listing(request, "placement_groups", views, filters=("name", "type"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, group_id: PathId) -> dict[str, Any]:
    return {"placement_group": placement_group_view(cloud, cloud.project.placement_groups.require(group_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreatePlacementGroup) -> dict[str, Any]:
    groups = cloud.project.placement_groups
    groups.require_free(body.name)
    group = groups.put(PlacementGroup(id=cloud.project.new_id(), created=now(), **body.model_dump()))
    return {"placement_group": placement_group_view(cloud, group), "action": None}


@router.put("/{id:int}")
async def update(cloud: CloudDep, group_id: PathId, body: Renaming) -> dict[str, Any]:
    return {"placement_group": placement_group_view(cloud, cloud.project.placement_groups.rename(group_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, group_id: PathId) -> None:
    """Its servers go on without a group."""
    project = cloud.project
    project.placement_groups.require(group_id)
    with project.together():
        for member in project.members(group_id):
            project.servers.update(member, placement_group=None)
        project.placement_groups.remove(group_id)
