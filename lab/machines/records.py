# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a backend remembers of its machines: one folder each in the lab's state, so that nothing lives in a process.

The API and the command line may act on one machine at the same time; ``Records.locked`` makes them take turns.
"""

from __future__ import annotations

import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter

from lab.locking import locked
from lab.machines.base import FirewallRule, MachineError, MachineSpec, PrivateLink


@dataclass(frozen=True)
class Plug:
    """A private link and the name its interface has in the machine."""

    device: str
    link: PrivateLink


@dataclass(frozen=True)
class Record:
    """rules: None while no firewall is applied. partitioned: its packets are dropped until healed."""

    spec: MachineSpec
    plugs: tuple[Plug, ...] = ()
    rules: tuple[FirewallRule, ...] | None = None
    partitioned: bool = False

    def plug(self, network_id: int) -> Plug | None:
        return next((plug for plug in self.plugs if plug.link.network_id == network_id), None)

    def with_link(self, link: PrivateLink) -> Record:
        """The record with a link to a network, replacing the one it had there; devices are named as the cloud does."""
        known = self.plug(link.network_id)
        taken = {plug.device for plug in self.plugs}
        device = known.device if known else next(f"enp{n}s0" for n in range(7, 99) if f"enp{n}s0" not in taken)
        return replace(self, plugs=(*self.without_link(link.network_id).plugs, Plug(device, link)))

    def without_link(self, network_id: int) -> Record:
        return replace(self, plugs=tuple(plug for plug in self.plugs if plug.link.network_id != network_id))


_RECORD = TypeAdapter(Record)


class Records:
    """The machines' folders below one folder; a machine's folder also holds what is mounted into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def folder(self, server_id: int) -> Path:
        return self._folder / str(server_id)

    def load(self, server_id: int) -> Record:
        """MachineError when there is no such machine."""
        try:
            return _RECORD.validate_json((self.folder(server_id) / "machine.json").read_bytes())
        except FileNotFoundError:
            raise MachineError(f"there is no machine for server {server_id}") from None

    def save(self, record: Record) -> None:
        """Replace the record at once, never leaving half of one."""
        folder = self.folder(record.spec.server_id)
        folder.mkdir(parents=True, exist_ok=True)
        fresh = folder / "machine.json.new"
        fresh.write_bytes(_RECORD.dump_json(record, indent=2))
        fresh.replace(folder / "machine.json")

    def all(self) -> list[Record]:
        ids = sorted(int(path.parent.name) for path in self._folder.glob("*/machine.json"))
        return [self.load(server_id) for server_id in ids]

    def named(self, name: str) -> Record:
        """The machine of a server's name; MachineError lists the names there are."""
        records = self.all()
        for record in records:
            if record.spec.name == name:
                return record
        names = ", ".join(record.spec.name for record in records) or "none"
        raise MachineError(f"no server is called {name}; servers of this lab: {names}")

    def forget(self, server_id: int) -> None:
        shutil.rmtree(self.folder(server_id), ignore_errors=True)

    def locked(self, server_id: int) -> AbstractContextManager[None]:
        """Nobody else, in whichever process, acts on this machine meanwhile."""
        return locked(self._folder / f".{server_id}.lock")
