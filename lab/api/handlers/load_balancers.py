# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on load balancers: what changes a record changes what runs, first."""

from __future__ import annotations

from lab.api.actions import FailedActionError
from lab.api.cloud import Cloud
from lab.api.models.action import Action
from lab.api.models.load_balancer import LoadBalancer

_CHANGES = (
    "add_service",
    "update_service",
    "delete_service",
    "add_target",
    "remove_target",
    "detach_from_network",
    "change_algorithm",
    "change_load_balancer_type",
    "change_protection",
    "change_dns_ptr",
    "enable_public_interface",
    "disable_public_interface",
)


class LoadBalancerHandlers:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._table = cloud.project.load_balancers

    def register(self) -> None:
        handle = self._cloud.actions.handle
        for command in _CHANGES:
            handle("load_balancer", command, self._change, self._leave)
        handle("load_balancer", "create_load_balancer", self._attach, self._delete)
        handle("load_balancer", "attach_to_network", self._attach, self._release)
        handle("load_balancer", "delete_load_balancer", self._delete, self._leave)

    def _balancer(self, action: Action) -> LoadBalancer:
        balancer = self._table.get(action.first("load_balancer"))
        if balancer is None:
            raise FailedActionError("not_found", f"load balancer {action.first('load_balancer')} is gone")
        return balancer

    async def _change(self, action: Action) -> None:
        """The arguments are the record's new fields."""
        await self._cloud.load_balancers.change(self._balancer(action).id, action.arguments)

    async def _attach(self, action: Action) -> None:
        """Run it, in the network where it has a place reserved."""
        balancer = self._balancer(action)
        net = balancer.private_net and balancer.private_net.model_copy(update={"attached": True})
        changes = {"private_net": net.model_dump()} if net else {}
        await self._cloud.load_balancers.change(balancer.id, changes)

    async def _release(self, action: Action) -> None:
        """Give back the address in a network that could not be joined."""
        if self._table.get(action.first("load_balancer")) is not None:
            self._table.update(action.first("load_balancer"), private_net=None)

    async def _delete(self, action: Action) -> None:
        await self._cloud.load_balancers.delete(action.first("load_balancer"))

    async def _leave(self, action: Action) -> None:
        """What was not changed needs no repair."""
