# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Server types: what the cloud lists today. The lab charges nothing, and says so in its prices."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal

from lab.api.catalog.locations import LOCATIONS
from lab.api.errors import not_found, unknown_reference

_EU = ("fsn1", "nbg1", "hel1")
_OVERSEAS = ("ash", "hil", "sin")
_TERABYTE = 2**40
FREE = {"net": "0.0000000000", "gross": "0.0000000000"}


@dataclass(frozen=True)
class ServerType:
    """cores; memory and disk in GB; locations where it is offered."""

    id: int
    name: str
    cores: int
    memory: float
    disk: int
    locations: tuple[str, ...]
    cpu_type: Literal["shared", "dedicated"] = "shared"
    architecture: Literal["x86", "arm"] = "x86"
    category: str = "Regular Performance"

    def view(self, out_of_stock: Collection[str]) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": self.name.upper(),
            "category": self.category,
            "cores": self.cores,
            "memory": self.memory,
            "disk": self.disk,
            "deprecated": False,
            "deprecation": None,
            "prices": [price(name) for name in self.locations],
            "storage_type": "local",
            "cpu_type": self.cpu_type,
            "architecture": self.architecture,
            "locations": [
                {
                    "id": location["id"],
                    "name": location["name"],
                    "deprecation": None,
                    "recommended": self.name.startswith("cpx"),
                    "available": f"{self.name}@{location['name']}" not in out_of_stock,
                }
                for location in LOCATIONS
                if location["name"] in self.locations
            ],
        }


def price(location: str) -> dict[str, Any]:
    """What a server or a load balancer costs at a location."""
    return {
        "location": location,
        "price_hourly": FREE,
        "price_monthly": FREE,
        "included_traffic": (20 if location in _EU else 1) * _TERABYTE,
        "price_per_tb_traffic": FREE,
    }


def _family(
    rows: tuple[tuple[int, str, int, float, int], ...],
    locations: tuple[str, ...],
    cpu_type: Literal["shared", "dedicated"] = "shared",
    architecture: Literal["x86", "arm"] = "x86",
    category: str = "Regular Performance",
) -> tuple[ServerType, ...]:
    return tuple(ServerType(*row, locations, cpu_type, architecture, category) for row in rows)


SERVER_TYPES = (
    *_family(
        ((22, "cpx11", 2, 2, 40), (23, "cpx21", 3, 4, 80), (24, "cpx31", 4, 8, 160), (25, "cpx41", 8, 16, 240)),
        _OVERSEAS,
    ),
    *_family(
        ((45, "cax11", 2, 4, 40), (93, "cax21", 4, 8, 80), (94, "cax31", 8, 16, 160), (95, "cax41", 16, 32, 320)),
        _EU,
        architecture="arm",
        category="Cost-Optimized",
    ),
    *_family(
        ((96, "ccx13", 2, 8, 80), (97, "ccx23", 4, 16, 160), (98, "ccx33", 8, 32, 240)),
        _EU + _OVERSEAS,
        cpu_type="dedicated",
        category="General Purpose",
    ),
    *_family(
        (
            (108, "cpx12", 1, 2, 40),
            (109, "cpx22", 2, 4, 80),
            (110, "cpx32", 4, 8, 160),
            (111, "cpx42", 8, 16, 320),
            (112, "cpx52", 12, 24, 480),
            (113, "cpx62", 16, 32, 640),
        ),
        _EU,
    ),
    *_family(
        ((114, "cx23", 2, 4, 40), (115, "cx33", 4, 8, 80), (116, "cx43", 8, 16, 160), (117, "cx53", 16, 32, 320)),
        _EU,
        category="Cost-Optimized",
    ),
)
_BY_ID = {kind.id: kind for kind in SERVER_TYPES}
_BY_NAME = {kind.name: kind for kind in SERVER_TYPES}


def server_type(number: int) -> ServerType:
    """The type that a path or a record names."""
    if number not in _BY_ID:
        raise not_found(f"server type with ID '{number}'")
    return _BY_ID[number]


def server_type_named(id_or_name: str) -> ServerType:
    """The type that a body names."""
    found = _BY_NAME.get(id_or_name) or (_BY_ID.get(int(id_or_name)) if id_or_name.isdecimal() else None)
    if found is None:
        raise unknown_reference("server type", id_or_name, "server_type")
    return found
