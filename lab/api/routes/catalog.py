# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations, types of servers and load balancers, ISOs; and the data centers, which are no more."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.catalog.isos import ISOS, iso
from lab.api.catalog.load_balancer_types import LOAD_BALANCER_TYPES, load_balancer_type
from lab.api.catalog.locations import LOCATIONS, location_by_id
from lab.api.catalog.server_types import SERVER_TYPES, server_type
from lab.api.cloud import CloudDep, PathId
from lab.api.errors import removed
from lab.api.pagination import listing

router = APIRouter()


@router.get("/locations")
async def list_locations(request: Request) -> JSONResponse:
    return listing(request, "locations", LOCATIONS, sorts=("id", "name"))


@router.get("/locations/{id:int}")
async def get_location(item_id: PathId) -> dict[str, Any]:
    return {"location": location_by_id(item_id)}


@router.get("/server_types")
async def list_server_types(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [kind.view(cloud.settings.out_of_stock) for kind in SERVER_TYPES]
    return listing(request, "server_types", views, filters=("name", "architecture"), sorts=("id", "name"))


@router.get("/server_types/{id:int}")
async def get_server_type(cloud: CloudDep, item_id: PathId) -> dict[str, Any]:
    return {"server_type": server_type(item_id).view(cloud.settings.out_of_stock)}


@router.get("/load_balancer_types")
async def list_load_balancer_types(request: Request) -> JSONResponse:
    return listing(request, "load_balancer_types", [kind.view() for kind in LOAD_BALANCER_TYPES], sorts=("id", "name"))


@router.get("/load_balancer_types/{id:int}")
async def get_load_balancer_type(item_id: PathId) -> dict[str, Any]:
    return {"load_balancer_type": load_balancer_type(item_id).view()}


@router.get("/isos")
async def list_isos(request: Request) -> JSONResponse:
    views = [item.view() for item in ISOS]
    return listing(request, "isos", views, filters=("name", "architecture"), sorts=("id", "name"))


@router.get("/isos/{id:int}")
async def get_iso(item_id: PathId) -> dict[str, Any]:
    return {"iso": iso(item_id).view()}


@router.get("/datacenters")
@router.get("/datacenters/{id:int}")
async def datacenters() -> None:
    raise removed("https://docs.hetzner.cloud/changelog#2026-06-02-datacenters-deprecated")
