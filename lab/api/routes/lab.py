# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints of the lab alone, under /_lab: no part of the cloud's API, and not counted as requests to it."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lab.api.cloud import CloudDep
from lab.api.settings import Fault

router = APIRouter(prefix="/_lab", tags=["lab only"])


@router.get("/health")
async def health(cloud: CloudDep) -> dict[str, Any]:
    running = sum(action.status == "running" for action in cloud.project.actions)
    return {
        "status": "ok",
        "machines": cloud.machines.backend.name,
        "servers": len(cloud.project.servers),
        "running_actions": running,
    }


@router.get("/requests")
async def requests(cloud: CloudDep) -> dict[str, Any]:
    """Counters since the start or the last reset, and the latest requests."""
    return cloud.journal.describe()


@router.delete("/requests", status_code=204)
async def reset_requests(cloud: CloudDep) -> None:
    cloud.journal.clear()


@router.get("/faults")
async def faults(cloud: CloudDep) -> dict[str, Any]:
    return {"faults": cloud.faults.describe()}


@router.put("/faults")
async def replace_faults(cloud: CloudDep, faults: list[Fault]) -> dict[str, Any]:
    """These rules and no others; an empty list ends all faults."""
    cloud.faults.replace(faults)
    return {"faults": cloud.faults.describe()}


@router.post("/faults", status_code=201)
async def add_fault(cloud: CloudDep, fault: Fault) -> dict[str, Any]:
    cloud.faults.add(fault)
    return {"faults": cloud.faults.describe()}
