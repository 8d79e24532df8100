# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab's API asks of a machine backend.

The API owns identity, addresses and desired state; a backend owns what really runs. Every method is a coroutine that
returns when the thing is true, is idempotent (asking twice is asking once), and raises ``MachineError`` with a sentence
for people when it cannot. Ids are the API's server and network ids.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import Literal, Protocol


class MachineError(Exception):
    """What went wrong on the machine's side, in one sentence; becomes the action's error message."""


@dataclass(frozen=True)
class BootImage:
    """What really boots when an image is asked for.

    requested: the API's image name ("ubuntu-22.04").
    actual: what boots ("Debian 13 (trixie)").
    stand_in: True when ``actual`` is not what was asked for; people are told wherever the image is shown.
    """

    requested: str
    actual: str
    stand_in: bool


@dataclass(frozen=True)
class PublicNet:
    """Public addresses of a machine; None where the server was created without."""

    ipv4: IPv4Address | None
    ipv6: IPv6Interface | None


@dataclass(frozen=True)
class MachineSpec:
    """All a backend needs to make a server's machine. cores, memory (GB) and disk (GB) are the server type's."""

    server_id: int
    name: str
    location: str
    network_zone: str
    image: str
    cores: int
    memory: float
    disk: int
    public_net: PublicNet
    user_data: str = ""
    authorized_keys: tuple[str, ...] = ()
    labels: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PrivateLink:
    """A server's interface on a private network: routed (layer 3), address /32, MTU 1450, gateway = first address.

    subnet: the part of the network that the address is in.
    """

    network_id: int
    network_name: str
    network: IPv4Network
    subnet: IPv4Network
    gateway: IPv4Address
    address: IPv4Address
    mac: str
    alias_ips: tuple[IPv4Address, ...] = ()


@dataclass(frozen=True)
class FirewallRule:
    """One rule of a cloud firewall as the API has it.

    port: "22", "80-90" or None (all, or a protocol without ports).
    """

    direction: Literal["in", "out"]
    protocol: Literal["tcp", "udp", "icmp", "esp", "gre"]
    networks: tuple[str, ...]
    port: str | None = None


class MachineBackend(Protocol):
    """One way to run servers: ``container``, ``none``, ``vm``."""

    name: str

    async def boot_image(self, image: str) -> BootImage:
        """What would really boot for the API's image name; used for the image's description. Cheap."""

    async def create(self, spec: MachineSpec) -> None:
        """Make the machine, powered off."""

    async def start(self, server_id: int) -> None:
        """Power on; returns when the machine has begun to boot (not when SSH answers)."""

    async def stop(self, server_id: int) -> None:
        """Cut the power."""

    async def shutdown(self, server_id: int) -> None:
        """Ask the operating system to shut down; returns once asked, as the cloud's action does."""

    async def reboot(self, server_id: int) -> None:
        """Soft reboot through the operating system."""

    async def reset(self, server_id: int) -> None:
        """Power off and on again."""

    async def rebuild(self, spec: MachineSpec) -> None:
        """Replace the disk by a fresh image, keep identity and links; leaves the machine running."""

    async def delete(self, server_id: int) -> None:
        """Remove the machine, its disk and its links."""

    async def running(self, server_id: int) -> bool:
        """Whether the machine runs now (it may have shut itself down)."""

    async def attach(self, server_id: int, link: PrivateLink) -> None:
        """Plug a private interface, on a running or a stopped machine; replaces the link to the same network."""

    async def detach(self, server_id: int, network_id: int) -> None:
        """Unplug a private interface."""

    async def filter(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        """Enforce exactly these rules on the public interface, outside the machine. None: no firewall applied.

        With a firewall but no "in" rule nothing inbound passes; no "out" rule means outbound is free.
        """

    async def close(self) -> None:
        """The API stops: release what only this process holds. Machines keep running."""
