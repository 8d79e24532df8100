# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from lab.api.models.base import Body, IdOrName, Labels, Named, Protection, Renaming

VOLUMES_PER_SERVER = 16
SMALLEST, LARGEST = 10, 10240

VolumeName = Annotated[str, Field(max_length=64, pattern=r"^[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?$")]
VolumeSize = Annotated[int, Field(ge=SMALLEST, le=LARGEST)]


class Volume(Named):
    """size: GB. server: whom it is attached to. A volume is a record: no machine of the lab gets a block device."""

    size: int
    location: str
    server: int | None = None
    format: str | None = None
    status: Literal["creating", "available"] = "creating"
    protection: Protection = Field(default_factory=Protection)


class CreateVolume(Body):
    name: VolumeName
    size: VolumeSize
    location: IdOrName | None = None
    server: int | None = None
    automount: bool = False
    format: Literal["ext4", "xfs"] | None = None
    labels: Labels = Field(default_factory=dict)


class UpdateVolume(Renaming):
    name: VolumeName | None = None


class AttachVolume(Body):
    server: int
    automount: bool = False


class ResizeVolume(Body):
    size: VolumeSize
