# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancer types and what each allows."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from lab.api.catalog.locations import LOCATIONS
from lab.api.catalog.server_types import price
from lab.api.errors import not_found, unknown_reference


@dataclass(frozen=True)
class LoadBalancerType:
    """max_connections: at once, over all services."""

    id: int
    name: str
    max_services: int
    max_targets: int
    max_connections: int
    max_assigned_certificates: int

    def view(self) -> dict[str, Any]:
        return asdict(self) | {
            "description": self.name.upper(),
            "deprecated": None,
            "deprecation": None,
            "prices": [price(location["name"]) for location in LOCATIONS],
        }


LOAD_BALANCER_TYPES = (
    LoadBalancerType(1, "lb11", 5, 25, 10_000, 10),
    LoadBalancerType(2, "lb21", 15, 75, 20_000, 25),
    LoadBalancerType(3, "lb31", 30, 150, 40_000, 50),
)
_BY_ID = {kind.id: kind for kind in LOAD_BALANCER_TYPES}
_BY_NAME = {kind.name: kind for kind in LOAD_BALANCER_TYPES}


def load_balancer_type(number: int) -> LoadBalancerType:
    """The type that a path or a record names."""
    if number not in _BY_ID:
        raise not_found(f"load balancer type with ID '{number}'")
    return _BY_ID[number]


def load_balancer_type_named(id_or_name: str) -> LoadBalancerType:
    """The type that a body names."""
    found = _BY_NAME.get(id_or_name) or (_BY_ID.get(int(id_or_name)) if id_or_name.isdecimal() else None)
    if found is None:
        raise unknown_reference("load balancer type", id_or_name, "load_balancer_type")
    return found
