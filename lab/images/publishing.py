# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pushing the applications' images to a registry of the user's, each with its SBOMs beside it."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import re
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.images.apps import AppImage
from lab.images.building import ImageError

# A host has a dot or a port, or is this machine; anything else would be taken for a name at Docker Hub.
_REGISTRY = re.compile(r"(localhost|[\w-]+(\.[\w-]+)+|[\w.-]+(?=:))(:\d+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*", re.ASCII)
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_TYPES = {"cdx": "application/vnd.cyclonedx+json", "spdx": "application/spdx+json"}


@dataclass(frozen=True)
class Pushed:
    """reference: the image's name with its version and its digest. sbom_problem: why its SBOMs are not beside it."""

    reference: str
    sbom_problem: str = ""


class Publisher:
    """registry: HOST[:PORT][/PATH]. plain_http: whether it may be asked without TLS, or with any certificate."""

    def __init__(self, registry: str, *, plain_http: bool = False) -> None:
        if not _REGISTRY.fullmatch(registry):
            raise ImageError(
                f"'{registry}' is no registry: write HOST[:PORT][/PATH], such as registry.example.com/team, without "
                "https:// and in small letters"
            )
        self._registry = registry
        self._tls = "false" if plain_http else "true"

    def push(self, image: AppImage) -> Pushed:
        """Push an image and its SBOMs; ImageError says why the image could not be."""
        name = image.in_registry(self._registry)
        with tempfile.TemporaryDirectory() as folder:
            told = Path(folder) / "digest"
            # The one who is logged in writes it.
            told.touch()
            told.chmod(0o666)
            Path(folder).chmod(0o755)
            _skopeo(
                name, "copy", f"--dest-tls-verify={self._tls}", "--digestfile", str(told),
                f"docker-archive:{image.archive}", f"docker://{name}",
            )  # fmt: skip
            digest = told.read_text(encoding="ascii").strip()
        repository = name.rpartition(":")[0]
        try:
            self._attach(image, repository, digest)
        except ImageError as error:
            return Pushed(f"{name}@{digest}", str(error))
        return Pushed(f"{name}@{digest}")

    def _attach(self, image: AppImage, repository: str, digest: str) -> None:
        """Push the SBOMs as what refers to the image, under the tag by which old registries find such things."""
        raw = _skopeo(repository, "inspect", "--raw", f"--tls-verify={self._tls}", f"docker://{repository}@{digest}")
        subject = {"mediaType": json.loads(raw)["mediaType"], "digest": digest, "size": len(raw)}
        with tempfile.TemporaryDirectory() as folder:
            layout(Path(folder), subject, image.sboms)
            tag = digest.replace(":", "-")
            _skopeo(
                f"{repository}:{tag}", "copy", "--all", f"--dest-tls-verify={self._tls}",
                f"oci:{folder}:sbom", f"docker://{repository}:{tag}",
            )  # fmt: skip


def layout(folder: Path, subject: dict[str, Any], files: dict[str, Path]) -> None:
    """Write the files as an OCI layout: an index, ``sbom``, of artifacts that refer to the subject."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)

    def put(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    empty = put(b"{}", "application/vnd.oci.empty.v1+json")
    artifacts = []
    for form, path in files.items():
        layer = put(path.read_bytes(), _TYPES[form])
        manifest = {
            "schemaVersion": 2, "mediaType": _MANIFEST, "artifactType": _TYPES[form], "config": empty,
            "layers": [{**layer, "annotations": {"org.opencontainers.image.title": path.name}}], "subject": subject,
        }  # fmt: skip
        artifacts.append({**put(json.dumps(manifest).encode(), _MANIFEST), "artifactType": _TYPES[form]})
    index = put(json.dumps({"schemaVersion": 2, "mediaType": _INDEX, "manifests": artifacts}).encode(), _INDEX)
    named = {**index, "annotations": {"org.opencontainers.image.ref.name": "sbom"}}
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [named]}), encoding="utf-8")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}', encoding="ascii")
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _skopeo(target: str, *arguments: str) -> bytes:
    """What skopeo prints. It runs as who has called sudo, whose log-in at the registry it is."""
    caller = os.environ.get("SUDO_UID", "")
    as_caller: dict[str, Any] = {}
    if caller and os.geteuid() == 0:
        account = pwd.getpwuid(int(caller))
        as_caller = {
            "user": account.pw_uid, "group": account.pw_gid, "extra_groups": [], "env": {
                **os.environ, "HOME": account.pw_dir, "XDG_RUNTIME_DIR": f"/run/user/{account.pw_uid}",
            },
        }  # fmt: skip
    try:
        done = subprocess.run(["skopeo", *arguments], capture_output=True, check=False, **as_caller)
    except FileNotFoundError:
        raise ImageError("skopeo is not installed; scripts/setup installs what the lab needs") from None
    if done.returncode:
        raise ImageError(explained(target, done.stderr.decode(errors="replace").strip()))
    printed: bytes = done.stdout
    return printed


def explained(target: str, problem: str) -> str:
    """A failure and what to do about it."""
    host = target.partition("/")[0]
    words = problem.lower()
    if any(word in words for word in ("unauthorized", "denied", "authentication required", "forbidden")):
        advice = f"Log in first: docker login {host} (or skopeo login {host}), as a user that may push there."
    elif "http response to https client" in words or "does not look like a tls handshake" in words:
        advice = "The registry speaks plain HTTP; PLAIN_HTTP=yes allows that."
    elif "x509" in words or "certificate" in words:
        advice = f"Put the certificate of its authority in /etc/docker/certs.d/{host}/ca.crt."
    else:
        advice = "Is the registry reachable from here, and is its name right?"
    return f"{target} cannot be pushed: {problem}\n{advice}"
