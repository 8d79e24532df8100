# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images as the archives that ``docker load`` and skopeo read, without what a builder tells of itself."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def write(unpacked: Path, reference: str, archive: Path) -> str:
    """Write the archive of an image that Buildah has unpacked, its layers uncompressed; returns the image's id."""
    manifest = json.loads((unpacked / "manifest.json").read_bytes())
    told = json.loads((unpacked / _hex(manifest["config"])).read_bytes())
    configuration = json.dumps(configured(told), sort_keys=True, separators=(",", ":")).encode()
    image = hashlib.sha256(configuration).hexdigest()
    layers = [_hex(layer) for layer in manifest["layers"]]
    listed = [
        {"Config": f"{image}.json", "RepoTags": [reference], "Layers": [f"{layer}.tar" for layer in layers]}
    ]  # fmt: skip
    with tarfile.open(archive, "w") as output:
        _add(output, f"{image}.json", configuration)
        for layer in dict.fromkeys(layers):
            entry = tarfile.TarInfo(f"{layer}.tar")
            entry.size = (unpacked / layer).stat().st_size
            with (unpacked / layer).open("rb") as content:
                output.addfile(entry, content)
        _add(output, "manifest.json", json.dumps(listed).encode())
    return f"sha256:{image}"


def configured(told: Mapping[str, Any]) -> dict[str, Any]:
    """An image's configuration without the names and numbers of the containers that it was built in."""
    kept = ("architecture", "config", "created", "history", "os", "rootfs", "variant")
    configuration = {name: told[name] for name in kept if name in told}
    configuration["config"] = {name: value for name, value in told["config"].items() if name != "Hostname"}
    configuration["history"] = [
        {name: value for name, value in step.items() if name != "comment"} for step in told["history"]
    ]
    return configuration


def image_id(archive: Path) -> str:
    """The id of the image in an archive that was written here: its configuration comes first."""
    with tarfile.open(archive) as source:
        return f"sha256:{source.getnames()[0].removesuffix('.json')}"


def _hex(descriptor: Mapping[str, Any]) -> str:
    return str(descriptor["digest"]).partition(":")[2]


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))
