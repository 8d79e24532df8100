# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Volumes and the servers that they are attached to."""

from __future__ import annotations

from collections.abc import Iterable

from lab.api.cloud import Cloud
from lab.api.errors import invalid_input, locked, refused
from lab.api.models.action import Action, Ref
from lab.api.models.volume import VOLUMES_PER_SERVER, Volume


def free_volume(cloud: Cloud, volume_id: int) -> Volume:
    """The volume that a path names; refused while an action locks it."""
    return _unlocked(cloud, cloud.project.volumes.require(volume_id))


def _unlocked(cloud: Cloud, volume: Volume) -> Volume:
    if cloud.actions.locked(Ref("volume", volume.id)):
        raise locked(f"volume '{volume.name}'")
    return volume


def require_attachable(volume: Volume, location: str, attached: int) -> None:
    """Refuse a volume that has a server, is elsewhere, or is one too many beside those ``attached``."""
    if volume.server is not None:
        raise refused("volume_already_attached", f"volume '{volume.name}' is already attached to a server")
    if volume.location != location:
        raise invalid_input("server", f"volume '{volume.name}' is in {volume.location}, the server is in {location}")
    require_volume_room(attached)


def require_volume_room(attached: int) -> None:
    if attached >= VOLUMES_PER_SERVER:
        raise refused("invalid_input", f"a server has at most {VOLUMES_PER_SERVER} volumes")


def attachable_volumes(cloud: Cloud, volume_ids: Iterable[int], location: str) -> list[Volume]:
    """The volumes that a new server asks for."""
    volumes: list[Volume] = []
    for volume_id in dict.fromkeys(volume_ids):
        volume = _unlocked(cloud, cloud.project.volumes.referenced(volume_id, "volumes"))
        require_attachable(volume, location, len(volumes))
        volumes.append(volume)
    return volumes


def begin_attachment(cloud: Cloud, volume: int, server: int, after: Action | None = None) -> Action:
    both = [Ref("volume", volume), Ref("server", server)]
    return cloud.actions.begin("attach_volume", both, arguments={"server": server}, after=after, locks=both)
