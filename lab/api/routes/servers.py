# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import CloudDep, PathId
from lab.api.creation import fulfil, order
from lab.api.errors import protected
from lab.api.firewalling import follow_labels
from lab.api.models.action import Ref
from lab.api.models.server import CreateServer, UpdateServer
from lab.api.pagination import listing
from lab.api.views import server_view

router = APIRouter(prefix="/servers")


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    await cloud.observe(cloud.project.servers)
    views = [server_view(cloud, server) for server in cloud.project.servers]
    return listing(request, "servers", views, filters=("name", "status"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    await cloud.observe([cloud.project.servers.require(server_id)])
    return {"server": server_view(cloud, cloud.project.servers.require(server_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateServer) -> dict[str, Any]:
    """No root password is answered: the lab's machines have none."""
    server, action, following = fulfil(cloud, await order(cloud, body))
    return {
        "server": server_view(cloud, server),
        "action": action.view(),
        "next_actions": [step.view() for step in following],
        "root_password": None,
    }


@router.put("/{id:int}")
async def update(cloud: CloudDep, server_id: PathId, body: UpdateServer) -> dict[str, Any]:
    with cloud.project.together():
        server = cloud.project.servers.rename(server_id, body)
        if body.labels is not None:
            server = follow_labels(cloud, server)
    if body.labels is not None:
        await cloud.load_balancers.follow()
    return {"server": server_view(cloud, server)}


@router.delete("/{id:int}")
async def delete(cloud: CloudDep, server_id: PathId) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    if server.protection.delete:
        raise protected(f"server '{server.name}'", "deletion")
    itself = Ref("server", server_id)
    with cloud.project.together():
        cloud.project.servers.update(server_id, status="deleting")
        return {"action": cloud.actions.begin("delete_server", [itself], locks=[itself]).view()}
