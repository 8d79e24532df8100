# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a server's machine: life, power, disk, size."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from lab.api.actions import FailedActionError, Handler
from lab.api.cloud import Cloud
from lab.api.machines import Imaging, Resizing
from lab.api.models.action import Action
from lab.api.models.server import Server, Status


class ServerHandlers:
    """Every failed action leaves the server's status as its machine shows it."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._project = cloud.project
        self._backend = cloud.machines.backend

    def register(self) -> None:
        backend = self._backend
        actions = self._cloud.actions
        actions.handle("server", "create_server", self._create, self._discard)
        actions.handle("server", "delete_server", self._delete, self._settle)
        actions.handle("server", "rebuild_server", self._rebuild, self._settle)
        actions.handle("server", "change_server_type", self._change_type, self._settle)
        actions.handle("server", "shutdown_server", self._shutdown, self._settle)
        actions.handle("server", "disable_backup", self._disable_backup, self._settle)
        power: tuple[tuple[str, Callable[[int], Awaitable[None]], Status, Status], ...] = (
            ("start_server", backend.start, "starting", "running"),
            ("stop_server", backend.stop, "stopping", "off"),
            ("reboot_server", backend.reboot, "running", "running"),
            ("reset_server", backend.reset, "running", "running"),
        )
        for command, work, during, then in power:
            actions.handle("server", command, self._power(work, during, then), self._settle)

    def _server(self, action: Action) -> Server:
        server = self._project.servers.get(action.first("server"))
        if server is None:
            raise FailedActionError(
                "not_found", f"server {action.first('server')} is gone: it was deleted or never made"
            )
        return server

    def _power(self, work: Callable[[int], Awaitable[None]], during: Status, then: Status) -> Handler:
        async def run(action: Action) -> None:
            server = self._server(action)
            self._project.servers.update(server.id, status=during)
            await work(server.id)
            changes = {"status": then} if then == "off" else {"status": then, "rescue_enabled": False}
            self._project.servers.update(server.id, **changes)

        return run

    async def _shutdown(self, action: Action) -> None:
        """Asked is enough: whether the machine is off is seen later."""
        server = self._server(action)
        await self._backend.shutdown(server.id)
        await self._cloud.machines.observe([server], anew=True)

    async def _create(self, action: Action) -> None:
        server = self._server(action)
        await self._backend.create(self._cloud.machines.spec(server))
        self._project.servers.update(server.id, status="off")
        await self._cloud.load_balancers.follow()

    async def _discard(self, action: Action) -> None:
        """A server that could not be made does not stay as a shell without a machine."""
        server = self._project.servers.get(action.first("server"))
        if server is not None:
            self._forget(server)
            await self._backend.delete(server.id)
            await self._cloud.load_balancers.follow()

    async def _delete(self, action: Action) -> None:
        server = self._project.servers.get(action.first("server"))
        if server is not None:
            await self._drop_backups(server)
            await self._backend.delete(server.id)
            self._forget(server)
            await self._cloud.load_balancers.follow()

    def _forget(self, server: Server) -> None:
        project = self._project
        with project.together():
            for ip in project.public_ips(server.id).values():
                if ip.auto_delete:
                    project.primary_ips.remove(ip.id)
                else:
                    project.primary_ips.update(ip.id, assignee_id=None)
            for firewall in project.firewalls:
                kept = [item for item in firewall.applied_to if item.server is None or item.server.id != server.id]
                if kept != firewall.applied_to:
                    project.firewalls.update(firewall.id, applied_to=kept)
            for volume in project.attached_volumes(server.id):
                project.volumes.update(volume, server=None)
            for floating in project.floating_ips:
                if floating.server == server.id:
                    project.floating_ips.update(floating.id, server=None)
            for balancer in project.load_balancers:
                ends = [item for item in balancer.targets if item.server is None or item.server.id != server.id]
                if ends != balancer.targets:
                    project.load_balancers.update(balancer.id, targets=ends)
            project.servers.remove(server.id)

    async def _disable_backup(self, action: Action) -> None:
        """The backups go with it."""
        server = self._server(action)
        await self._drop_backups(server)
        self._project.servers.amend(server.id, action.arguments)

    async def _drop_backups(self, server: Server) -> None:
        for image in self._project.images:
            if image.bound_to == server.id:
                self._project.images.remove(image.id)
                if isinstance(self._backend, Imaging):
                    await self._backend.discard(image.id)

    async def _rebuild(self, action: Action) -> None:
        server = self._server(action)
        self._project.servers.update(server.id, status="rebuilding")
        await self._backend.rebuild(self._cloud.machines.spec(_amended(server, action)))
        self._project.servers.amend(server.id, action.arguments | {"status": "running"})

    async def _change_type(self, action: Action) -> None:
        server = self._server(action)
        if not isinstance(self._backend, Resizing):
            raise FailedActionError(
                "unsupported_error", f"machines of kind '{self._backend.name}' cannot change their type"
            )
        await self._backend.resize(self._cloud.machines.spec(_amended(server, action)))
        self._project.servers.amend(server.id, action.arguments)
        await self._backend.start(server.id)
        self._project.servers.update(server.id, status="running")

    async def _settle(self, action: Action) -> None:
        server = self._project.servers.get(action.first("server"))
        if server is not None:
            unsettled = self._project.servers.update(server.id, status="unknown")
            await self._cloud.machines.observe([unsettled], anew=True)


def _amended(server: Server, action: Action) -> Server:
    """The server as the action is to leave it; recorded only once the machine is so."""
    return Server.model_validate(server.model_dump() | action.arguments)
