# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What primary and floating IPs share: an address out of the public pool, and its reverse names."""

from __future__ import annotations

from ipaddress import IPv6Interface, IPv6Network
from typing import Any, Literal

from pydantic import Field

from lab.api.models.base import Named, Protection

IpKind = Literal["ipv4", "ipv6"]


def default_name(ipv4: str) -> str:
    """The reverse name of an address that nobody has named."""
    return f"static.{'.'.join(reversed(ipv4.split('.')))}.clients.lab.invalid"


class PublicAddress(Named):
    """ip: an IPv4 address, or an IPv6 /64. dns_ptr: names set by a person, by address."""

    type: IpKind
    ip: str
    protection: Protection = Field(default_factory=Protection)
    dns_ptr: dict[str, str] = Field(default_factory=dict)

    def covers(self, address: str) -> bool:
        """Whether a reverse name for this address is ours to give."""
        if self.type == "ipv4":
            return address == self.ip
        try:
            return IPv6Interface(address).ip in IPv6Network(self.ip)
        except ValueError:
            return False

    def dns_entries(self) -> list[dict[str, Any]]:
        return [{"ip": ip, "dns_ptr": name} for ip, name in self.named().items()]

    def named(self) -> dict[str, str]:
        """Reverse names by address; an IPv4 address always has one."""
        if self.type == "ipv6":
            return self.dns_ptr
        return self.dns_ptr or {self.ip: default_name(self.ip)}

    def renamed(self, address: str, name: str | None) -> dict[str, str]:
        """Names set by a person, with one more or, for None, one less."""
        others = {ip: other for ip, other in self.dns_ptr.items() if ip != address}
        return others if name is None else others | {address: name}
