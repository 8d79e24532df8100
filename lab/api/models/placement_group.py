# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Placement groups."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from lab.api.models.base import Body, Labels, Name, Named

SERVERS_PER_GROUP = 10


class PlacementGroup(Named):
    type: Literal["spread"]


class CreatePlacementGroup(Body):
    name: Name
    type: Literal["spread"]
    labels: Labels = Field(default_factory=dict)
