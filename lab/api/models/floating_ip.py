# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Floating IPs: public addresses that move between servers."""

from __future__ import annotations

from pydantic import Field

from lab.api.models.base import Body, IdOrName, Labels, Name, Renaming
from lab.api.models.public_address import IpKind, PublicAddress


class FloatingIp(PublicAddress):
    description: str | None = None
    home_location: str
    server: int | None = None


class CreateFloatingIp(Body):
    type: IpKind
    name: Name | None = None
    description: str | None = None
    home_location: IdOrName | None = None
    server: int | None = None
    labels: Labels = Field(default_factory=dict)


class UpdateFloatingIp(Renaming):
    description: str | None = None


class AssignFloatingIp(Body):
    server: int
