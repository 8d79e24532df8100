# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH keys."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import CloudDep, PathId
from lab.api.errors import uniqueness_error
from lab.api.models.base import Renaming
from lab.api.models.ssh_key import CreateSshKey, SshKey, fingerprint
from lab.api.pagination import listing
from lab.api.project import now

router = APIRouter(prefix="/ssh_keys")


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [key.model_dump() for key in cloud.project.ssh_keys]
    return listing(request, "ssh_keys", views, filters=("name", "fingerprint"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, key_id: PathId) -> dict[str, Any]:
    return {"ssh_key": cloud.project.ssh_keys.require(key_id).model_dump()}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateSshKey) -> dict[str, Any]:
    keys = cloud.project.ssh_keys
    keys.require_free(body.name)
    mark = fingerprint(body.public_key)
    if any(key.fingerprint == mark for key in keys):
        raise uniqueness_error(keys.label, "public_key")
    key = SshKey(id=cloud.project.new_id(), created=now(), fingerprint=mark, **body.model_dump())
    return {"ssh_key": keys.put(key).model_dump()}


@router.put("/{id:int}")
async def update(cloud: CloudDep, key_id: PathId, body: Renaming) -> dict[str, Any]:
    return {"ssh_key": cloud.project.ssh_keys.rename(key_id, body).model_dump()}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, key_id: PathId) -> None:
    cloud.project.ssh_keys.remove(cloud.project.ssh_keys.require(key_id).id)
