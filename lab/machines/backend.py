# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A backend for the API out of blocking machines: every call runs in a thread."""

from __future__ import annotations

import asyncio

from lab.machines.base import BootImage, FirewallRule, MachineSpec, PrivateLink, PublicNet
from lab.machines.container import ContainerMachines
from lab.machines.nodes import NodeImage
from lab.machines.watcher import Watcher


class ContainerBackend:
    """Servers as containers. Machines that reboot by themselves come back while this object is open."""

    name = "container"

    def __init__(self, machines: ContainerMachines, node: NodeImage) -> None:
        self._machines = machines
        self._node = node
        self._watcher = Watcher(machines)
        self._watcher.start()

    async def boot_image(self, image: str) -> BootImage:
        return self._node.boots(image)

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
        await asyncio.to_thread(self._watcher.stop)
