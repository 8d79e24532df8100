# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Resources that clients look for on their way, and that this project never has."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import PathId
from lab.api.errors import not_found
from lab.api.pagination import listing

router = APIRouter()


def _add_routes(resource: str) -> None:
    @router.get(f"/{resource}")
    async def list_none(request: Request) -> JSONResponse:
        return listing(request, resource, [])

    @router.get(f"/{resource}/{{id:int}}")
    async def get_none(item_id: PathId) -> None:
        raise not_found(f"{resource} with ID '{item_id}'")


for _resource in ("load_balancers", "load_balancer_types", "certificates"):
    _add_routes(_resource)
