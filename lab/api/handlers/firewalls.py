# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that bring firewalls into effect."""

from __future__ import annotations

from lab.api.cloud import Cloud
from lab.api.models.action import Action


class FirewallHandlers:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    def register(self) -> None:
        for command in ("apply_firewall", "remove_firewall", "set_firewall_rules"):
            self._cloud.actions.handle("firewall", command, self._enforce, self._leave)

    async def _enforce(self, action: Action) -> None:
        """The rules are in the record already; the servers named by the action get them now."""
        for resource in action.resources:
            if resource.type == "server":
                await self._cloud.machines.enforce(resource.id)

    async def _leave(self, action: Action) -> None:
        """Rules that are not in effect show as pending."""
