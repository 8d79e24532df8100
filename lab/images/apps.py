# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of the applications: built from apps/, kept as archives, listed in a manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import docker

from lab.config import PROJECT, Settings
from lab.images import bases, building

APPS = PROJECT / "apps"
HOST_CA = Path("/etc/ssl/certs/ca-certificates.crt")
_KEPT_ARCHIVES = 3


@dataclass(frozen=True)
class AppImage:
    """reference: its name in an engine. image_id: the engine's id of it. archive: ``docker save`` of it."""

    reference: str
    image_id: str
    archive: str

    def in_registry(self, registry: str) -> str:
        """Its name in a registry."""
        return f"{registry}/voteapp/{self.reference.rpartition('/')[2]}"


def build_all(
    client: docker.DockerClient, settings: Settings, say: Callable[[str], None]
) -> tuple[dict[str, AppImage], list[str]]:
    """Every application's image by name, and the names of those that had to be built; writes the manifest."""
    version = (APPS / "VERSION").read_text(encoding="utf-8").strip()
    images, built = {}, []
    with building.alone(settings.cache):
        base = bases.debian(client, settings).reference
        for folder in sorted(path.parent for path in APPS.glob("*/Dockerfile")):
            reference = f"voteapp.internal/{folder.name}:{version}"
            digest = building.content_hash(folder, base, version)
            # Clones of different content share the engine, so that the name of the content decides what is there.
            kept_as = f"triad-lab/{folder.name}:{digest}"
            image = building.find(client, kept_as)
            if image is None:
                say(f"building {folder.name}")
                image = _build(client, folder, kept_as, base)
                built.append(folder.name)
            image.tag(*reference.rsplit(":", 1))
            image.reload()
            archive = settings.cache / "images" / f"{folder.name}-{digest}-{image.id.partition(':')[2][:12]}.tar"
            _archive(image, reference, archive)
            images[folder.name] = AppImage(reference, image.id, str(archive))
    manifest = manifest_path(settings)
    manifest.parent.mkdir(parents=True, exist_ok=True)
    manifest.write_text(json.dumps({name: asdict(image) for name, image in images.items()}, indent=2), "utf-8")
    return images, built


def manifest_path(settings: Settings) -> Path:
    """The file {name: {reference, image_id, archive}} that the last build wrote."""
    return settings.state / "images" / "images.json"


def _build(client: docker.DockerClient, folder: Path, reference: str, base: str) -> Any:
    # Only build stages use it, where packages come through a host whose certificates are its own.
    trust = {"host-ca.crt": HOST_CA.read_bytes()} if HOST_CA.exists() else {}
    return building.build(client, folder, reference, arguments={"BASE": base}, extra_files=trust)


def _archive(image: Any, reference: str, archive: Path) -> None:
    if archive.exists():
        return
    archive.parent.mkdir(parents=True, exist_ok=True)
    older = sorted(
        archive.parent.glob(f"{archive.name.partition('-')[0]}-*.tar"), key=lambda path: path.stat().st_mtime
    )
    for old in older[: 1 - _KEPT_ARCHIVES]:
        old.unlink()
    part = archive.with_suffix(".part")
    with part.open("wb") as output:
        for chunk in image.save(named=reference):
            output.write(chunk)
    part.replace(archive)
