# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The container engine that the lab runs on: the host's where one answers, else one of its own.

The lab's own engine is shared by all labs of a cache folder, so that built images stay warm; it ends with the last lab
that uses it. It changes nothing on the host's network: no bridge, no firewall rule, no forwarding.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import docker
from docker.errors import DockerException

from lab.config import Settings
from lab.daemons import Daemon, DaemonError
from lab.locking import locked

_HOST_SOCKET = "unix:///var/run/docker.sock"


class EngineError(Exception):
    """No engine to run on; the message says why."""


class Engine:
    """url: what a Docker client connects to. own: whether the lab started it."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._users = settings.cache / "engine-users"
        digest = hashlib.sha256(str(settings.cache).encode()).hexdigest()[:8]
        self._runtime = Path(f"/run/triad-lab-{digest}")
        self._daemon = Daemon(f"engine-{digest}", "dockerd", settings.cache / "engine.log")
        self._cgroup = f"triad-lab-{digest}"
        self._own_url = f"unix://{self._runtime}/docker.sock"

    @property
    def own(self) -> bool:
        """Whether this lab is registered with the cache's own engine."""
        return (self._users / self._settings.name).exists()

    def client(self) -> docker.DockerClient:
        """A client of the engine that this lab runs on; EngineError when there is none."""
        client = _answering(self._own_url) if self.own else _host_engine()
        if client is None:
            raise EngineError("the lab's container engine does not answer; run: lab up")
        return client

    def start(self) -> docker.DockerClient:
        """The host's engine, or the cache's own, started when needed, with this lab registered as its user."""
        if not self.own and (client := _host_engine()) is not None:
            return client
        with locked(self._settings.cache / "engine.lock"):
            self._users.mkdir(parents=True, exist_ok=True)
            (self._users / self._settings.name).write_text(f"{self._settings.state}\n", encoding="utf-8")
            self._runtime.mkdir(parents=True, exist_ok=True)
            if not self._daemon.leaders():
                # A killed engine leaves the numbers of processes behind, which may be others' by now.
                for stale in ("docker.pid", "exec/containerd/containerd.pid"):
                    (self._runtime / stale).unlink(missing_ok=True)
            try:
                self._daemon.start(self._command(), ready=lambda: _answering(self._own_url) is not None)
            except DaemonError as error:
                raise EngineError(str(error)) from None
        return self.client()

    def release(self) -> list[str]:
        """This lab needs the engine no longer; ends the own engine when nobody else does. Returns what was ended."""
        with locked(self._settings.cache / "engine.lock"):
            (self._users / self._settings.name).unlink(missing_ok=True)
            if self._other_users() or not self._daemon.stop(seconds=60):
                return []
            _unmount_below(self._runtime, self._settings.cache / "engine")
            shutil.rmtree(self._runtime)
            _remove_empty_cgroups(self._cgroup)
            return ["container engine"]

    def _other_users(self) -> list[str]:
        """Labs that still use the own engine; one whose state folder is gone counts no longer."""
        users = []
        for entry in self._users.glob("*"):
            if Path(entry.read_text(encoding="utf-8").strip()).is_dir():
                users.append(entry.name)
            else:
                entry.unlink()
        return users

    def _command(self) -> list[str]:
        config = self._runtime / "daemon.json"
        config.write_text("{}\n", encoding="ascii")
        return [
            "dockerd", "--config-file", str(config), "--host", self._own_url,
            "--bridge=none", "--iptables=false", "--ip6tables=false", "--ip-masq=false", "--ip-forward=false",
            "--pidfile", f"{self._runtime}/docker.pid", "--exec-root", f"{self._runtime}/exec",
            "--data-root", str(self._settings.cache / "engine"), "--cgroup-parent", f"/{self._cgroup}",
            "--log-level", "warn",
        ]  # fmt: skip


def _host_engine() -> docker.DockerClient | None:
    """The host's own engine, when it answers and its containers are this host's processes."""
    url = os.environ.get("DOCKER_HOST") or _HOST_SOCKET
    if not url.startswith("unix://"):
        return None
    client = _answering(url)
    if client is None:
        return None
    facts = client.info()
    rootless = any("rootless" in option for option in facts.get("SecurityOptions", []))
    return client if facts.get("OSType") == "linux" and not rootless and _is_local(facts) else None


def _is_local(facts: dict[str, object]) -> bool:
    """Desktop products answer on a local socket from inside a virtual machine; its kernel is another."""
    return facts.get("KernelVersion") == os.uname().release


def _answering(url: str) -> docker.DockerClient | None:
    try:
        client = docker.DockerClient(base_url=url, timeout=120)
        client.ping()
    except DockerException:
        return None
    return client


def _unmount_below(*folders: Path) -> None:
    """Undo what an engine that was killed had no time to."""
    mounted = [Path(line.split()[1]) for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    for point in reversed(mounted):
        if any(point.is_relative_to(folder) for folder in folders):
            subprocess.run(["umount", "--lazy", str(point)], check=False, stderr=subprocess.DEVNULL)


def _remove_empty_cgroups(name: str) -> None:
    root = Path("/sys/fs/cgroup")
    for folder in (*root.glob(f"*/{name}"), root / name):
        for group in (*sorted(folder.glob("**/"), reverse=True), folder):
            with contextlib.suppress(OSError):
                group.rmdir()
