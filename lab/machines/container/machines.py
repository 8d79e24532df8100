# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as containers that run systemd.

A container brings no network of its own: the fabric plugs cables into it at every start, before its init runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric, FabricError, ProcessEnd
from lab.fabric.addresses import NAME_SERVER
from lab.machines.base import MachineError, MachineSpec
from lab.machines.container import seed
from lab.machines.container.capabilities import bounding_set
from lab.machines.recorded import Deed, RecordedMachines
from lab.machines.records import Record

LABEL = "triad.lab"
SERVER_LABEL = "triad.lab.server"
# Signals by which systemd as first process is asked to power off and to reboot.
_SIGNALS: dict[Deed, str] = {"power off": "SIGRTMIN+4", "reboot": "SIGRTMIN+5"}
# The kernel ends a first process that called reboot(2) by SIGHUP when it meant "restart".
EXIT_REBOOT = 128 + 1
_DISKS = ("docker", "containerd")
_GIGABYTE = 1024**3


class ContainerMachines(RecordedMachines):
    """image: the node image's reference."""

    errors = (APIError, DockerException)

    def __init__(self, settings: Settings, client: docker.DockerClient, fabric: Fabric, image: str) -> None:
        super().__init__(settings, fabric)
        self._lab = settings.name
        self._mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={settings.name}"}
        self._client = client
        self._image = image

    def console(self, server_id: int) -> str:
        return self._container(server_id).logs().decode(errors="replace")

    def ends(self) -> Any:
        """A stream of the engine's events about machines that end; ``close()`` ends it."""
        return self._client.events(filters={**self._mine, "type": "container", "event": "die"}, decode=True)

    def ended(self) -> list[tuple[int, int]]:
        """(server id, exit code) of every machine that does not run."""
        containers = self._client.containers.list(all=True, filters={**self._mine, "status": "exited"})
        return [(int(c.labels[SERVER_LABEL]), int(c.attrs["State"]["ExitCode"])) for c in containers]

    @staticmethod
    def end_of(event: Mapping[str, Any]) -> tuple[int, int]:
        """(server id, exit code) of an event of ``ends``."""
        attributes = event["Actor"]["Attributes"]
        return int(attributes[SERVER_LABEL]), int(attributes["exitCode"])

    def came_down(self, server_id: int, exit_code: int) -> None:
        """The machine ended by itself: start it again when it meant to reboot."""
        if exit_code != EXIT_REBOOT:
            return
        with self._acting(server_id):
            if self._find(server_id) is not None and not self._is_on(server_id):
                self._power_on(self.records.load(server_id))

    def destroy_all(self) -> list[str]:
        """Remove every machine and disk of this lab, records or not; returns what was there."""
        containers = self._client.containers.list(all=True, filters=self._mine, ignore_removed=True)
        for container in containers:
            _remove_container(container)
        volumes = self._client.volumes.list(filters=self._mine)
        for volume in volumes:
            with contextlib.suppress(NotFound):
                volume.remove(force=True)
        return [f"container {c.name}" for c in containers] + [f"volume {v.name}" for v in volumes]

    def destroy_strays(self) -> None:
        """Remove machines that nothing is recorded of: what a state folder that was deleted has left."""
        known = {record.spec.server_id for record in self.records.all()}
        for container in self._client.containers.list(all=True, filters=self._mine, ignore_removed=True):
            server_id = int(container.labels[SERVER_LABEL])
            if server_id not in known:
                self._remove(server_id)

    def _build(self, spec: MachineSpec) -> None:
        labels = {LABEL: self._lab, SERVER_LABEL: str(spec.server_id)}
        name = self._name(spec.server_id)
        mounts: dict[str, Mapping[str, str]] = dict(seed.write(self.records.folder(spec.server_id), spec, NAME_SERVER))
        for disk in _DISKS:
            self._client.volumes.create(f"{name}-{disk}", labels=labels)
            mounts[f"{name}-{disk}"] = {"bind": f"/var/lib/{disk}", "mode": "rw"}
        api = self._client.api
        host = api.create_host_config(
            network_mode="none",
            cap_add=bounding_set(),
            security_opt=["seccomp=unconfined", "apparmor=unconfined"],
            tmpfs={"/run": "exec,mode=755", "/run/lock": "", "/tmp": "exec,mode=1777"},
            binds=mounts,
            mem_limit=_memory(spec),
            memswap_limit=_memory(spec),
        )
        host |= {"CgroupnsMode": "private", "MaskedPaths": [], "ReadonlyPaths": []}
        api.create_container(self._image, name=name, hostname=spec.name, labels=labels, host_config=host)

    def _exists(self, server_id: int) -> bool:
        return self._find(server_id) is not None

    def _is_on(self, server_id: int) -> bool:
        container = self._find(server_id)
        return container is not None and _runs(container)

    def _power_on(self, record: Record) -> None:
        server_id = record.spec.server_id
        container = self._container(server_id)
        folder = self.records.folder(server_id)
        seed.hold(folder)
        container.start()
        if not self._pid(server_id):
            raise MachineError(f"{record.spec.name} ended at once: {container.logs(tail=5).decode(errors='replace')}")
        try:
            self._open(record)
            self._replug_public(record)
            for plug in record.plugs:
                self._plug_private(record, plug.link.network_id)
            if record.partitioned:
                self._fabric.cut(server_id)
        except FabricError:
            self._signal(server_id, "SIGKILL")
            raise
        seed.release(folder)

    def _power_off(self, server_id: int) -> None:
        self._signal(server_id, "SIGKILL")
        if not wait_for(lambda: not self._is_on(server_id), seconds=30):
            raise MachineError(f"server {server_id} does not stop")

    def _ask(self, server_id: int, deed: Deed) -> None:
        self._signal(server_id, _SIGNALS[deed])

    def _replug_public(self, record: Record) -> None:
        server_id = record.spec.server_id
        self._fabric.unplug(server_id, None)
        self._fabric.plug_public(server_id, ProcessEnd(self._pid(server_id), "eth0"), record.spec.public_net)

    def _plug_private(self, record: Record, network_id: int) -> None:
        server_id = record.spec.server_id
        plug = record.plug(network_id)
        if plug is not None:
            self._fabric.plug_private(server_id, ProcessEnd(self._pid(server_id), plug.device), plug.link)

    def _unplug_private(self, record: Record, network_id: int) -> None:
        self._fabric.unplug(record.spec.server_id, network_id)

    def _fit(self, spec: MachineSpec) -> None:
        """Its disk is as large as the host's anyway."""
        memory = _memory(spec)
        self._container(spec.server_id).update(mem_limit=memory, memswap_limit=memory)

    def _signal(self, server_id: int, name: str) -> None:
        with contextlib.suppress(NotFound):
            self._container(server_id).kill(signal=name)

    def _remove(self, server_id: int) -> None:
        container = self._find(server_id)
        if container is not None:
            _remove_container(container)
        for disk in _DISKS:
            with contextlib.suppress(NotFound):
                self._client.volumes.get(f"{self._name(server_id)}-{disk}").remove(force=True)

    def _name(self, server_id: int) -> str:
        return f"triad-{self._lab}-{server_id}"

    def _find(self, server_id: int) -> Container | None:
        try:
            return self._client.containers.get(self._name(server_id))
        except NotFound:
            return None

    def _container(self, server_id: int) -> Container:
        container = self._find(server_id)
        if container is None:
            raise MachineError(f"the machine of server {server_id} is gone; delete the server or rebuild it")
        return container

    def _pid(self, server_id: int) -> int:
        """Id of the machine's first process; 0 while it does not run."""
        container = self._find(server_id)
        return int(container.attrs["State"]["Pid"]) if container is not None and _runs(container) else 0


def _runs(container: Container) -> bool:
    container.reload()
    return bool(container.attrs["State"]["Running"])


def _remove_container(container: Container) -> None:
    """Remove it, or wait while somebody else, such as an API that has just been ended, has it removed."""
    with contextlib.suppress(NotFound):
        try:
            container.remove(force=True, v=True)
        except APIError as error:
            if error.status_code != HTTPStatus.CONFLICT:
                raise
            if not wait_for(lambda: _is_gone(container), seconds=60, interval=0.2):
                raise


def _is_gone(container: Container) -> bool:
    try:
        container.reload()
    except NotFound:
        return True
    return False


def _memory(spec: MachineSpec) -> int:
    """Bytes of memory; a cloud server has no swap."""
    return int(spec.memory * _GIGABYTE)
