# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as virtual machines: one QEMU process each, a disk that holds what differs from the image's.

A machine finds its addresses by DHCP and its identity at the metadata service, as in the cloud; both stand where its
cables end. All processes are found again by their marks, whoever started them.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from contextlib import ExitStack, closing
from pathlib import Path

from lab import daemons
from lab.config import Settings
from lab.daemons import Daemon, DaemonError
from lab.fabric import Fabric, TapEnd
from lab.fabric.rules import cable
from lab.locking import locked
from lab.machines.base import MachineError, MachineSpec
from lab.machines.platforms import Emulation
from lab.machines.recorded import Deed, RecordedMachines
from lab.machines.records import Plug, Record
from lab.machines.vm import dhcp, qemu
from lab.machines.vm.metadata import public_mac
from lab.machines.vm.monitor import Card, Monitor
from lab.machines.vm.qemu import PUBLIC_BUS, DiskImage, Machine

_MIB_PER_GB = 1024
# Roles of this kind's processes, by which they are found even where their machine's record is gone.
_ROLES = re.compile(r"(machine|dhcp)-(\d+)\b|metadata")


class VirtualMachines(RecordedMachines):
    """image: what they boot from. emulation: how."""

    errors = (DaemonError, OSError, subprocess.CalledProcessError)

    def __init__(self, settings: Settings, fabric: Fabric, image: DiskImage, emulation: Emulation) -> None:
        super().__init__(settings, fabric)
        self._image = image
        self._emulation = emulation
        self._settings = settings

    def console(self, server_id: int) -> str:
        path = self._console(server_id)
        return path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""

    def _exists(self, server_id: int) -> bool:
        return self._disk(server_id).exists()

    def _build(self, spec: MachineSpec) -> None:
        disk = self._disk(spec.server_id)
        disk.parent.mkdir(parents=True, exist_ok=True)
        self._console(spec.server_id).unlink(missing_ok=True)
        subprocess.run(qemu.make_disk(self._image, disk, spec.disk), check=True, capture_output=True, text=True)

    def _remove(self, server_id: int) -> None:
        self._power_off(server_id)
        self._disk(server_id).unlink(missing_ok=True)

    def _is_on(self, server_id: int) -> bool:
        return bool(self._process(server_id).leaders())

    def _power_on(self, record: Record) -> None:
        server_id = record.spec.server_id
        machine = self._machine(record.spec)
        if not machine.disk.exists():
            raise MachineError(f"the disk of server {server_id} is gone; delete the server or rebuild it")
        machine.monitor.parent.mkdir(parents=True, exist_ok=True)
        machine.monitor.unlink(missing_ok=True)
        self._open(record)
        process = self._process(server_id)
        process.start(qemu.run(machine, self._image, self._emulation), ready=machine.monitor.exists)
        try:
            with ExitStack() as cables:
                ends = [(card, cables.enter_context(closing(end)).fd) for card, end in self._lay_all(record)]
                Monitor(machine.monitor).start(ends)
        except BaseException:
            process.kill()
            raise

    def _lay_all(self, record: Record) -> list[tuple[Card, TapEnd]]:
        laid = [self._lay_public(record)] if _has_public(record) else []
        laid += [self._lay_private(record, plug) for plug in record.plugs]
        if record.partitioned:
            self._fabric.cut(record.spec.server_id)
        return laid

    def _power_off(self, server_id: int) -> None:
        """As when the power fails: what the machine had not yet flushed to its disk is lost."""
        self._process(server_id).kill()
        for role, owner in _running(self._settings):
            if owner == server_id:
                self._daemon(role).stop()

    def _ask(self, server_id: int, _deed: Deed) -> None:
        """A machine has one button; what has powered off for a reboot is started again."""
        Monitor(self._socket(server_id)).press_power_button()

    def _plug_private(self, record: Record, network_id: int) -> None:
        plug = record.plug(network_id)
        if plug is None:
            return
        card, end = self._lay_private(record, plug)
        with closing(end):
            Monitor(self._socket(record.spec.server_id)).plug(card, end.fd)

    def _unplug_private(self, record: Record, network_id: int) -> None:
        plug = record.plug(network_id)
        if plug is None:
            return
        server_id = record.spec.server_id
        Monitor(self._socket(server_id)).unplug(_bus(plug))
        self._daemon(f"dhcp-{server_id}-{network_id}").stop()
        self._fabric.unplug(server_id, network_id)

    def _replug_public(self, record: Record) -> None:
        monitor = Monitor(self._socket(record.spec.server_id))
        if not _has_public(record):
            monitor.unplug(PUBLIC_BUS)
            self._fabric.unplug(record.spec.server_id, None)
            return
        card, end = self._lay_public(record)
        with closing(end):
            monitor.plug(card, end.fd)

    def _fit(self, spec: MachineSpec) -> None:
        """Cores and memory are those of the next start."""
        command = qemu.grow_disk(self._disk(spec.server_id), spec.disk)
        subprocess.run(command, check=True, capture_output=True, text=True)

    # Where cables end ---------------------------------------------------------------------------------------------

    def _lay_public(self, record: Record) -> tuple[Card, TapEnd]:
        spec = record.spec
        end, mac = TapEnd(), public_mac(spec.server_id)
        self._fabric.plug_public(spec.server_id, end, spec.public_net)
        command = dhcp.public(cable(spec.server_id), mac, spec.server_id, spec.public_net.ipv4)
        self._serve(f"dhcp-{spec.server_id}-public", self._fabric.in_router(command))
        self._serve_metadata("")
        return Card(PUBLIC_BUS, mac), end

    def _lay_private(self, record: Record, plug: Plug) -> tuple[Card, TapEnd]:
        server_id, network_id = record.spec.server_id, plug.link.network_id
        end, alone = TapEnd(), not _has_public(record)
        self._fabric.plug_private(server_id, end, plug.link)
        command = dhcp.private(cable(server_id), plug.link, with_metadata=alone)
        self._serve(f"dhcp-{server_id}-{network_id}", self._fabric.in_private(network_id, command))
        if alone:
            self._serve_metadata(str(network_id))
        return Card(_bus(plug), plug.link.mac), end

    def _serve(self, role: str, command: list[str]) -> None:
        """A service of one cable, in place of that of the cable before: it knows only the interface it began with."""
        daemon = self._daemon(role)
        daemon.stop()
        daemon.log.unlink(missing_ok=True)
        daemon.start(command, ready=lambda: "DHCP, static leases only" in daemon.last_words())

    def _serve_metadata(self, network: str) -> None:
        """One for all machines of a place, which outlives them."""
        command = [sys.executable, "-m", "lab.machines.vm.metadata", str(self._settings.state / "machines"), network]
        placed = self._fabric.in_private(int(network), command) if network else self._fabric.in_router(command)
        with locked(self._settings.state / "metadata.lock"):
            self._daemon(f"metadata{network and f'-{network}'}").start(placed, ready=lambda: True)

    # Names --------------------------------------------------------------------------------------------------------

    def _machine(self, spec: MachineSpec) -> Machine:
        return Machine(
            name=spec.name,
            serial=spec.server_id,
            # More cores than real ones only wait for each other.
            cores=min(spec.cores, os.cpu_count() or 1),
            memory=int(spec.memory * _MIB_PER_GB),
            disk=self._disk(spec.server_id),
            console=self._console(spec.server_id),
            monitor=self._socket(spec.server_id),
        )

    def _disk(self, server_id: int) -> Path:
        return self.records.folder(server_id) / "disk.qcow2"

    def _console(self, server_id: int) -> Path:
        return self.records.folder(server_id) / "console.log"

    def _socket(self, server_id: int) -> Path:
        return _sockets(self._settings) / f"{server_id}.monitor"

    def _process(self, server_id: int) -> Daemon:
        return self._daemon(f"machine-{server_id}")

    def _daemon(self, role: str) -> Daemon:
        return _daemon(self._settings, role)


