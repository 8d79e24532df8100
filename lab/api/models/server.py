# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers."""

from __future__ import annotations

import re
from ipaddress import IPv4Address
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field

from lab.api.models.base import Address4, Body, IdOrName, Labels, Named, Network4, Renaming

USER_DATA_LIMIT = 32 * 1024
_HOSTNAME_PART = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?")

Status = Literal[
    "running", "initializing", "starting", "stopping", "off", "deleting", "migrating", "rebuilding", "unknown"
]


def _hostname(name: str) -> str:
    if len(name) > 253 or not all(_HOSTNAME_PART.fullmatch(part) for part in name.split(".")):
        raise ValueError("is not a valid hostname")
    return name


def _user_data(text: str) -> str:
    if len(text.encode()) > USER_DATA_LIMIT:
        raise ValueError("is larger than 32 KiB")
    return text


Hostname = Annotated[str, AfterValidator(_hostname)]
UserData = Annotated[str, AfterValidator(_user_data)]


class PrivateNet(BaseModel):
    """A server's place in a network. ``attached`` is False while its addresses are only reserved."""

    network: int
    ip: IPv4Address
    alias_ips: list[IPv4Address] = Field(default_factory=list)
    mac_address: str
    attached: bool = False


class ServerProtection(BaseModel):
    delete: bool = False
    rebuild: bool = False


class Server(Named):
    """image: the image as it was described when the server was made. firewalls: status by id of those in effect."""

    status: Status
    server_type: int
    location: str
    image: dict[str, Any]
    primary_disk_size: int
    private_net: list[PrivateNet] = Field(default_factory=list)
    placement_group: int | None = None
    firewalls: dict[int, Literal["pending", "applied"]] = Field(default_factory=dict)
    backup_window: str | None = None
    iso: int | None = None
    rescue_enabled: bool = False
    protection: ServerProtection = Field(default_factory=ServerProtection)
    user_data: str = ""
    authorized_keys: list[str] = Field(default_factory=list)

    def in_network(self, network: int) -> PrivateNet | None:
        return next((net for net in self.private_net if net.network == network), None)


class FirewallChoice(Body):
    firewall: int


class PublicNetChoice(Body):
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    ipv4: int | None = None
    ipv6: int | None = None


class CreateServer(Body):
    name: Hostname
    server_type: IdOrName
    image: IdOrName
    location: IdOrName | None = None
    start_after_create: bool = True
    placement_group: int | None = None
    ssh_keys: list[IdOrName] = Field(default_factory=list)
    volumes: list[int] = Field(default_factory=list)
    networks: list[int] = Field(default_factory=list)
    firewalls: list[FirewallChoice] = Field(default_factory=list)
    user_data: UserData | None = None
    labels: Labels = Field(default_factory=dict)
    public_net: PublicNetChoice = Field(default_factory=PublicNetChoice)


class UpdateServer(Renaming):
    name: Hostname | None = None


class Rebuild(Body):
    image: IdOrName
    user_data: UserData | None = None


class AttachToNetwork(Body):
    network: int
    ip: Address4 | None = None
    ip_range: Network4 | None = None
    alias_ips: list[Address4] = Field(default_factory=list)


class DetachFromNetwork(Body):
    network: int


class ChangeAliasIps(Body):
    network: int
    alias_ips: list[Address4]


class ChangeServerProtection(Body):
    delete: bool | None = None
    rebuild: bool | None = None


class ChangeType(Body):
    server_type: IdOrName
    upgrade_disk: bool


class AttachIso(Body):
    iso: IdOrName


class EnableRescue(Body):
    type: Literal["linux64"] = "linux64"
    ssh_keys: list[int] = Field(default_factory=list)


class AddToPlacementGroup(Body):
    placement_group: int


class ChangeDnsPtr(Body):
    ip: str
    dns_ptr: str | None = None
