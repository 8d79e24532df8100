# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all real machines have in common: records of what was asked, cables, one act at a time. Blocking.

A kind of machine adds how its machines are built, switched on and off, and plugged in. Machines outlive the process
that made them; an object of this class only knows how to act on them.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric, FabricError
from lab.machines.base import FirewallRule, MachineError, MachineSpec, PrivateLink, PublicNet
from lab.machines.records import Record, Records

Deed = Literal["power off", "reboot"]

# An operating system may wait a minute and a half for a service that does not end, on an emulated processor too.
SECONDS_TO_GO_DOWN = 300


class RecordedMachines(ABC):
    """``errors`` are what goes wrong in a kind's own tools, besides MachineError and FabricError."""

    errors: tuple[type[Exception], ...] = ()

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self.records = Records(settings.state / "machines")
        self._fabric = fabric

    # What the API and the command line ask ----------------------------------------------------------------------

    def create(self, spec: MachineSpec) -> None:
        with self._acting(spec.server_id):
            if not self._exists(spec.server_id):
                self._build(spec)
                self.records.save(Record(spec))

    def start(self, server_id: int) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            if not self._is_on(server_id):
                self._power_on(record)

    def stop(self, server_id: int) -> None:
        with self._acting(server_id):
            self._stop(self.records.load(server_id))

    def shutdown(self, server_id: int) -> None:
        with self._acting(server_id):
            if self._is_on(server_id):
                self._ask(server_id, "power off")

    def reboot(self, server_id: int) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            if self._is_on(server_id):
                self._ask(server_id, "reboot")
            if not wait_for(lambda: not self._is_on(server_id), seconds=SECONDS_TO_GO_DOWN, interval=0.2):
                raise MachineError(f"{record.spec.name} did not go down for its reboot within {SECONDS_TO_GO_DOWN} s")
            self._power_on(record)

    def reset(self, server_id: int) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            self._stop(record)
            self._power_on(record)

    def rebuild(self, spec: MachineSpec) -> None:
        with self._acting(spec.server_id):
            record = replace(self.records.load(spec.server_id), spec=spec)
            self._stop(record)
            self._remove(spec.server_id)
            self._build(spec)
            self.records.save(record)
            self._power_on(record)

    def delete(self, server_id: int) -> None:
        with self._acting(server_id):
            if self._fabric.is_up:
                self._fabric.cut(server_id)
            self._remove(server_id)
            if self._fabric.is_up:
                self._fabric.filter(server_id, None)
                self._fabric.mend(server_id)
            self.records.forget(server_id)

    def running(self, server_id: int) -> bool:
        return self._is_on(server_id)

    def attach(self, server_id: int, link: PrivateLink) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id).with_link(link)
            self.records.save(record)
            if self._is_on(server_id):
                self._plug_private(record, link.network_id)
                if record.partitioned:
                    self._fabric.cut(server_id)

    def detach(self, server_id: int, network_id: int) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            self.records.save(record.without_link(network_id))
            if record.plug(network_id) is not None and self._is_on(server_id):
                self._unplug_private(record, network_id)

    def filter(self, server_id: int, rules: tuple[FirewallRule, ...] | None) -> None:
        with self._acting(server_id):
            self.records.save(replace(self.records.load(server_id), rules=rules))
            self._fabric.filter(server_id, rules)

    def partition(self, server_id: int) -> None:
        """Cut the machine off from every network while it runs on: packets vanish, nobody is told."""
        with self._acting(server_id):
            self.records.save(replace(self.records.load(server_id), partitioned=True))
            self._fabric.cut(server_id)

    def heal(self, server_id: int) -> None:
        """Undo ``partition``."""
        with self._acting(server_id):
            self.records.save(replace(self.records.load(server_id), partitioned=False))
            self._fabric.mend(server_id)

    def readdress(self, server_id: int, public_net: PublicNet) -> None:
        """Change the public addresses; a running machine gets another public interface."""
        with self._acting(server_id):
            record = self.records.load(server_id)
            record = replace(record, spec=replace(record.spec, public_net=public_net))
            self.records.save(record)
            if self._is_on(server_id):
                self._replug_public(record)

    def resize(self, spec: MachineSpec) -> None:
        """Change a stopped machine's size."""
        with self._acting(spec.server_id):
            self.records.save(replace(self.records.load(spec.server_id), spec=spec))
            self._fit(spec)

    @abstractmethod
    def console(self, server_id: int) -> str:
        """All that the machine has printed on its console, since it was built."""

    # What a kind of machine adds ----------------------------------------------------------------------------------

    @abstractmethod
    def _exists(self, server_id: int) -> bool:
        """Whether the machine is built."""

    @abstractmethod
    def _build(self, spec: MachineSpec) -> None:
        """Make the machine, switched off."""

    @abstractmethod
    def _remove(self, server_id: int) -> None:
        """Take the machine away, on or off, there or not."""

    @abstractmethod
    def _is_on(self, server_id: int) -> bool:
        """Whether the machine is there and switched on."""

    @abstractmethod
    def _power_on(self, record: Record) -> None:
        """Switch the machine on with all its cables in."""

    @abstractmethod
    def _power_off(self, server_id: int) -> None:
        """Switch the machine off, without asking it."""

    @abstractmethod
    def _ask(self, server_id: int, deed: Deed) -> None:
        """Ask the operating system of a machine that is on; it goes off either way."""

    @abstractmethod
    def _plug_private(self, record: Record, network_id: int) -> None:
        """Put a recorded private cable into a machine that is on, in place of one to the same network."""

    @abstractmethod
    def _unplug_private(self, record: Record, network_id: int) -> None:
        """Pull a private cable out of a machine that is on. record: as it was before."""

    @abstractmethod
    def _replug_public(self, record: Record) -> None:
        """Put the recorded public cable into a machine that is on, in place of the one it had."""

    @abstractmethod
    def _fit(self, spec: MachineSpec) -> None:
        """Make a machine that is off as large as specified."""

    # What they share ----------------------------------------------------------------------------------------------

    def _stop(self, record: Record) -> None:
        """Packets first, so that dying processes cannot say goodbye."""
        self._fabric.cut(record.spec.server_id)
        if self._is_on(record.spec.server_id):
            self._power_off(record.spec.server_id)

    def _open(self, record: Record) -> None:
        """Make what is outside of a machine ready to carry its packets."""
        if not record.partitioned:
            self._fabric.mend(record.spec.server_id)
        self._fabric.filter(record.spec.server_id, record.rules)

    @contextlib.contextmanager
    def _acting(self, server_id: int) -> Iterator[None]:
        """Act on one machine alone, and say what went wrong in one sentence."""
        with self.records.locked(server_id):
            try:
                yield
            except FabricError as error:
                raise MachineError(f"the network of server {server_id}: {error}") from error
            except self.errors as error:
                raise MachineError(f"the machine of server {server_id}: {error}") from error
