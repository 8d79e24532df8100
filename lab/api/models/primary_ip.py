# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Primary IPs: the public addresses of servers."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Interface, IPv6Network
from typing import Literal

from pydantic import Field

from lab.api.models.base import Body, IdOrName, Labels, Name, Renaming
from lab.api.models.public_address import IpKind, PublicAddress


class PrimaryIp(PublicAddress):
    location: str
    auto_delete: bool = False
    assignee_id: int | None = None

    @property
    def ipv4(self) -> IPv4Address:
        return IPv4Address(self.ip)

    @property
    def ipv6(self) -> IPv6Interface:
        """The first address of the /64: the one the server itself takes."""
        network = IPv6Network(self.ip)
        return IPv6Interface((network[1], network.prefixlen))


class CreatePrimaryIp(Body):
    name: Name
    type: IpKind
    location: IdOrName | None = None
    labels: Labels = Field(default_factory=dict)
    assignee_type: Literal["server"] | None = None
    assignee_id: int | None = None
    auto_delete: bool = False


class UpdatePrimaryIp(Renaming):
    auto_delete: bool | None = None


class Assign(Body):
    assignee_type: Literal["server"]
    assignee_id: int
