# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What one does with a lab as a whole: bring it up, take it down, look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import httpx
from pydantic import SecretStr, ValidationError

from lab import daemons, inventory
from lab.api.server import listen
from lab.api.settings import Settings as ApiSettings
from lab.balancers.base import Balancers
from lab.balancers.haproxy import HaproxyBalancers
from lab.balancers.none import NoBalancers
from lab.config import Settings, SettingsError
from lab.daemons import Daemon
from lab.engine import Engine
from lab.fabric import Fabric
from lab.fabric.tools import run
from lab.hosting import Hosting
from lab.images import apps, bases
from lab.images.apps import AppImage
from lab.machines.platforms import Platform
from lab.registry import Registry

_NO_MACHINES = {"name": "none", "why": "LAB_MACHINES asks for the API alone", "runs": None}


class LabError(Exception):
    """What cannot be done with the lab, and the way out."""


class Progress(Protocol):
    """Shows steps to a person."""

    def step(self, title: str) -> AbstractContextManager[Callable[[str], None]]:
        """Wrap a step; what it yields notes what is going on."""


class Lab:
    """One lab and all its parts. Every method may be called at any time, whatever state a crash has left."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings.with_token()
        self.engine = Engine(settings)
        self.fabric = Fabric(settings)
        self.hosting = Hosting(settings, self.engine, self.fabric)
        self.registry = Registry(settings, self.fabric)
        self._balancers = HaproxyBalancers(settings, self.fabric)
        self._owner = f"lab-{settings.name}"
        logs = settings.state / "logs"
        self._egress = Daemon(self._owner, "egress", logs / "egress.log")
        self._api = Daemon(self._owner, "api", logs / "api.log")

    def up(self, progress: Progress) -> bool:
        """Bring everything up; returns whether anything had to be started or built."""
        self._check_name()
        # One that runs and does not answer has lost its state or its mind.
        if not self.answers():
            self._api.stop()
        started = not self._api.pids()
        if started:
            listen(self.settings.api_host, self.settings.api_port).close()
        if self.settings.machines != "none":
            started |= self._up_machines(progress)
        with progress.step("cloud API"):
            serve = [sys.executable, "-m", "lab.cli", "serve", "--state", str(self.settings.state)]
            self._api.start(serve, ready=self.answers)
        return started

    def _check_name(self) -> None:
        """Refuse to touch another lab that has the same name, and its state elsewhere; one without state is lost."""
        for pid in self._api.leaders():
            with suppress(OSError, ValueError):
                command = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8").split("\0")
                state = command[command.index("--state") + 1]
                if Path(state) != self.settings.state and Path(state).is_dir():
                    raise LabError(
                        f"there is another lab called {self.settings.name}, with its state in {state}: "
                        "set LAB_NAME to another name, or LAB_STATE to that folder"
                    )

    def _push(self, images: dict[str, AppImage], say: Callable[[str], None]) -> None:
        for name, image in images.items():
            if self.registry.push(image):
                say(f"pushed {name}")

    def _up_machines(self, progress: Progress) -> bool:
        with progress.step("container engine"):
            self.fabric.check()
            client = self.engine.start()
            self.hosting.destroy_strays(client)
        with progress.step("networks"):
            started = not self.fabric.is_up
            self.fabric.up()
            self._egress.start(self.fabric.egress_command(), ready=self.fabric.has_egress)
        with progress.step("image of the servers") as say:
            self.hosting.prepare(client, say)
        with progress.step("images of the applications") as say:
            images, built = apps.build(self.settings, say)
        with progress.step("registry") as say:
            started |= self.registry.start()
            # Asked once per lab: where the public registry is out of reach, asking costs seconds.
            if started and bases.upstream_answers():
                self.registry.start_mirror()
            self._push(images, say)
        inventory.write(self.settings, self.registry, self.hosting.platform.kind)
        return started or bool(built)

    def down(self, progress: Progress) -> list[str]:
        """Remove all that runs or lies around; returns what was there. LabError names what could not be removed."""
        self._check_name()
        gone = self._hang_up()
        with progress.step("cloud API"):
            gone += ["cloud API"] if self._api.stop() else []
        with progress.step("machines") as say:
            gone += self.hosting.destroy_all(say)
        with progress.step("load balancers"):
            gone += self._balancers.destroy_all()
        with progress.step("registry and networks"):
            gone += self.registry.stop()
            gone += ["egress"] if self._egress.stop() else []
            gone += self.fabric.down()
        with progress.step("container engine"):
            gone += self.engine.release()
            apps.clear_away(self.settings)
        self._forget()
        self._verify()
        return gone

    def api_settings(self, **changes: Any) -> ApiSettings:
        """What the API of this lab is served with; ``changes`` are fields of it. SettingsError names a bad one."""
        settings = self.settings
        fields = {
            "host": settings.api_host,
            "port": settings.api_port,
            "token": SecretStr(settings.token),
            "state_file": settings.state / "api.sqlite",
            "public_ipv4": settings.public_network,
            "public_ipv6": settings.public_network6,
        }
        try:
            return ApiSettings.model_validate(fields | changes)
        except ValidationError as error:
            problems = (f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
            raise SettingsError("; ".join(problems)) from None

    def balancers(self) -> Balancers:
        """The load balancers behind the API."""
        if self.settings.machines == "none":
            return NoBalancers()
        return self._balancers

    def answers(self) -> bool:
        """Whether the API answers, to this lab's token."""
        try:
            return self._get("locations").is_success
        except httpx.HTTPError:
            return False

    def status(self) -> dict[str, Any]:
        """All there is to know, as plain data; see docs of ``lab status --json``."""
        up = self.answers()
        platform = self.hosting.known
        running = daemons.running(self._owner)
        return {
            "name": self.settings.name,
            "up": up,
            "api": self.settings.endpoint,
            "backend": _told(platform) if self.settings.machines != "none" else _NO_MACHINES,
            "engine": {"own": self.engine.own} if platform else None,
            "node_image": asdict(platform.image) if platform else None,
            "registry": (
                {"address": self.registry.address, "ca_file": str(self.registry.ca_file)}
                if self.registry.is_up
                else None
            ),
            "mirror": self.registry.mirror_url,
            "processes": running,
            "servers": self._servers() if up else [],
            "load_balancers": self._load_balancers() if up else [],
        }

    def _servers(self) -> list[dict[str, Any]]:
        networks = {network["id"]: network["name"] for network in self._list("networks")}
        platform = self.hosting.known
        servers = []
        for server in self._list("servers"):
            public = server["public_net"]
            boots = asdict(platform.image.boots(server["image"]["name"])) if platform else {}
            servers.append(
                {
                    "id": server["id"],
                    "name": server["name"],
                    "status": server["status"],
                    "location": server["location"]["name"],
                    "image": server["image"]["name"],
                    "image_actual": boots.get("actual"),
                    "image_stand_in": boots.get("stand_in"),
                    "public_ipv4": public["ipv4"] and public["ipv4"]["ip"],
                    "public_ipv6": public["ipv6"] and public["ipv6"]["ip"],
                    "private_ips": {networks[net["network"]]: net["ip"] for net in server["private_net"]},
                }
            )
        return servers

    def _load_balancers(self) -> list[dict[str, Any]]:
        """Each with the health of its targets: how many of which, by listen port."""
        networks = {network["id"]: network["name"] for network in self._list("networks")}
        balancers = []
        for balancer in self._list("load_balancers"):
            public = balancer["public_net"]
            ends = [end for target in balancer["targets"] for end in target.get("targets", [target])]
            health = {
                service["listen_port"]: Counter(
                    status["status"]
                    for end in ends
                    for status in end["health_status"]
                    if status["listen_port"] == service["listen_port"]
                )
                for service in balancer["services"]
            }
            balancers.append(
                {
                    "id": balancer["id"],
                    "name": balancer["name"],
                    "type": balancer["load_balancer_type"]["name"],
                    "public_ipv4": public["ipv4"]["ip"] if public["enabled"] else None,
                    "public_ipv6": public["ipv6"]["ip"] if public["enabled"] else None,
                    "private_ips": {networks[net["network"]]: net["ip"] for net in balancer["private_net"]},
                    "health": health,
                }
            )
        return balancers

    def _list(self, kind: str) -> list[dict[str, Any]]:
        """All resources of a kind, over all pages."""
        found: list[dict[str, Any]] = []
        page: int | None = 1
        while page is not None:
            answer = self._get(f"{kind}?per_page=50&page={page}").raise_for_status().json()
            found += answer[kind]
            page = answer["meta"]["pagination"]["next_page"]
        return found

    def _get(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.settings.token}"}
        return httpx.get(f"{self.settings.endpoint}/{path}", headers=headers, timeout=5, trust_env=False)

    def _hang_up(self) -> list[str]:
        """End SSH connections to the servers: Ansible keeps them open for a minute, for its next task."""
        networks = (self.settings.public_network, self.settings.public_network6)
        peers = " or ".join(f"dst {network}" for network in networks)
        connections = run(["ss", "--no-header", "--tcp", "--numeric", "--processes", f"( {peers} )"])
        pids = {int(pid) for pid in re.findall(r'"ssh",pid=(\d+)', connections)}
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        return ["SSH connections"] if pids else []

    def _forget(self) -> None:
        state = self.settings.state
        for folder in ("machines", "registry", "inventory", "ssh"):
            shutil.rmtree(state / folder, ignore_errors=True)
        for file in (*state.glob("api.sqlite*"), state / "token", state / "known_hosts"):
            file.unlink(missing_ok=True)
        self.hosting.forget()

    def _verify(self) -> None:
        left = [f"process {role}" for role in daemons.running(self._owner)] + self.fabric.left()
        if left:
            raise LabError(f"still there: {', '.join(left)}")


def _told(platform: Platform | None) -> dict[str, Any]:
    """The kind of machine that servers are, why, and how such machines run here."""
    if platform is None:
        return {"name": "none", "why": "the lab was not up yet", "runs": None}
    return {
        "name": platform.kind,
        "why": platform.why,
        "runs": str(platform.emulation) if platform.emulation else "on this host's kernel",
    }
