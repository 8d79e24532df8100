# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether and where a server can be placed."""

from __future__ import annotations

from typing import Any

from lab.api.catalog.locations import LOCATIONS, location_named
from lab.api.catalog.server_types import ServerType
from lab.api.cloud import Cloud
from lab.api.errors import ApiError, limit_exceeded, refused, unavailable
from lab.api.models.placement_group import SERVERS_PER_GROUP


def place(cloud: Cloud, kind: ServerType, wanted: str | None) -> dict[str, Any]:
    """The location of a new server: the wanted one, or the first that has its type."""
    if wanted is None:
        candidates = [place for place in LOCATIONS if place["name"] in kind.locations and _stocked(cloud, kind, place)]
        if not candidates:
            raise unavailable("error during placement")
        return candidates[0]
    location = location_named(wanted)
    require_stock(cloud, kind, location)
    return location


def require_stock(cloud: Cloud, kind: ServerType, location: dict[str, Any]) -> None:
    """Refuse a type that a location does not offer, or has none left of."""
    if location["name"] not in kind.locations:
        raise ApiError(422, "invalid_input", "unsupported location for server type", {})
    if not _stocked(cloud, kind, location):
        raise unavailable("error during placement")


def _stocked(cloud: Cloud, kind: ServerType, location: dict[str, Any]) -> bool:
    return f"{kind.name}@{location['name']}" not in cloud.settings.out_of_stock


def require_room(cloud: Cloud) -> None:
    """Refuse a server over the project's limit."""
    if len(cloud.project.servers) >= cloud.settings.server_limit:
        raise limit_exceeded("server_limit", "server limit exceeded")


def require_group_room(cloud: Cloud, placement_group: int) -> None:
    """Refuse a server over what a placement group spreads."""
    cloud.project.placement_groups.referenced(placement_group, "placement_group")
    if len(cloud.project.members(placement_group)) >= SERVERS_PER_GROUP:
        raise refused("placement_error", f"a placement group holds at most {SERVERS_PER_GROUP} servers")
