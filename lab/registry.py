# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's registry, beside the machines' gateway, and a mirror of the public one where that answers.

Both speak TLS by an authority of the lab. Our images are only in the first, under names of their own.
"""

from __future__ import annotations

import json
import ssl
import subprocess
from pathlib import Path

import httpx

from lab import certificates
from lab.config import Settings
from lab.daemons import Daemon
from lab.fabric import Fabric
from lab.fabric.addresses import NAME_SERVER
from lab.images.apps import AppImage
from lab.images.bases import UPSTREAM
from lab.images.building import ImageError

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


class Registry:
    """address: its name in image references. mirror_url: where the mirror listens, if there is one."""

    def __init__(self, settings: Settings, fabric: Fabric) -> None:
        self.address = settings.registry
        self.mirror_address = f"{settings.router_address}:5001"
        self._settings = settings
        self._fabric = fabric
        self._folder = settings.state / "registry"
        self.ca_file = self._folder / "ca.crt"
        self._registry = self._daemon("registry")
        self._mirror = self._daemon("mirror")

    def start(self) -> bool:
        """Start the registry; returns whether it had to be started."""
        started = not self._registry.pids()
        self._write_certificates()
        config = self._write_config("registry", self.address, "")
        command = self._fabric.in_router(["docker-registry", "serve", str(config)])
        self._registry.start(command, ready=lambda: self._answers(self.address))
        return started

    def start_mirror(self) -> None:
        """Start the mirror of the public registry, which finds it through the machines' way to the internet."""
        resolver = self._folder / "resolv.conf"
        resolver.write_text(f"nameserver {NAME_SERVER}\n", encoding="utf-8")
        config = self._write_config("mirror", self.mirror_address, UPSTREAM)
        # The router's processes see the host's files; a host's name server may listen on its loopback only.
        script = 'mount --bind "$1" /etc/resolv.conf && exec docker-registry serve "$2"'
        command = self._fabric.in_router(["sh", "-c", script, "mirror", str(resolver), str(config)])
        self._mirror.start(command, ready=lambda: self._answers(self.mirror_address))

    @property
    def is_up(self) -> bool:
        return bool(self._registry.pids())

    @property
    def mirror_url(self) -> str | None:
        return f"https://{self.mirror_address}" if self._mirror.pids() else None

    def authorities(self) -> dict[str, str]:
        """The certificate authority, PEM, of every registry that runs, by the registry's address."""
        text = self.ca_file.read_text(encoding="ascii")
        addresses = [self.address, self.mirror_address] if self.mirror_url else [self.address]
        return dict.fromkeys(addresses, text)

    def push(self, image: AppImage) -> bool:
        """Push an image unless the registry has it under this name; layers stay uncompressed, pulling is next door."""
        if self._holds(image):
            return False
        target = image.in_registry(self.address)
        command = [
            "skopeo", "copy", "--quiet", "--preserve-digests", "--dest-cert-dir", str(self._folder / "trust"),
            f"docker-archive:{image.archive}", f"docker://{target}",
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            raise ImageError("skopeo is not installed; scripts/setup installs what the lab needs") from None
        if done.returncode:
            raise ImageError(f"{target} cannot be pushed: {done.stderr.strip()}")
        return True

    def stop(self) -> list[str]:
        return [daemon.role for daemon in (self._mirror, self._registry) if daemon.stop()]

    def _daemon(self, role: str) -> Daemon:
        return Daemon(f"lab-{self._settings.name}", role, self._settings.state / "logs" / f"{role}.log")

    def _write_certificates(self) -> None:
        if self.ca_file.exists():
            return
        issued = certificates.issue(self._settings.router_address, self._settings.name)
        trust = self._folder / "trust"
        trust.mkdir(parents=True, exist_ok=True)
        key = self._folder / "server.key"
        key.touch(mode=0o600)
        key.write_bytes(issued.key)
        (self._folder / "server.crt").write_bytes(issued.certificate)
        (trust / "ca.crt").write_bytes(issued.authority)
        self.ca_file.write_bytes(issued.authority)

    def _write_config(self, role: str, address: str, upstream: str) -> Path:
        config = {
            "version": "0.1",
            "log": {"level": "warn", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self._settings.cache / role / self._settings.name)},
                "delete": {"enabled": True},
            },
            "http": {
                "addr": address,
                "tls": {"certificate": str(self._folder / "server.crt"), "key": str(self._folder / "server.key")},
            },
        }
        if upstream:
            config["proxy"] = {"remoteurl": upstream}
        path = self._folder / f"{role}.yml"
        # JSON is YAML.
        path.write_text(json.dumps(config, indent=2), encoding="utf-8")
        return path

    def _client(self, address: str) -> httpx.Client:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.Client(base_url=f"https://{address}", verify=context, timeout=10, trust_env=False)

    def _answers(self, address: str) -> bool:
        try:
            with self._client(address) as client:
                return client.get("/v2/").status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    def _holds(self, image: AppImage) -> bool:
        """Whether the registry's image of this name is this image: a manifest names the id it configures."""
        repository, _, tag = image.in_registry(self.address).partition("/")[2].rpartition(":")
        with self._client(self.address) as client:
            answer = client.get(f"/v2/{repository}/manifests/{tag}", headers={"Accept": _MANIFEST})
        return answer.is_success and answer.json().get("config", {}).get("digest") == image.image_id
