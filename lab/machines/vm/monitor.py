# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Talking to the monitor of a machine that runs: QEMU's own protocol (QMP), by QEMU's own library. Blocking."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from qemu.qmp import Message, QMPClient, QMPError

from lab.machines.base import MachineError
from lab.machines.vm import qemu

SECONDS_TO_LET_GO = 60


@dataclass(frozen=True)
class Card:
    """A network card: the bus it is on, which also names it, and its address."""

    bus: int
    mac: str

    @property
    def name(self) -> str:
        return f"card{self.bus}"


class Monitor:
    """path: of the socket. MachineError says what the machine did not do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, cards: Sequence[tuple[Card, int]]) -> None:
        """Let a paused machine run, with these network cards in. Each has the open cable that it stands at."""

        async def talk(client: QMPClient) -> None:
            for card, cable in cards:
                await _plug(client, card, cable)
            await client.execute("cont")

        self._talk(talk)

    def press_power_button(self) -> None:
        self._talk(lambda client: client.execute("system_powerdown"))

    def plug(self, card: Card, cable: int) -> None:
        """Put a card into a machine that runs, in place of the one on the same bus."""

        async def talk(client: QMPClient) -> None:
            await _unplug(client, card.bus)
            await _plug(client, card, cable)

        self._talk(talk)

    def unplug(self, bus: int) -> None:
        """Take the card of a bus out of a machine that runs; there may be none."""
        self._talk(lambda client: _unplug(client, bus))

    def _talk(self, conversation: Callable[[QMPClient], Awaitable[object]]) -> None:
        async def talk() -> None:
            client = QMPClient("lab")
            await client.connect(str(self._path))
            try:
                await conversation(client)
            finally:
                await client.disconnect()

        try:
            asyncio.run(talk())
        except QMPError as error:
            raise MachineError(f"the emulator does not do as told: {error}") from error


async def _plug(client: QMPClient, card: Card, cable: int) -> None:
    client.send_fd_scm(cable)
    await client.execute("getfd", {"fdname": card.name})
    await client.execute("netdev_add", {"type": "tap", "id": card.name, "fd": card.name})
    device = {"driver": "virtio-net-pci", "id": _device(card.bus), "bus": qemu.bus(card.bus)}
    # Nobody boots from the network, so that no program for it has to be loaded.
    await client.execute("device_add", {**device, "netdev": card.name, "mac": card.mac, "romfile": ""})


async def _unplug(client: QMPClient, bus: int) -> None:
    """The operating system has to let go of a card before it is out."""
    device = _device(bus)
    cards = await client.execute("qom-list", {"path": "/machine/peripheral"})
    if not isinstance(cards, list) or device not in [card["name"] for card in cards if isinstance(card, dict)]:
        return

    def is_it(event: Message) -> bool:
        data = event["data"]
        return isinstance(data, dict) and data.get("device") == device

    with client.listener("DEVICE_DELETED", is_it) as gone:
        await client.execute("device_del", {"id": device})
        try:
            await asyncio.wait_for(gone.get(), SECONDS_TO_LET_GO)
        except TimeoutError:
            raise MachineError(
                f"the operating system did not let go of its network card within {SECONDS_TO_LET_GO} s; "
                "switch the server off first"
            ) from None
    await client.execute("netdev_del", {"id": f"card{bus}"})


def _device(bus: int) -> str:
    return f"device{bus}"
