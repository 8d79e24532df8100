# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""ISO images: a few, so that clients have something to attach. No machine of the lab boots from one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from lab.api.errors import not_found, unknown_reference


@dataclass(frozen=True)
class Iso:
    id: int
    name: str
    description: str
    architecture: Literal["x86", "arm"]

    def view(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "description": f"{self.description} (a name only: the lab boots no ISO)",
            "type": "public",
            "deprecation": None,
            "architecture": self.architecture,
        }


ISOS = (
    Iso(9001, "debian-13-amd64-netinst.iso", "Debian 13, amd64", "x86"),
    Iso(9002, "debian-13-arm64-netinst.iso", "Debian 13, arm64", "arm"),
)


def iso(number: int) -> Iso:
    """The ISO that a path or a record names."""
    found = next((item for item in ISOS if item.id == number), None)
    if found is None:
        raise not_found(f"ISO with ID '{number}'")
    return found


def iso_named(id_or_name: str) -> Iso:
    """The ISO that a body names."""
    found = next((item for item in ISOS if id_or_name in (item.name, str(item.id))), None)
    if found is None:
        raise unknown_reference("ISO", id_or_name, "iso")
    return found
