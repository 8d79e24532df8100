# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Networks."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Literal

from pydantic import BaseModel, Field, field_validator

from lab.api.models.base import Address4, Body, Labels, Name, Named, Network4, Protection, Renaming

PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))


class Subnet(BaseModel):
    type: Literal["cloud", "server"]
    ip_range: IPv4Network
    network_zone: str


class Route(BaseModel):
    destination: IPv4Network
    gateway: IPv4Address


class Network(Named):
    ip_range: IPv4Network
    subnets: list[Subnet] = Field(default_factory=list)
    routes: list[Route] = Field(default_factory=list)
    protection: Protection = Field(default_factory=Protection)
    expose_routes_to_vswitch: bool = False

    @property
    def gateway(self) -> IPv4Address:
        """First address of the network: reserved."""
        return self.ip_range[1]


class IpRange(Body):
    ip_range: Network4


class NetworkRange(IpRange):
    @field_validator("ip_range")
    @classmethod
    def _is_private(cls, value: IPv4Network) -> IPv4Network:
        if not any(value.subnet_of(private) for private in PRIVATE):
            raise ValueError("must be a private range of RFC 1918")
        if value.prefixlen > 24:
            raise ValueError("must be at least a /24")
        return value


class AddSubnet(Body):
    """vSwitch subnets join dedicated servers, which the lab does not have."""

    type: Literal["cloud", "server"]
    network_zone: str
    ip_range: Network4 | None = None

    @field_validator("ip_range")
    @classmethod
    def _is_large_enough(cls, value: IPv4Network | None) -> IPv4Network | None:
        if value is not None and value.prefixlen > 30:
            raise ValueError("must be at least a /30")
        return value


class RouteBody(Body):
    destination: Network4
    gateway: Address4


class CreateNetwork(NetworkRange):
    name: Name
    labels: Labels = Field(default_factory=dict)
    subnets: list[AddSubnet] = Field(default_factory=list)
    routes: list[RouteBody] = Field(default_factory=list)
    expose_routes_to_vswitch: bool = False


class UpdateNetwork(Renaming):
    expose_routes_to_vswitch: bool | None = None


class ChangeProtection(Body):
    """What is absent stays."""

    delete: bool | None = None
