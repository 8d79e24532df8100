# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions, of all resources and of each kind of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse

from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import not_found, removed
from lab.api.models.action import Action
from lab.api.pagination import listing
from lab.api.project import Project, Table

router = APIRouter()
_SORTS = ("id", "command", "status", "started", "finished")
_TABLES: dict[str, tuple[str, Callable[[Project], Table[Any]]]] = {
    "floating_ips": ("floating_ip", lambda project: project.floating_ips),
    "images": ("image", lambda project: project.images),
    "volumes": ("volume", lambda project: project.volumes),
    "servers": ("server", lambda project: project.servers),
    "networks": ("network", lambda project: project.networks),
    "firewalls": ("firewall", lambda project: project.firewalls),
    "primary_ips": ("primary_ip", lambda project: project.primary_ips),
    "load_balancers": ("load_balancer", lambda project: project.load_balancers),
    "certificates": ("certificate", lambda project: project.certificates),
}


@router.get("/actions")
async def list_by_id(cloud: CloudDep, ids: Annotated[list[int] | None, Query(alias="id")] = None) -> dict[str, Any]:
    """Several actions in one answer. Listing all actions is no longer offered by the cloud."""
    if not ids:
        raise removed("https://docs.hetzner.cloud/changelog#2023-07-20-actions-list-endpoint-is-deprecated")
    found = (cloud.project.actions.get(action_id) for action_id in sorted(set(ids)))
    return {"actions": [action.view() for action in found if action is not None]}


@router.get("/actions/{id:int}")
async def get(cloud: CloudDep, item_id: PathId) -> dict[str, Any]:
    return {"action": cloud.project.actions.require(item_id).view()}


def _of_type(cloud: Cloud, kind: str) -> list[Action]:
    return [action for action in cloud.project.actions if any(ref.type == kind for ref in action.resources)]


def _of_resource(cloud: Cloud, kind: str, item_id: int) -> list[Action]:
    return [action for action in cloud.project.actions if (kind, item_id) in action.resources]


def _one(actions: list[Action], item_id: int) -> dict[str, Any]:
    found = next((action for action in actions if action.id == item_id), None)
    if found is None:
        raise not_found(f"action with ID '{item_id}'")
    return {"action": found.view()}


def _add_routes(path: str, kind: str, table: Callable[[Project], Table[Any]]) -> None:
    @router.get(f"/{path}/actions")
    async def list_of_type(request: Request, cloud: CloudDep) -> JSONResponse:
        views = [action.view() for action in _of_type(cloud, kind)]
        return listing(request, "actions", views, filters=("id", "status"), sorts=_SORTS)

    @router.get(f"/{path}/actions/{{id:int}}")
    async def get_of_type(cloud: CloudDep, item_id: PathId) -> dict[str, Any]:
        return _one(_of_type(cloud, kind), item_id)

    @router.get(f"/{path}/{{id:int}}/actions")
    async def list_of_resource(request: Request, cloud: CloudDep, item_id: PathId) -> JSONResponse:
        table(cloud.project).require(item_id)
        views = [action.view() for action in _of_resource(cloud, kind, item_id)]
        return listing(request, "actions", views, filters=("status",), sorts=_SORTS)

    @router.get(f"/{path}/{{id:int}}/actions/{{action_id:int}}")
    async def get_of_resource(cloud: CloudDep, item_id: PathId, action_id: int) -> dict[str, Any]:
        return _one(_of_resource(cloud, kind, item_id), action_id)


for _path, (_type, _table) in _TABLES.items():
    _add_routes(_path, _type, _table)
