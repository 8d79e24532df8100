# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""No machines: the API alone, for test suites of its clients and for runs at scale."""

from __future__ import annotations

from lab.machines.base import BootImage, FirewallRule, MachineSpec, PrivateLink, PublicNet


class NoMachines:
    """Remembers which servers would run, and does nothing else, at once."""

    name = "none"

    def __init__(self) -> None:
        self._running: set[int] = set()

    async def boot_image(self, image: str) -> BootImage:
        return BootImage(requested=image, actual="no machine, API only", stand_in=True)

    async def create(self, spec: MachineSpec) -> None:
        """There is nothing to make."""

    async def start(self, server_id: int) -> None:
        self._running.add(server_id)

    async def stop(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def shutdown(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def reboot(self, server_id: int) -> None:
        self._running.add(server_id)

    async def reset(self, server_id: int) -> None:
        self._running.add(server_id)

    async def rebuild(self, spec: MachineSpec) -> None:
        self._running.add(spec.server_id)

    async def delete(self, server_id: int) -> None:
        self._running.discard(server_id)

    async def running(self, server_id: int) -> bool:
        return server_id in self._running

    async def attach(self, server_id: int, link: PrivateLink) -> None:
        """There is nothing to plug."""

    async def detach(self, server_id: int, network_id: int) -> None:
        """There is nothing to unplug."""

    async def filter(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        """There is nothing to protect."""

    async def readdress(self, server_id: int, public_net: PublicNet) -> None:
        """There is no interface to change."""

    async def resize(self, spec: MachineSpec) -> None:
        """There is nothing to resize."""

    async def capture(self, server_id: int, image_id: int) -> None:
        """There is no disk to copy."""

    async def discard(self, image_id: int) -> None:
        """There is no copy."""

    async def rescue(self, server_id: int, *, enabled: bool) -> None:
        """There is nothing to rescue."""

    def console(self, server_id: int) -> str:
        """A name that leads nowhere."""
        return f"wss://console.lab.invalid/?server_id={server_id}"

    async def set_password(self, server_id: int, password: str) -> None:
        """There is nobody to log in to."""

    async def close(self) -> None:
        """There is nothing to release."""
