# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Prices: the lab is free of charge."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lab.api.catalog.load_balancer_types import LOAD_BALANCER_TYPES
from lab.api.catalog.locations import LOCATIONS
from lab.api.catalog.server_types import FREE, SERVER_TYPES
from lab.api.cloud import CloudDep

router = APIRouter()


@router.get("/pricing")
async def pricing(cloud: CloudDep) -> dict[str, Any]:
    kinds = [kind.view(cloud.settings.out_of_stock) for kind in SERVER_TYPES]
    return {
        "pricing": {
            "currency": "EUR",
            "vat_rate": "0.00",
            "primary_ips": _addresses("price_hourly", "price_monthly"),
            "floating_ips": _addresses("price_monthly"),
            "floating_ip": {"price_monthly": FREE},
            "image": {"price_per_gb_month": FREE},
            "volume": {"price_per_gb_month": FREE},
            "server_backup": {"percentage": "0.00"},
            "server_types": [_named(kind) for kind in kinds],
            "load_balancer_types": [_named(kind.view()) for kind in LOAD_BALANCER_TYPES],
        }
    }


def _named(kind: dict[str, Any]) -> dict[str, Any]:
    return {key: kind[key] for key in ("id", "name", "prices")}


def _addresses(*prices: str) -> list[dict[str, Any]]:
    return [
        {
            "type": kind,
            "prices": [{"location": place["name"], **dict.fromkeys(prices, FREE)} for place in LOCATIONS],
        }
        for kind in ("ipv4", "ipv6")
    ]
