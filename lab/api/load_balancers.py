# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API's hand on what runs the load balancers: says in its terms what the project wants of one."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.api import selectors
from lab.api.catalog.load_balancer_types import load_balancer_type
from lab.api.models import load_balancer as model
from lab.api.models.load_balancer import LoadBalancer
from lab.api.models.server import Server
from lab.api.project import Project
from lab.balancers.base import (
    Address,
    Attachment,
    BalancerError,
    Balancers,
    BalancerSpec,
    Certificate,
    Cookie,
    HealthCheck,
    HealthTable,
    HttpCheck,
    Service,
    Target,
)

_log = logging.getLogger("lab.api")
_TCP_IDLE = 50  # seconds; the cloud does not tell, this is its default for HTTP


class Resolved(NamedTuple):
    """One end of a target. server: None for an IP target. address: None where a server cannot be reached so."""

    server: Server | None
    address: Address | None


class LoadBalancers:
    """What the project wants, told to the balancers; what their health checks see, told to the project."""

    def __init__(self, project: Project, backend: Balancers) -> None:
        self._project = project
        self._backend = backend
        self._applied: dict[int, BalancerSpec] = {}
        self._turns: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)

    def resolve(self, balancer: LoadBalancer, target: model.Target) -> Iterator[Resolved]:
        """The ends that a target stands for."""
        if target.ip is not None:
            yield Resolved(None, target.ip.ip)
        for server in self._project.servers:
            if _names(target, server):
                yield Resolved(server, self._address(balancer, target, server))

    async def change(self, balancer_id: int, changes: dict[str, Any]) -> None:
        """Run a load balancer with changed fields, given as plain data, then record them. KeyError where it is gone."""
        table = self._project.load_balancers
        async with self._turns[balancer_id]:
            await self._apply(table.amended(balancer_id, changes))
            table.amend(balancer_id, changes)

    async def follow(self) -> None:
        """Have all that run take up what has changed about servers. What cannot is logged: no server is to blame."""
        for balancer_id in list(self._applied):
            async with self._turns[balancer_id]:
                await self._retry(balancer_id)

    async def restore(self) -> None:
        """After a start of the API: run all, as they were or anew."""
        await asyncio.gather(*(self._retry(balancer.id) for balancer in self._project.load_balancers))

    async def delete(self, balancer_id: int) -> None:
        """Stop it and forget it."""
        async with self._turns[balancer_id]:
            self._applied.pop(balancer_id, None)
            await self._backend.delete(balancer_id)
            self._project.load_balancers.remove(balancer_id)

    async def health(self, balancer_id: int) -> HealthTable:
        return await self._backend.health(balancer_id)

    async def _retry(self, balancer_id: int) -> None:
        balancer = self._project.load_balancers.get(balancer_id)
        if balancer is None:
            return
        try:
            await self._apply(balancer)
        except BalancerError as error:
            _log.warning("load balancer %s (%s) stays as it was: %s", balancer_id, balancer.name, error)

    async def _apply(self, balancer: LoadBalancer) -> None:
        spec = self._spec(balancer)
        if self._applied.get(balancer.id) != spec:
            await self._backend.apply(spec)
            self._applied[balancer.id] = spec

    def _spec(self, balancer: LoadBalancer) -> BalancerSpec:
        net = balancer.private_net
        network = self._project.networks.get(net.network) if net and net.attached else None
        return BalancerSpec(
            balancer_id=balancer.id,
            public=(balancer.ipv4, balancer.ipv6) if balancer.public_interface else (),
            private=Attachment(network.id, network.gateway, net.ip) if net and network else None,
            algorithm=balancer.algorithm.type,
            max_connections=load_balancer_type(balancer.load_balancer_type).max_connections,
            services=tuple(self._service(service) for service in balancer.services),
            targets=self._targets(balancer),
        )

    def _targets(self, balancer: LoadBalancer) -> tuple[Target, ...]:
        """Every address once, whoever names it."""
        found = {
            end.address: target.use_private_ip
            for target in balancer.targets
            for end in self.resolve(balancer, target)
            if end.address is not None
        }
        return tuple(Target(address, private) for address, private in found.items())

    def _address(self, balancer: LoadBalancer, target: model.Target, server: Server) -> Address | None:
        if target.use_private_ip:
            net = server.in_network(balancer.private_net.network) if balancer.private_net else None
            return net.ip if net and net.attached else None
        if target.server and target.server.ip:
            return target.server.ip
        ipv4 = self._project.public_ips(server.id).get("ipv4")
        return ipv4.ipv4 if ipv4 else None

    def _service(self, service: model.Service) -> Service:
        check, http = service.health_check, service.http
        certificates = filter(None, map(self._project.certificates.get, service.certificates))
        return Service(
            protocol=service.protocol,
            listen_port=service.listen_port,
            destination_port=service.destination_port,
            proxyprotocol=service.proxyprotocol,
            health_check=HealthCheck(
                port=check.port,
                interval=check.interval,
                timeout=check.timeout,
                retries=check.retries,
                http=_http_check(check.http) if check.http else None,
            ),
            timeout_idle=http.timeout_idle if http else _TCP_IDLE,
            cookie=Cookie(http.cookie_name, http.cookie_lifetime) if http and http.sticky_sessions else None,
            certificates=tuple(
                Certificate(item.id, f"{item.certificate}\n{item.private_key}") for item in certificates
            ),
            redirect_http=http is not None and http.redirect_http,
        )


def _http_check(check: model.HttpCheck) -> HttpCheck:
    return HttpCheck(check.domain, check.path, check.response, tuple(check.status_codes), check.tls)


def _names(target: model.Target, server: Server) -> bool:
    """Whether a server is one of those that a target stands for."""
    if target.label_selector is not None:
        return selectors.parse(target.label_selector.selector).matches(server.labels)
    return target.server is not None and target.server.id == server.id
