# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Metrics: the series that are asked for, without samples, because the lab measures nothing."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from lab.api.cloud import CloudDep, PathId
from lab.api.errors import invalid_input

router = APIRouter()
SAMPLES, SAMPLES_MAX = 200, 500
Series = dict[str, tuple[str, ...]]
SERVER: Series = {
    "cpu": ("cpu",),
    "disk": ("disk.0.iops.read", "disk.0.iops.write", "disk.0.bandwidth.read", "disk.0.bandwidth.write"),
    "network": ("network.0.pps.in", "network.0.pps.out", "network.0.bandwidth.in", "network.0.bandwidth.out"),
}
LOAD_BALANCER: Series = {
    "open_connections": ("open_connections",),
    "connections_per_second": ("connections_per_second",),
    "requests_per_second": ("requests_per_second",),
    "bandwidth": ("bandwidth.in", "bandwidth.out"),
}


class Wish:
    """What a request for metrics asks for. kinds: given several times, or with commas between."""

    def __init__(
        self, kinds: Annotated[list[str], Query(alias="type")], start: str, end: str, step: float | None = None
    ) -> None:
        self._kinds = [name for kind in kinds for name in kind.split(",")]
        self._start, self._end, self._step = start, end, step

    def empty(self, known: Series) -> dict[str, Any]:
        if unknown := set(self._kinds) - known.keys():
            raise invalid_input("type", f"unknown: {', '.join(sorted(unknown))}")
        seconds = (_moment("end", self._end) - _moment("start", self._start)).total_seconds()
        if seconds < 0:
            raise invalid_input("end", "is before start")
        series: dict[str, Any] = {name: {"values": []} for kind in self._kinds for name in known[kind]}
        step = _step(self._step, seconds)
        return {"metrics": {"start": self._start, "end": self._end, "step": step, "time_series": series}}


WishDep = Annotated[Wish, Depends()]


@router.get("/servers/{id:int}/metrics")
async def of_server(cloud: CloudDep, server_id: PathId, wish: WishDep) -> dict[str, Any]:
    cloud.project.servers.require(server_id)
    return wish.empty(SERVER)


@router.get("/load_balancers/{id:int}/metrics")
async def of_load_balancer(cloud: CloudDep, balancer_id: PathId, wish: WishDep) -> dict[str, Any]:
    cloud.project.load_balancers.require(balancer_id)
    return wish.empty(LOAD_BALANCER)


def _moment(field: str, text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid_input(field, "is not a moment in ISO 8601") from None
    if moment.tzinfo is None:
        raise invalid_input(field, "has no time zone")
    return moment


def _step(wanted: float | None, seconds: float) -> float:
    """Seconds between samples, so that they do not become too many."""
    if wanted is None:
        return max(1, math.ceil(seconds / SAMPLES))
    if not wanted > 0 or math.isinf(wanted):
        raise invalid_input("step", "must be a positive number")
    return max(wanted, seconds / SAMPLES_MAX)
