# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that change a record and no machine: their arguments are the record's new fields."""

from __future__ import annotations

from typing import Any

from lab.api.actions import FailedActionError, Handler
from lab.api.cloud import Cloud
from lab.api.models.action import Action
from lab.api.project import Table

_SERVER = (
    "change_protection",
    "enable_backup",
    "add_to_placement_group",
    "remove_from_placement_group",
    "attach_iso",
    "detach_iso",
)
_NETWORK = ("add_subnet", "delete_subnet", "add_route", "delete_route", "change_ip_range", "change_protection")
_ADDRESS = ("change_protection", "change_dns_ptr")
_FLOATING_IP = (*_ADDRESS, "assign_floating_ip", "unassign_floating_ip")
_VOLUME = ("change_protection", "attach_volume", "detach_volume", "resize_volume")


def register_amendments(cloud: Cloud) -> None:
    project, handle = cloud.project, cloud.actions.handle
    for kind, table, commands in (
        ("server", project.servers, _SERVER),
        ("network", project.networks, _NETWORK),
        ("primary_ip", project.primary_ips, _ADDRESS),
        ("floating_ip", project.floating_ips, _FLOATING_IP),
        ("volume", project.volumes, _VOLUME),
        ("image", project.images, ("change_protection",)),
    ):
        for command in commands:
            handle(kind, command, _amend(cloud, table), _leave)
    handle("server", "change_dns_ptr", _amend(cloud, project.primary_ips, "primary_ip"), _leave)
    handle("volume", "create_volume", _amend(cloud, project.volumes), _remove(project.volumes))


def _amend(cloud: Cloud, table: Table[Any], target: str | None = None) -> Handler:
    async def run(action: Action) -> None:
        record_id = action.first(target) if target else action.resources[0].id
        if table.get(record_id) is None:
            raise FailedActionError("not_found", f"{table.label} {record_id} is gone")
        for ref in action.resources:
            if ref.type == "server" and cloud.project.servers.get(ref.id) is None:
                raise FailedActionError("not_found", f"server {ref.id} is gone: it was deleted or never made")
        table.amend(record_id, action.arguments)

    return run


def _remove(table: Table[Any]) -> Handler:
    """What could not be made does not stay."""

    async def undo(action: Action) -> None:
        table.remove(action.resources[0].id)

    return undo


async def _leave(action: Action) -> None:
    """A record that was not changed needs no repair."""
