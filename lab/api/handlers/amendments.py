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
    "disable_backup",
    "add_to_placement_group",
    "remove_from_placement_group",
)
_NETWORK = ("add_subnet", "delete_subnet", "add_route", "delete_route", "change_ip_range", "change_protection")
_PRIMARY_IP = ("change_protection", "change_dns_ptr")


def register_amendments(cloud: Cloud) -> None:
    project = cloud.project
    for kind, table, commands in (
        ("server", project.servers, _SERVER),
        ("network", project.networks, _NETWORK),
        ("primary_ip", project.primary_ips, _PRIMARY_IP),
    ):
        for command in commands:
            cloud.actions.handle(kind, command, _amend(table), _leave)
    cloud.actions.handle("server", "change_dns_ptr", _amend(project.primary_ips, "primary_ip"), _leave)


def _amend(table: Table[Any], target: str | None = None) -> Handler:
    async def run(action: Action) -> None:
        record_id = action.first(target) if target else action.resources[0].id
        if table.get(record_id) is None:
            raise FailedActionError("not_found", f"{table.label} {record_id} is gone")
        table.amend(record_id, action.arguments)

    return run


async def _leave(action: Action) -> None:
    """A record that was not changed needs no repair."""
