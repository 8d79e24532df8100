# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Further versions of the app's images in the lab's registry: the same layers, with another configuration."""

from __future__ import annotations

import hashlib
import json
import ssl
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from lab.images.apps import APPS
from tests.acceptance.stage import Stage

VERSION = (APPS / "VERSION").read_text(encoding="utf-8").strip()
NEXT = f"{VERSION}-next"
VERSION_LABEL = "org.opencontainers.image.version"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def push(stage: Stage, service: str, version: str, command: Sequence[str] = (), environment: Sequence[str] = ()) -> str:
    """Give the registry a service's image once more under another version, which is returned.

    command: what it starts in place of its program, where that shall be something else. environment: what is added to
    its own, as NAME=VALUE.
    """
    told = stage.status()["registry"]
    trust = ssl.create_default_context(cafile=told["ca_file"])
    with httpx.Client(base_url=f"https://{told['address']}", verify=trust, timeout=30, trust_env=False) as registry:
        add(registry, service, version, command, environment)
    return version


def add(
    registry: httpx.Client, service: str, version: str, command: Sequence[str], environment: Sequence[str] = ()
) -> None:
    """Raises httpx.HTTPError where the registry does not take it."""
    base = f"/v2/voteapp/{service}"
    found = registry.get(f"{base}/manifests/{VERSION}", headers={"Accept": MANIFEST}).raise_for_status().json()
    kept = registry.get(f"{base}/blobs/{found['config']['digest']}").raise_for_status().json()
    configuration = json.dumps(configured(kept, version, command, environment), sort_keys=True).encode()
    digest = f"sha256:{hashlib.sha256(configuration).hexdigest()}"
    # Where the content goes, with a state of the registry's own in the query.
    place = httpx.URL(registry.post(f"{base}/blobs/uploads/").raise_for_status().headers["Location"])
    octets = {"Content-Type": "application/octet-stream"}
    put = registry.put(place.copy_merge_params({"digest": digest}), content=configuration, headers=octets)
    put.raise_for_status()
    manifest = {**found, "config": {**found["config"], "digest": digest, "size": len(configuration)}}
    told = {"Content-Type": MANIFEST}
    registry.put(f"{base}/manifests/{version}", content=json.dumps(manifest), headers=told).raise_for_status()


def configured(
    configuration: Mapping[str, Any], version: str, command: Sequence[str], environment: Sequence[str] = ()
) -> dict[str, Any]:
    """The configuration of an image, which its ID is the digest of, with a version and perhaps another command or
    more in its environment.
    """
    runs = configuration["config"]
    changed = {**runs, "Labels": {**(runs.get("Labels") or {}), VERSION_LABEL: version}}
    if environment:
        changed |= {"Env": [*(runs.get("Env") or []), *environment]}
    if command:
        changed |= {"Entrypoint": None, "Cmd": list(command)}
    return {**configuration, "config": changed}
