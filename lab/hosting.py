# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a lab's servers are: decided and made ready when the lab comes up, acted on from then on."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import docker
from pydantic import TypeAdapter

from lab.config import Settings
from lab.engine import Engine, EngineError
from lab.fabric import Fabric
from lab.images import bases, disks
from lab.machines import vm
from lab.machines.base import MachineBackend
from lab.machines.container import ContainerMachines
from lab.machines.container.watcher import Watcher
from lab.machines.none import NoMachines
from lab.machines.platforms import Kind, Platform
from lab.machines.recorded import RecordedMachines
from lab.machines.records import Records
from lab.machines.threaded import ThreadedBackend
from lab.machines.vm import VirtualMachines, emulation
from lab.machines.vm.qemu import DiskImage

_PLATFORM = TypeAdapter(Platform)
_DEFAULT: Kind = "container"
KVM_DEVICE = Path("/dev/kvm")

Say = Callable[[str], None]


class HostingError(Exception):
    """Servers that cannot be had as asked; the message says why and what would do."""


class Hosting:
    """One lab's servers, whoever made them. The platform is kept in a file, so that later commands need no settings."""

    def __init__(self, settings: Settings, engine: Engine, fabric: Fabric) -> None:
        self._settings = settings
        self._engine = engine
        self._fabric = fabric
        self._file = settings.state / "platform.json"

    @property
    def known(self) -> Platform | None:
        """The platform of a lab that is or was up."""
        return _PLATFORM.validate_json(self._file.read_bytes()) if self._file.exists() else None

    @property
    def platform(self) -> Platform:
        if (known := self.known) is None:
            raise HostingError("the lab is not up; run: lab up")
        return known

    def prepare(self, client: docker.DockerClient, say: Say) -> Platform:
        """Decide what servers are, build what they boot from, and keep that."""
        known, asked = self.known, self._settings.machines
        if known is not None and asked not in (None, "auto", known.kind):
            raise HostingError(
                f"the servers of this lab are of kind {known.kind}, and LAB_MACHINES asks for {asked}: "
                "run lab down first, or set LAB_NAME and LAB_STATE to a lab of its own"
            )
        if asked == "auto" and known is None:
            decided = self._choose(client, say)
        elif (known.kind if known else asked or _DEFAULT) == "vm":
            decided = self._virtual(client, known.why if known else "LAB_MACHINES asks for it", say)
        else:
            decided = self._containers(client, known.why if known else _why_container(asked), say)
        self._file.write_bytes(_PLATFORM.dump_json(decided, indent=2))
        return decided

    def machines(self) -> RecordedMachines:
        """The machines, for acting on them directly."""
        platform_ = self.platform
        if platform_.emulation is None:
            return self._container_machines(platform_)
        image = DiskImage(Path(platform_.image.reference))
        return VirtualMachines(self._settings, self._fabric, image, platform_.emulation)

    def backend(self) -> MachineBackend:
        """The machines behind the API. A container that reboots by itself comes back while the backend is open."""
        if self._settings.machines == "none":
            return NoMachines()
        platform_ = self.platform
        if platform_.kind == "vm":
            return ThreadedBackend(self.machines(), platform_, release=lambda: None)
        machines = self._container_machines(platform_)
        watcher = Watcher(machines)
        watcher.start()
        return ThreadedBackend(machines, platform_, release=watcher.stop)

    def destroy_strays(self, client: docker.DockerClient) -> None:
        """Remove machines that nothing is recorded of."""
        ContainerMachines(self._settings, client, self._fabric, "").destroy_strays()
        records = Records(self._settings.state / "machines").all()
        vm.destroy_strays(self._settings, {record.spec.server_id for record in records})

    def destroy_all(self, say: Say) -> list[str]:
        """Remove every machine of whichever kind; returns what was there."""
        say("ending virtual machines")
        gone = vm.destroy_all(self._settings)
        # Containers of an own engine can only be removed by it, so that it is started once more after a crash.
        try:
            client = self._engine.start() if self._engine.own else self._engine.client()
        except EngineError:
            return gone
        say("removing containers and volumes")
        return gone + ContainerMachines(self._settings, client, self._fabric, "").destroy_all()

    def forget(self) -> None:
        self._file.unlink(missing_ok=True)

    def _container_machines(self, platform_: Platform) -> ContainerMachines:
        return ContainerMachines(self._settings, self._engine.client(), self._fabric, platform_.image.reference)

    def _choose(self, client: docker.DockerClient, say: Say) -> Platform:
        """Virtual machines where they run at the speed of the processor, containers elsewhere."""
        reason = _not_emulated()
        if not reason and KVM_DEVICE.exists():
            image = disks.disk(client, self._settings, bases.node(client, self._settings, "vm", say), say)
            attempt = emulation.boots("kvm", DiskImage(Path(image.reference)), self._settings.cache, say)
            if attempt.emulation is not None:
                return Platform("vm", "LAB_MACHINES is auto, and KVM works here", image, attempt.emulation)
            reason = attempt.reason
        why = f"LAB_MACHINES is auto, and KVM does not work here: {reason or f'there is no {KVM_DEVICE}'}"
        return self._containers(client, why, say)

    def _containers(self, client: docker.DockerClient, why: str, say: Say) -> Platform:
        return Platform("container", why, bases.node(client, self._settings, "container", say))

    def _virtual(self, client: docker.DockerClient, why: str, say: Say) -> Platform:
        if reason := _not_emulated():
            raise HostingError(f"LAB_MACHINES asks for vm: {reason}. Set it to container.")
        image = disks.disk(client, self._settings, bases.node(client, self._settings, "vm", say), say)
        found = emulation.find(DiskImage(Path(image.reference)), self._settings.cache, say)
        return Platform("vm", why, image, found)


def _why_container(asked: str | None) -> str:
    return "LAB_MACHINES asks for it" if asked else "the default; LAB_MACHINES=vm gives each a kernel of its own"


def _not_emulated() -> str:
    """Why there can be no virtual machines here, whatever is tried; nothing where there can."""
    return (
        "" if platform.machine() == "x86_64" else f"virtual machines are made for x86_64, this is {platform.machine()}"
    )
