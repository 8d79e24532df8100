# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""All parts of one running API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

from fastapi import Depends, Path, Request

from lab.api.actions import Actions
from lab.api.catalog.images import Images
from lab.api.connections import Connections
from lab.api.errors import locked
from lab.api.faults import Faults
from lab.api.journal import Journal
from lab.api.load_balancers import LoadBalancers
from lab.api.machines import Machines
from lab.api.models.action import Ref
from lab.api.models.load_balancer import LoadBalancer
from lab.api.models.server import Server
from lab.api.project import Project
from lab.api.ratelimit import RateLimit
from lab.api.settings import Settings
from lab.api.store import Store
from lab.balancers.base import Balancers
from lab.machines.base import MachineBackend


class Cloud:
    """What routes and handlers work with."""

    def __init__(self, settings: Settings, backend: MachineBackend, balancers: Balancers) -> None:
        self.settings = settings
        self.project = Project(Store(settings.state_file))
        self.faults = Faults(settings.faults)
        self.journal = Journal()
        self.connections = Connections()
        self.rate_limit = RateLimit(settings.rate_limit)
        self.images = Images(self.project, backend)
        self.machines = Machines(self.project, backend)
        self.load_balancers = LoadBalancers(self.project, balancers)
        self.actions = Actions(self.project, settings, self.faults)

    def free_server(self, server_id: int) -> Server:
        """The server that a path names; refused while an action locks it."""
        server = self.project.servers.require(server_id)
        if self.actions.locked(Ref("server", server_id)):
            raise locked(f"server '{server.name}'")
        return server

    def free_load_balancer(self, balancer_id: int) -> LoadBalancer:
        """The load balancer that a path names; refused while an action locks it."""
        balancer = self.project.load_balancers.require(balancer_id)
        if self.actions.locked(Ref("load_balancer", balancer_id)):
            raise locked(f"load balancer '{balancer.name}'")
        return balancer

    async def observe(self, servers: Iterable[Server]) -> None:
        """Note which servers really run; not of those that an action works on, whose status is the action's."""
        await self.machines.observe(server for server in servers if not self.actions.locked(Ref("server", server.id)))

    async def stop(self) -> None:
        await self.actions.close()
        await self.machines.backend.close()
        self.project.close()


def _cloud(request: Request) -> Cloud:
    cloud: Cloud = request.app.state.cloud
    return cloud


CloudDep = Annotated[Cloud, Depends(_cloud)]
PathId = Annotated[int, Path(alias="id")]
