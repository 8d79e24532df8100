# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a server's interfaces: private networks and primary IPs."""

from __future__ import annotations

import logging
from functools import partial
from ipaddress import IPv4Address

from lab.api.actions import FailedActionError
from lab.api.cloud import Cloud
from lab.api.machines import Readdressing
from lab.api.models.action import Action
from lab.api.models.server import PrivateNet, Server
from lab.machines.base import MachineError

_log = logging.getLogger("lab.api")


class NetworkingHandlers:
    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._project = cloud.project
        self._backend = cloud.machines.backend

    def register(self) -> None:
        actions = self._cloud.actions
        actions.handle("server", "attach_to_network", self._attach, self._release)
        actions.handle("server", "detach_from_network", self._detach, self._leave)
        actions.handle("server", "change_alias_ips", self._change_alias_ips, self._leave)
        actions.handle("primary_ip", "assign_primary_ip", self._readdress, self._unassign)
        actions.handle("primary_ip", "unassign_primary_ip", self._unassign_and_readdress, self._leave)

    def _place(self, action: Action) -> tuple[Server, PrivateNet]:
        """The server and its place in the network, reserved when the action was asked for."""
        server = self._project.servers.get(action.first("server"))
        net = server.in_network(action.first("network")) if server else None
        if server is None or net is None:
            raise FailedActionError("not_found", f"server {action.first('server')} or its place in the network is gone")
        return server, net

    def _replace(self, server: Server, network: int, net: PrivateNet | None) -> None:
        nets = [other for other in server.private_net if other.network != network]
        self._project.servers.update(server.id, private_net=[*nets, net] if net else nets)

    async def _plug(self, server: Server, net: PrivateNet) -> None:
        network = self._project.networks.get(net.network)
        if network is None:
            raise FailedActionError("not_found", f"network {net.network} is gone")
        await self._backend.attach(server.id, self._cloud.machines.link(network, net))

    async def _plug_in(self, server: Server, net: PrivateNet) -> None:
        """As the cloud does it: the action may have ended when the machine has yet to see its interface."""
        fault = self._cloud.faults.for_interface()
        if fault is None:
            await self._plug(server, net)
        elif not fault.drop:
            self._cloud.actions.later(fault.delay, partial(self._plug_late, server, net))

    async def _plug_late(self, server: Server, net: PrivateNet) -> None:
        try:
            await self._plug(server, net)
        except (FailedActionError, MachineError) as error:
            _log.warning("the interface of server %s comes too late: %s", server.id, error)

    async def _attach(self, action: Action) -> None:
        server, net = self._place(action)
        await self._plug_in(server, net)
        server, net = self._place(action)
        self._replace(server, net.network, net.model_copy(update={"attached": True}))
        await self._cloud.load_balancers.follow()

    async def _release(self, action: Action) -> None:
        """Give back the addresses of an interface that could not be plugged."""
        server = self._project.servers.get(action.first("server"))
        if server is not None:
            self._replace(server, action.first("network"), None)

    async def _detach(self, action: Action) -> None:
        """The network itself may be gone already: deleting it detaches its servers."""
        await self._backend.detach(action.first("server"), action.first("network"))
        await self._release(action)
        await self._cloud.load_balancers.follow()

    async def _change_alias_ips(self, action: Action) -> None:
        server, net = self._place(action)
        aliases = [IPv4Address(ip) for ip in action.arguments["alias_ips"]]
        changed = net.model_copy(update={"alias_ips": aliases})
        await self._plug(server, changed)
        server, _ = self._place(action)
        self._replace(server, net.network, changed)

    async def _readdress(self, action: Action) -> None:
        server = self._project.servers.get(action.first("server"))
        if server is None:
            raise FailedActionError("not_found", f"server {action.first('server')} is gone")
        if not isinstance(self._backend, Readdressing):
            raise FailedActionError(
                "unsupported_error", f"machines of kind '{self._backend.name}' cannot change their public addresses"
            )
        machines = self._cloud.machines
        await self._backend.readdress(server.id, machines.public_net(server))
        await machines.enforce(machines.expect_firewalls(server).id)
        await self._cloud.load_balancers.follow()

    async def _unassign(self, action: Action) -> None:
        if self._project.primary_ips.get(action.first("primary_ip")) is not None:
            self._project.primary_ips.update(action.first("primary_ip"), assignee_id=None)

    async def _unassign_and_readdress(self, action: Action) -> None:
        await self._unassign(action)
        await self._readdress(action)

    async def _leave(self, action: Action) -> None:
        """What was not changed needs no repair."""
