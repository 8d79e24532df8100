# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewalls."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, model_validator

from lab.api import selectors
from lab.api.models.base import Body, Labels, Name, Named

RULE_LIMIT = 50
FIREWALLS_PER_SERVER = 5
_PORT = re.compile(r"(\d{1,5})(?:-(\d{1,5}))?")


def _cidr(text: str) -> str:
    if "/" not in text:
        raise ValueError(f"'{text}' is not in CIDR notation")
    return str(ip_network(text))


def _port(text: str) -> str:
    match = _PORT.fullmatch(text)
    if match is None:
        raise ValueError("is not a port or a range of ports")
    low, high = int(match[1]), int(match[2] or match[1])
    if not 1 <= low <= high <= 65535:
        raise ValueError("is not a port or a range of ports")
    return text


def _selector(text: str) -> str:
    selectors.parse(text)
    return text


Cidrs = Annotated[list[Annotated[str, AfterValidator(_cidr)]], Field(max_length=100)]


class Rule(Body):
    description: Annotated[str, Field(max_length=255)] | None = None
    direction: Literal["in", "out"]
    source_ips: Cidrs = Field(default_factory=list)
    destination_ips: Cidrs = Field(default_factory=list)
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    port: Annotated[str, AfterValidator(_port)] | None = None

    @model_validator(mode="after")
    def _is_consistent(self) -> Rule:
        if self.direction == "in" and (not self.source_ips or self.destination_ips):
            raise ValueError("direction 'in' needs source_ips, and no destination_ips")
        if self.direction == "out" and (not self.destination_ips or self.source_ips):
            raise ValueError("direction 'out' needs destination_ips, and no source_ips")
        if (self.protocol in ("tcp", "udp")) != (self.port is not None):
            raise ValueError("port is needed with tcp and udp, and only there")
        return self

    @property
    def networks(self) -> tuple[str, ...]:
        """Whom the rule lets through: sources of inbound, destinations of outbound traffic."""
        return tuple(self.source_ips if self.direction == "in" else self.destination_ips)


Rules = Annotated[list[Rule], Field(max_length=RULE_LIMIT)]


class ServerRef(BaseModel):
    id: int


class SelectorRef(BaseModel):
    selector: Annotated[str, AfterValidator(_selector)]


class Resource(Body):
    """What a firewall is applied to: one server, or all that a label selector names."""

    type: Literal["server", "label_selector"]
    server: ServerRef | None = None
    label_selector: SelectorRef | None = None

    @model_validator(mode="after")
    def _names_its_type(self) -> Resource:
        if (self.server is not None) != (self.type == "server") or (self.label_selector is not None) != (
            self.type == "label_selector"
        ):
            raise ValueError(f"type '{self.type}' needs the key '{self.type}', and no other")
        return self

    def names(self, server_id: int, labels: dict[str, str]) -> bool:
        """Whether this server is one of those meant."""
        if self.label_selector is not None:
            return selectors.parse(self.label_selector.selector).matches(labels)
        return self.server is not None and self.server.id == server_id

    def view(self) -> dict[str, Any]:
        return self.model_dump(mode="json", exclude_none=True)


class Firewall(Named):
    rules: list[Rule] = Field(default_factory=list)
    applied_to: list[Resource] = Field(default_factory=list)


class CreateFirewall(Body):
    name: Name
    labels: Labels = Field(default_factory=dict)
    rules: Rules = Field(default_factory=list)
    apply_to: list[Resource] = Field(default_factory=list)


class SetRules(Body):
    rules: Rules


class ApplyTo(Body):
    apply_to: Annotated[list[Resource], Field(min_length=1)]


class RemoveFrom(Body):
    remove_from: Annotated[list[Resource], Field(min_length=1)]
