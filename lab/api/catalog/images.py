# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images: those of the system, whose descriptions say what really boots, and those made from servers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Literal

from lab.api.errors import not_found, unavailable, unknown_reference
from lab.api.project import Project
from lab.machines.base import MachineBackend, MachineError

_RELEASED = "2026-06-01T00:00:00Z"


@dataclass(frozen=True)
class _System:
    """One system image of the cloud, in both architectures."""

    ids: tuple[int, int]
    flavor: Literal["ubuntu", "debian"]
    version: str

    @property
    def name(self) -> str:
        return f"{self.flavor}-{self.version}"

    @property
    def description(self) -> str:
        return f"{self.flavor.capitalize()} {self.version}"


_SYSTEMS = (
    _System((67794396, 103908130), "ubuntu", "22.04"),
    _System((161547269, 161547270), "ubuntu", "24.04"),
    _System((114690387, 114690389), "debian", "12"),
    _System((310557660, 310557661), "debian", "13"),
)


class Images:
    """The images of this lab, as its machine backend can boot them."""

    def __init__(self, project: Project, backend: MachineBackend) -> None:
        self._project = project
        self._backend = backend

    async def views(self) -> list[dict[str, Any]]:
        """All images, lowest id first. One that cannot boot is "unavailable", and its description says why."""
        boots = await asyncio.gather(*(self._boots(system) for system in _SYSTEMS))
        systems = [
            _view(image_id, system, architecture, status, description)
            for system, (status, description) in zip(_SYSTEMS, boots, strict=True)
            for image_id, architecture in zip(system.ids, ("x86", "arm"), strict=True)
        ]
        own = [image.view() for image in self._project.images]
        return sorted((*systems, *own), key=lambda view: int(view["id"]))

    async def _boots(self, system: _System) -> tuple[str, str]:
        try:
            image = await self._backend.boot_image(system.name)
        except MachineError as error:
            return "unavailable", f"{system.description} (cannot boot here: {error})"
        if image.stand_in:
            return "available", f"{system.description} (stand-in: {image.actual})"
        return "available", system.description

    async def require(self, image_id: int) -> dict[str, Any]:
        """The image that a path names."""
        found = next((view for view in await self.views() if view["id"] == image_id), None)
        if found is None:
            raise not_found(f"image with ID '{image_id}'")
        return found

    async def bootable(self, id_or_name: str, architecture: str) -> dict[str, Any]:
        """The image that a body names, for a server of this architecture."""
        for view in await self.views():
            by_name = view["name"] == id_or_name and view["architecture"] == architecture
            if by_name or str(view["id"]) == id_or_name:
                break
        else:
            raise unknown_reference("image", id_or_name, "image")
        if view["architecture"] != architecture:
            raise unknown_reference(f"image for architecture {architecture}", id_or_name, "image")
        if view["status"] != "available":
            raise unavailable(f"image '{view['name'] or view['id']}' is {view['status']}: {view['description']}")
        return view


def _view(image_id: int, system: _System, architecture: str, status: str, description: str) -> dict[str, Any]:
    return {
        "id": image_id,
        "type": "system",
        "status": status,
        "name": system.name,
        "description": description,
        "image_size": None,
        "disk_size": 5,
        "created": _RELEASED,
        "created_from": None,
        "bound_to": None,
        "os_flavor": system.flavor,
        "os_version": system.version,
        "rapid_deploy": True,
        "protection": {"delete": False},
        "deprecated": None,
        "deleted": None,
        "labels": {},
        "architecture": architecture,
    }
