# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers as HAProxy processes, one each, so that none is disturbed by changes to another.

A process lives on the host and reaches into the namespaces of the networks: its public side is in the router's, its
private side in its network's. Its files are in a folder of its own below the lab's state.
"""

from __future__ import annotations

import asyncio
import csv
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from lab import daemons
from lab.balancers.base import BalancerError, BalancerSpec, Health, HealthTable
from lab.balancers.rendering import render, revision
from lab.config import Settings
from lab.daemons import Daemon, DaemonError
from lab.fabric import Fabric, FabricError

_ROLE = "load-balancer-"
_UNCHECKED = ("", "INI", "UNK")


class HaproxyBalancers:
    """Load balancers outlive this object; it only knows how to act on them."""

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self._owner = f"lab-{settings.name}"
        self._logs = settings.state / "logs"
        self._folder = settings.state / "load-balancers"
        self._fabric = fabric

    async def apply(self, spec: BalancerSpec) -> None:
        await asyncio.to_thread(self._apply, spec)

    async def delete(self, balancer_id: int) -> None:
        await asyncio.to_thread(self._delete, balancer_id)

    async def health(self, balancer_id: int) -> HealthTable:
        return await asyncio.to_thread(self._health, balancer_id)

    def destroy_all(self) -> list[str]:
        """Remove every load balancer of this lab, but for its addresses; returns what was there."""
        roles = [role for role in daemons.running(self._owner) if role.startswith(_ROLE)]
        for role in roles:
            self._daemon(int(role.removeprefix(_ROLE))).stop()
        shutil.rmtree(self._folder, ignore_errors=True)
        return roles

    def _apply(self, spec: BalancerSpec) -> None:
        with _saying(spec.balancer_id):
            self._fabric.host_balancer(spec.balancer_id, spec.public, spec.private)
            if spec.services and (spec.public or spec.private):
                self._run(spec)
            else:
                self._daemon(spec.balancer_id).stop()

    def _delete(self, balancer_id: int) -> None:
        with _saying(balancer_id):
            self._daemon(balancer_id).stop()
            self._fabric.host_balancer(balancer_id, (), None)
            shutil.rmtree(self._files(balancer_id), ignore_errors=True)

    def _run(self, spec: BalancerSpec) -> None:
        """Start the process, or have it take up a changed configuration."""
        folder = self._files(spec.balancer_id)
        wanted = self._write(folder, spec)
        daemon = self._daemon(spec.balancer_id)

        def is_taken_up() -> bool:
            return self._revision(folder) == wanted

        if not daemon.leaders():
            daemon.start(["haproxy", "-W", "-f", str(folder / "haproxy.cfg")], ready=is_taken_up)
        elif not is_taken_up():
            daemon.reload(signal.SIGUSR2, ready=is_taken_up)
        _remove_others(folder / "certificates", spec)

    def _write(self, folder: Path, spec: BalancerSpec) -> str:
        """All files of a configuration that HAProxy accepts, with the health found so far; gives its revision."""
        certificates = folder / "certificates"
        certificates.mkdir(parents=True, exist_ok=True)
        for service in spec.services:
            for certificate in service.certificates:
                path = certificates / f"{certificate.id}.pem"
                path.touch(mode=0o600)
                path.write_text(certificate.pem, encoding="ascii")
        (folder / "state").write_text(_ask(folder, "show servers state"), encoding="ascii")
        fresh = folder / "haproxy.cfg.new"
        text = render(spec, folder, self._fabric.router, self._fabric.private_namespace)
        fresh.write_text(text, encoding="utf-8")
        _check(fresh)
        fresh.replace(folder / "haproxy.cfg")
        return revision(text)

    @staticmethod
    def _revision(folder: Path) -> str:
        """What the running process was configured with; empty where none runs."""
        info = dict(line.partition(": ")[::2] for line in _ask(folder, "show info").splitlines())
        return info.get("description", "")

    def _health(self, balancer_id: int) -> HealthTable:
        table = _ask(self._files(balancer_id), "show stat -1 4 -1").removeprefix("# ")
        return {
            (int(row["pxname"].removeprefix("service_")), ip_address(row["svname"])): _health_of(row)
            for row in csv.DictReader(table.splitlines())
        }

    def _files(self, balancer_id: int) -> Path:
        return self._folder / str(balancer_id)

    def _daemon(self, balancer_id: int) -> Daemon:
        role = f"{_ROLE}{balancer_id}"
        return Daemon(self._owner, role, self._logs / f"{role}.log")


def _check(config: Path) -> None:
    """Refuse a configuration that HAProxy does not accept."""
    try:
        done = subprocess.run(["haproxy", "-c", "-f", str(config)], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BalancerError("haproxy is not installed; scripts/setup installs what the lab needs") from None
    if done.returncode:
        raise BalancerError(f"haproxy refuses its configuration: {done.stderr.strip()}")


def _health_of(row: dict[str, str]) -> Health:
    """A check that runs just now is told by an asterisk before the result of the last one."""
    if row["check_status"].removeprefix("* ") in _UNCHECKED:
        return "unknown"
    return "healthy" if row["status"].startswith("UP") else "unhealthy"


def _ask(folder: Path, command: str) -> str:
    """The running process's answer; empty where none runs."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(5)
        try:
            connection.connect(str(folder / "stats"))
            connection.sendall(f"{command}\n".encode())
            return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
        except OSError:
            return ""


def _remove_others(certificates: Path, spec: BalancerSpec) -> None:
    used = {f"{certificate.id}.pem" for service in spec.services for certificate in service.certificates}
    for path in certificates.iterdir():
        if path.name not in used:
            path.unlink()


@contextmanager
def _saying(balancer_id: int) -> Iterator[None]:
    """Say what went wrong in one sentence."""
    try:
        yield
    except (FabricError, DaemonError) as error:
        raise BalancerError(f"load balancer {balancer_id}: {error}") from error
