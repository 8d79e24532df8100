# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as containers that run systemd. Blocking; ``ThreadedBackend`` makes it the API's backend.

A container brings no network of its own: the fabric plugs cables into it at every start, before its init runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

import docker
from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container

from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric, FabricError
from lab.fabric.fabric import NAME_SERVER
from lab.machines import seed
from lab.machines.base import FirewallRule, MachineError, MachineSpec, PrivateLink, PublicNet
from lab.machines.capabilities import bounding_set
from lab.machines.records import Record, Records

LABEL = "triad.lab"
SERVER_LABEL = "triad.lab.server"
# Signals by which systemd as first process is asked to power off and to reboot.
_POWER_OFF, _REBOOT = "SIGRTMIN+4", "SIGRTMIN+5"
# The kernel ends a first process that called reboot(2) by SIGHUP when it meant "restart".
EXIT_REBOOT = 128 + 1
_DISKS = ("docker", "containerd")
_GIGABYTE = 1024**3


class ContainerMachines:
    """image: the node image's reference. Machines outlive this object; it only knows how to act on them."""

    def __init__(self, settings: Settings, client: docker.DockerClient, fabric: Fabric, image: str) -> None:
        self.records = Records(settings.state / "machines")
        self._lab = settings.name
        self._mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={settings.name}"}
        self._client = client
        self._fabric = fabric
        self._image = image

    def create(self, spec: MachineSpec) -> None:
        with self._acting(spec.server_id):
            if self._find(spec.server_id) is None:
                self._build(spec)
                self.records.save(Record(spec))

    def start(self, server_id: int) -> None:
        with self._acting(server_id):
            self._start(self.records.load(server_id))

    def stop(self, server_id: int) -> None:
        with self._acting(server_id):
            self._stop(self.records.load(server_id))

    def shutdown(self, server_id: int) -> None:
        with self._acting(server_id):
            self._signal(server_id, _POWER_OFF)

    def reboot(self, server_id: int, *, seconds: float = 120) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            container = self._container(server_id)
            self._signal(server_id, _REBOOT)
            if not wait_for(lambda: not _runs(container), seconds=seconds, interval=0.2):
                raise MachineError(f"{record.spec.name} did not go down for its reboot within {seconds:g} s")
            self._start(record)

    def reset(self, server_id: int) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id)
            self._stop(record)
            self._start(record)

    def rebuild(self, spec: MachineSpec) -> None:
        with self._acting(spec.server_id):
            record = replace(self.records.load(spec.server_id), spec=spec)
            self._stop(record)
            self._remove(spec.server_id)
            self._build(spec)
            self.records.save(record)
            self._start(record)

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
        container = self._find(server_id)
        return container is not None and _runs(container)

    def attach(self, server_id: int, link: PrivateLink) -> None:
        with self._acting(server_id):
            record = self.records.load(server_id).with_link(link)
            self.records.save(record)
            if pid := self._pid(server_id):
                self._plug_private(record, pid, link.network_id)

    def detach(self, server_id: int, network_id: int) -> None:
        with self._acting(server_id):
            self.records.save(self.records.load(server_id).without_link(network_id))
            self._fabric.unplug(server_id, network_id)

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
        """Change the public addresses; a running machine gets another eth0."""
        with self._acting(server_id):
            record = self.records.load(server_id)
            record = replace(record, spec=replace(record.spec, public_net=public_net))
            self.records.save(record)
            self._fabric.unplug(server_id, None)
            if pid := self._pid(server_id):
                self._fabric.plug_public(server_id, pid, record.spec.public_net)

    def resize(self, spec: MachineSpec) -> None:
        """Change a stopped machine's memory; its disk is as large as the host's anyway."""
        with self._acting(spec.server_id):
            self.records.save(replace(self.records.load(spec.server_id), spec=spec))
            memory = _memory(spec)
            self._container(spec.server_id).update(mem_limit=memory, memswap_limit=memory)

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
            if self._find(server_id) is not None:
                self._start(self.records.load(server_id))

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

    def _start(self, record: Record) -> None:
        server_id = record.spec.server_id
        container = self._container(server_id)
        if _runs(container):
            return
        folder = self.records.folder(server_id)
        seed.hold(folder)
        container.start()
        pid = self._pid(server_id)
        if not pid:
            raise MachineError(f"{record.spec.name} ended at once: {container.logs(tail=5).decode(errors='replace')}")
        try:
            self._plug(record, pid)
        except FabricError:
            self._signal(server_id, "SIGKILL")
            raise
        seed.release(folder)

    def _plug(self, record: Record, pid: int) -> None:
        server_id = record.spec.server_id
        if not record.partitioned:
            self._fabric.mend(server_id)
        self._fabric.filter(server_id, record.rules)
        self._fabric.plug_public(server_id, pid, record.spec.public_net)
        for plug in record.plugs:
            self._plug_private(record, pid, plug.link.network_id)

    def _stop(self, record: Record) -> None:
        """Packets first, so that dying processes cannot say goodbye."""
        server_id = record.spec.server_id
        self._fabric.cut(server_id)
        self._signal(server_id, "SIGKILL")
        container = self._container(server_id)
        if not wait_for(lambda: not _runs(container), seconds=30):
            raise MachineError(f"{record.spec.name} does not stop")

    def _plug_private(self, record: Record, pid: int, network_id: int) -> None:
        plug = record.plug(network_id)
        if plug is not None:
            self._fabric.plug_private(record.spec.server_id, pid, plug.device, plug.link)
        if record.partitioned:
            self._fabric.cut(record.spec.server_id)

    def _signal(self, server_id: int, name: str) -> None:
        container = self._container(server_id)
        if _runs(container):
            with contextlib.suppress(NotFound):
                container.kill(signal=name)

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

    @contextlib.contextmanager
    def _acting(self, server_id: int) -> Iterator[None]:
        """Act on one machine alone, and say what went wrong in one sentence."""
        with self.records.locked(server_id):
            try:
                yield
            except FabricError as error:
                raise MachineError(f"the network of server {server_id}: {error}") from error
            except (APIError, DockerException) as error:
                raise MachineError(f"the container of server {server_id}: {error}") from error


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