def destroy_all(settings: Settings) -> list[str]:
    """End every process of a lab's virtual machines, records or not; returns what was there. Disks are files there."""
    ended = _end(settings, [role for role, _ in _running(settings)])
    shutil.rmtree(_sockets(settings), ignore_errors=True)
    return ended


def destroy_strays(settings: Settings, known: set[int]) -> None:
    """End machines that nothing is recorded of: what a state folder that was deleted has left."""
    _end(settings, [role for role, owner in _running(settings) if owner is not None and owner not in known])


def _end(settings: Settings, roles: list[str]) -> list[str]:
    for role in roles:
        daemon = _daemon(settings, role)
        if role.startswith("machine"):
            daemon.kill()
        else:
            daemon.stop()
    return roles


def _running(settings: Settings) -> list[tuple[str, int | None]]:
    """Roles of this kind's processes that run, each with the server that it is of."""
    found = ((role, _ROLES.match(role)) for role in daemons.running(_owner(settings)))
    return [(role, int(match[2]) if match[2] else None) for role, match in found if match]


def _owner(settings: Settings) -> str:
    return f"lab-{settings.name}"


def _daemon(settings: Settings, role: str) -> Daemon:
    return Daemon(_owner(settings), role, settings.state / "logs" / f"{role}.log")


def _sockets(settings: Settings) -> Path:
    """The path of a socket may be 107 characters long, and that of the state is anybody's choice."""
    return Path(f"/run/triad-lab-{settings.name}-machines")


def _has_public(record: Record) -> bool:
    net = record.spec.public_net
    return net.ipv4 is not None or net.ipv6 is not None


def _bus(plug: Plug) -> int:
    """The bus by which the guest names the interface."""
    return int(plug.device.removeprefix("enp").removesuffix("s0"))
