# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API's hand on the machine backend: says in the backend's terms what the project wants of a server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from lab.api.catalog.locations import location
from lab.api.catalog.server_types import server_type
from lab.api.errors import refused
from lab.api.models.firewall import Firewall
from lab.api.models.network import Network
from lab.api.models.server import PrivateNet, Server
from lab.api.project import Project
from lab.machines.base import FirewallRule, MachineBackend, MachineError, MachineSpec, PrivateLink, PublicNet

_log = logging.getLogger("lab.api")
_OBSERVED_FOR = 1.0


@runtime_checkable
class Readdressing(Protocol):
    """A backend that can change the public addresses of a stopped machine."""

    async def readdress(self, server_id: int, public_net: PublicNet) -> None: ...


@runtime_checkable
class Resizing(Protocol):
    """A backend that can change cores, memory and disk of a stopped machine, keeping what is on the disk."""

    async def resize(self, spec: MachineSpec) -> None: ...


@runtime_checkable
class Imaging(Protocol):
    """A backend that can keep a copy of a machine's disk and make machines from it."""

    async def capture(self, server_id: int, image_id: int) -> None: ...

    async def discard(self, image_id: int) -> None: ...


@runtime_checkable
class Rescuing(Protocol):
    """A backend whose machines can boot a rescue system the next time."""

    async def rescue(self, server_id: int, *, enabled: bool) -> None: ...


@runtime_checkable
class Attended(Protocol):
    """A backend whose machines have a screen with a keyboard, and a root password."""

    def console(self, server_id: int) -> str: ...

    async def set_password(self, server_id: int, password: str) -> None: ...


class Machines:
    """What the project wants, told to the backend; what the backend sees, told to the project."""

    def __init__(self, project: Project, backend: MachineBackend) -> None:
        self.backend = backend
        self._project = project
        self._filtering: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._observed: dict[int, float] = {}

    def require(self, capability: type, deed: str) -> None:
        """Refuse what machines of this kind cannot do: ``deed`` says it ("change their type")."""
        if not isinstance(self.backend, capability):
            raise refused("unsupported_error", f"machines of kind '{self.backend.name}' cannot {deed}")

    def public_net(self, server: Server) -> PublicNet:
        ips = self._project.public_ips(server.id)
        return PublicNet(
            ipv4=ips["ipv4"].ipv4 if "ipv4" in ips else None,
            ipv6=ips["ipv6"].ipv6 if "ipv6" in ips else None,
        )

    def spec(self, server: Server) -> MachineSpec:
        kind = server_type(server.server_type)
        return MachineSpec(
            server_id=server.id,
            name=server.name,
            location=server.location,
            network_zone=location(server.location)["network_zone"],
            image=server.image["name"] or f"image-{server.image['id']}",
            cores=kind.cores,
            memory=kind.memory,
            disk=server.primary_disk_size,
            public_net=self.public_net(server),
            user_data=server.user_data,
            authorized_keys=tuple(server.authorized_keys),
            labels=server.labels,
        )

    @staticmethod
    def link(network: Network, net: PrivateNet) -> PrivateLink:
        return PrivateLink(
            network_id=network.id,
            network_name=network.name,
            network=network.ip_range,
            subnet=next((part.ip_range for part in network.subnets if net.ip in part.ip_range), network.ip_range),
            gateway=network.gateway,
            address=net.ip,
            mac=net.mac_address,
            alias_ips=tuple(net.alias_ips),
        )

    def firewalls(self, server: Server) -> list[Firewall]:
        """Firewalls that must be in effect on a server: it has a public interface, and they name it."""
        if not self._project.public_ips(server.id):
            return []
        return [
            firewall
            for firewall in self._project.firewalls
            if any(resource.names(server.id, server.labels) for resource in firewall.applied_to)
        ]

    def expect_firewalls(self, server: Server, changed: int | None = None) -> Server:
        """Note which firewalls must be in effect; new ones, and the ``changed`` one, are pending."""
        statuses = {
            firewall.id: "pending" if firewall.id == changed else server.firewalls.get(firewall.id, "pending")
            for firewall in self.firewalls(server)
        }
        return self._project.servers.update(server.id, firewalls=statuses)

    async def enforce(self, server_id: int) -> None:
        """Bring the firewalls of a server into effect. Nothing where the server is gone meanwhile."""
        async with self._filtering[server_id]:
            server = self._project.servers.get(server_id)
            if server is None:
                return
            firewalls = self.firewalls(server)
            rules = tuple(
                FirewallRule(rule.direction, rule.protocol, rule.networks, rule.port)
                for firewall in firewalls
                for rule in firewall.rules
            )
            await self.backend.filter(server_id, rules if firewalls else None)
            server = self._project.servers.get(server_id)
            if server is not None:
                applied = {firewall.id for firewall in firewalls}
                statuses = {key: "applied" if key in applied else old for key, old in server.firewalls.items()}
                self._project.servers.update(server_id, firewalls=statuses)

    async def observe(self, servers: Iterable[Server], *, anew: bool = False) -> None:
        """Note which resting servers really run: a machine may have shut itself down. Looks once a second at most."""
        oldest = time.monotonic() - (0 if anew else _OBSERVED_FOR)
        due = [
            server
            for server in servers
            if server.status in ("running", "off", "unknown") and self._observed.get(server.id, 0) <= oldest
        ]
        await asyncio.gather(*(self._observe(server.id) for server in due))

    async def _observe(self, server_id: int) -> None:
        self._observed[server_id] = time.monotonic()
        try:
            status = "running" if await self.backend.running(server_id) else "off"
        except MachineError as error:
            _log.warning("server %s cannot be observed: %s", server_id, error)
            status = "unknown"
        server = self._project.servers.get(server_id)
        if server is not None and server.status in ("running", "off", "unknown") and server.status != status:
            self._project.servers.update(server_id, status=status)

    async def restore(self) -> None:
        """After a start of the API: power on what was on, and filter again."""
        await asyncio.gather(*(self._restore(server) for server in self._project.servers))

    async def _restore(self, server: Server) -> None:
        if server.status not in ("running", "off", "unknown"):
            return
        try:
            await self.enforce(self.expect_firewalls(server).id)
            if server.status == "running" and not await self.backend.running(server.id):
                await self.backend.start(server.id)
        except MachineError as error:
            _log.warning("server %s (%s) cannot be restored: %s", server.id, server.name, error)
            await self._observe(server.id)
