# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locations and their network zones."""

from __future__ import annotations

from typing import Any

from lab.api.errors import not_found, unknown_reference


def _location(
    number: int, name: str, city: str, country: str, zone: str, position: tuple[float, float], site: str
) -> dict[str, Any]:
    return {
        "id": number,
        "name": name,
        "description": site,
        "country": country,
        "city": city,
        "latitude": position[0],
        "longitude": position[1],
        "network_zone": zone,
    }


LOCATIONS = (
    _location(1, "fsn1", "Falkenstein", "DE", "eu-central", (50.47612, 12.370071), "Falkenstein DC Park 1"),
    _location(2, "nbg1", "Nuremberg", "DE", "eu-central", (49.452102, 11.076665), "Nuremberg DC Park 1"),
    _location(3, "hel1", "Helsinki", "FI", "eu-central", (60.169855, 24.938379), "Helsinki DC Park 1"),
    _location(4, "ash", "Ashburn, VA", "US", "us-east", (39.045821, -77.487073), "Ashburn, VA"),
    _location(5, "hil", "Hillsboro, OR", "US", "us-west", (45.54222, -122.951924), "Hillsboro, OR"),
    _location(6, "sin", "Singapore", "SG", "ap-southeast", (1.283333, 103.833333), "Singapore"),
)
ZONES = frozenset(location["network_zone"] for location in LOCATIONS)
_BY_NAME = {location["name"]: location for location in LOCATIONS}
_BY_ID = {location["id"]: location for location in LOCATIONS}


def location(name: str) -> dict[str, Any]:
    return _BY_NAME[name]


def location_by_id(number: int) -> dict[str, Any]:
    """The location that a path names."""
    if number not in _BY_ID:
        raise not_found(f"location with ID '{number}'")
    return _BY_ID[number]


def location_named(id_or_name: str) -> dict[str, Any]:
    """The location that a body names."""
    found = _BY_NAME.get(id_or_name) or (_BY_ID.get(int(id_or_name)) if id_or_name.isdecimal() else None)
    if found is None:
        raise unknown_reference("location", id_or_name, "location")
    return found
