# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backend for the API out of blocking machines: every call runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from lab.machines.base import BootImage, FirewallRule, MachineSpec, PrivateLink, PublicNet
from lab.machines.platforms import Platform
from lab.machines.recorded import RecordedMachines


class ThreadedBackend:
    """Servers as the platform has them. release: called when the API stops."""

    def __init__(self, machines: RecordedMachines, platform: Platform, release: Callable[[], None]) -> None:
        self.name: str = platform.kind
        self._machines = machines
        self._platform = platform
        self._release = release

    async def boot_image(self, image: str) -> BootImage:
        return self._platform.image.boots(image)

    async def create(self, spec: MachineSpec) -> None:
        await asyncio.to_thread(self._machines.create, spec)

    async def start(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.start, server_id)

    async def stop(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.stop, server_id)

    async def shutdown(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.shutdown, server_id)

    async def reboot(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.reboot, server_id)

    async def reset(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.reset, server_id)

    async def rebuild(self, spec: MachineSpec) -> None:
        await asyncio.to_thread(self._machines.rebuild, spec)

    async def delete(self, server_id: int) -> None:
        await asyncio.to_thread(self._machines.delete, server_id)

    async def running(self, server_id: int) -> bool:
        return await asyncio.to_thread(self._machines.running, server_id)

    async def attach(self, server_id: int, link: PrivateLink) -> None:
        await asyncio.to_thread(self._machines.attach, server_id, link)

    async def detach(self, server_id: int, network_id: int) -> None:
        await asyncio.to_thread(self._machines.detach, server_id, network_id)

    async def filter(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        await asyncio.to_thread(self._machines.filter, server_id, rules)

    async def readdress(self, server_id: int, public_net: PublicNet) -> None:
        await asyncio.to_thread(self._machines.readdress, server_id, public_net)

    async def resize(self, spec: MachineSpec) -> None:
        await asyncio.to_thread(self._machines.resize, spec)

    async def close(self) -> None:
        await asyncio.to_thread(self._release)
