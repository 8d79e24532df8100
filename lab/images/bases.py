# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the servers' image stands on: Ubuntu from a public registry, or Debian made from its packages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import docker
import httpx
from docker.errors import DockerException

from lab.config import Settings
from lab.images import apps, building, debian
from lab.images.building import ImageError
from lab.machines.platforms import Kind, NodeImage

UPSTREAM = "https://registry-1.docker.io"
_NODE = Path(__file__).parent / "node"


@dataclass(frozen=True)
class Base:
    """actual: the operating system by its name. serves: the API's image that it truly is."""

    reference: str
    actual: str
    serves: str


UBUNTU = Base("docker.io/library/ubuntu:22.04", "Ubuntu 22.04", "ubuntu-22.04")


def upstream_answers() -> bool:
    """Whether the public registry can be reached, found out within seconds."""
    try:
        return httpx.get(f"{UPSTREAM}/v2/", timeout=3).status_code in (200, 401)
    except httpx.HTTPError:
        return False


def debian_base(client: docker.DockerClient, settings: Settings) -> Base:
    """The lab's own Debian, the one that the applications' images stand on."""
    epoch = apps.source_date()
    base = Base(f"triad-lab/base:{debian.recipe(epoch)}", "Debian 13 (trixie)", "debian-13")
    if building.find(client, base.reference) is None:
        repository, _, tag = base.reference.partition(":")
        client.api.import_image(src=str(debian.tarball(settings, epoch)), repository=repository, tag=tag)
    return base


def node(client: docker.DockerClient, settings: Settings, kind: Kind, say: Callable[[str], None]) -> NodeImage:
    """The image that servers of a kind are made from, built when missing.

    What is there is taken, Ubuntu first; LAB_NODE_BASE insists on one of them. say is told what takes long.
    """
    with building.alone(settings.cache):
        for base in _candidates(client, settings):
            if building.find(client, _node_reference(base, kind)) is not None:
                return _as_node(base, kind)
        base = _pull_ubuntu(client, settings, say) or debian_base(client, settings)
        say(f"building the servers' image on {base.actual}")
        reference = _node_reference(base, kind)
        building.build(client, _NODE, reference, arguments={"BASE": base.reference}, target=kind)
        return _as_node(base, kind)


def _candidates(client: docker.DockerClient, settings: Settings) -> list[Base]:
    candidates = [UBUNTU] if settings.node_base in ("auto", "ubuntu") else []
    if settings.node_base in ("auto", "debian"):
        candidates.append(debian_base(client, settings))
    return candidates


def _pull_ubuntu(client: docker.DockerClient, settings: Settings, say: Callable[[str], None]) -> Base | None:
    """Ubuntu, or None where Debian is wanted or must do; ImageError where only Ubuntu is wanted."""
    if settings.node_base == "debian":
        return None
    reason = f"{UPSTREAM} does not answer"
    if upstream_answers():
        try:
            repository, _, tag = UBUNTU.reference.partition(":")
            client.images.pull(repository, tag)
        except DockerException as error:
            reason = str(error)
        else:
            return UBUNTU
    if settings.node_base == "ubuntu":
        raise ImageError(f"LAB_NODE_BASE is ubuntu, which cannot be pulled: {reason}. Set it to auto or debian.")
    say(f"Ubuntu cannot be pulled ({reason}): Debian stands in for it")
    return None


def _node_reference(base: Base, kind: Kind) -> str:
    return f"triad-lab/node-{kind}:{building.content_hash(_NODE, base.reference)}"


def _as_node(base: Base, kind: Kind) -> NodeImage:
    return NodeImage(_node_reference(base, kind), base.actual, base.serves)
