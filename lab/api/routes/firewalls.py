# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewalls."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import CloudDep, PathId
from lab.api.errors import refused
from lab.api.firewalling import apply_to, enforce_rules, remove_from
from lab.api.models.base import Renaming
from lab.api.models.firewall import ApplyTo, CreateFirewall, Firewall, RemoveFrom, SetRules
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.views import firewall_view

router = APIRouter(prefix="/firewalls")


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    return listing(request, "firewalls", [firewall_view(cloud, firewall) for firewall in cloud.project.firewalls])


@router.get("/{id:int}")
async def get(cloud: CloudDep, firewall_id: PathId) -> dict[str, Any]:
    return {"firewall": firewall_view(cloud, cloud.project.firewalls.require(firewall_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateFirewall) -> dict[str, Any]:
    firewalls = cloud.project.firewalls
    firewalls.require_free(body.name)
    draft = Firewall(id=cloud.project.new_id(), name=body.name, labels=body.labels, created=now(), rules=body.rules)
    actions = apply_to(cloud, draft, body.apply_to)
    return {
        "firewall": firewall_view(cloud, firewalls.require(draft.id)),
        "actions": [action.view() for action in actions],
    }


@router.put("/{id:int}")
async def update(cloud: CloudDep, firewall_id: PathId, body: Renaming) -> dict[str, Any]:
    return {"firewall": firewall_view(cloud, cloud.project.firewalls.rename(firewall_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, firewall_id: PathId) -> None:
    firewall = cloud.project.firewalls.require(firewall_id)
    if firewall.applied_to:
        raise refused("resource_in_use", f"firewall '{firewall.name}' is still applied to a resource")
    cloud.project.firewalls.remove(firewall_id)


@router.post("/{id:int}/actions/set_rules", status_code=201)
async def set_rules(cloud: CloudDep, firewall_id: PathId, body: SetRules) -> dict[str, Any]:
    cloud.project.firewalls.require(firewall_id)
    with cloud.project.together():
        firewall = cloud.project.firewalls.update(firewall_id, rules=body.rules)
        return {"actions": [action.view() for action in enforce_rules(cloud, firewall)]}


@router.post("/{id:int}/actions/apply_to_resources", status_code=201)
async def apply_to_resources(cloud: CloudDep, firewall_id: PathId, body: ApplyTo) -> dict[str, Any]:
    actions = apply_to(cloud, cloud.project.firewalls.require(firewall_id), body.apply_to)
    return {"actions": [action.view() for action in actions]}


@router.post("/{id:int}/actions/remove_from_resources", status_code=201)
async def remove_from_resources(cloud: CloudDep, firewall_id: PathId, body: RemoveFrom) -> dict[str, Any]:
    actions = remove_from(cloud, cloud.project.firewalls.require(firewall_id), body.remove_from)
    return {"actions": [action.view() for action in actions]}
