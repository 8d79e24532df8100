# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images made from servers: snapshots and backups. System images are in the catalogue."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from lab.api.models.base import Body, Labels, Protection, Record


class Origin(BaseModel):
    id: int
    name: str


class Image(Record):
    """bound_to: the server that a backup goes with. base: the system image it descends from, as it was described."""

    type: Literal["snapshot", "backup"]
    status: Literal["creating", "available"] = "creating"
    description: str
    created: str
    created_from: Origin
    bound_to: int | None = None
    disk_size: int
    base: dict[str, Any]
    labels: dict[str, str] = Field(default_factory=dict)
    protection: Protection = Field(default_factory=Protection)

    def view(self) -> dict[str, Any]:
        own = self.model_dump(mode="json", exclude={"base"})
        return self.base | own | {"name": None, "image_size": None, "rapid_deploy": False}


class CreateImage(Body):
    description: str | None = None
    type: Literal["snapshot", "backup"] = "snapshot"
    labels: Labels = Field(default_factory=dict)


class UpdateImage(Body):
    """Body of an update: what is absent stays. A backup may become a snapshot, and nothing else."""

    description: str | None = None
    type: Literal["snapshot"] | None = None
    labels: Labels | None = None
