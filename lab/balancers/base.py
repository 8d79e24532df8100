# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab's API asks of whoever runs its load balancers.

The API owns identity, addresses and desired state; balancers own what really runs. Every method is a coroutine that
returns when the thing is true, is idempotent, and raises ``BalancerError`` with a sentence for people when it cannot.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, Protocol

Address = IPv4Address | IPv6Address
Health = Literal["unknown", "healthy", "unhealthy"]
# Health by listen port of the service and address of the target; what is missing is unknown.
HealthTable = Mapping[tuple[int, Address], Health]


class BalancerError(Exception):
    """What went wrong with a load balancer, in one sentence; becomes the action's error message."""


@dataclass(frozen=True)
class HttpCheck:
    """status_codes: as the API has them, ``?`` for one digit and ``*`` for several. response: text that an answer must
    contain; empty for any.
    """

    domain: str | None
    path: str
    response: str
    status_codes: tuple[str, ...]
    tls: bool


@dataclass(frozen=True)
class HealthCheck:
    """interval, timeout: seconds. retries: attempts until the health changes. http: None asks for a connection only."""

    port: int
    interval: int
    timeout: int
    retries: int
    http: HttpCheck | None


@dataclass(frozen=True)
class Certificate:
    """pem: the certificate, its chain and its key."""

    id: int
    pem: str


@dataclass(frozen=True)
class Cookie:
    """Keeps a client at one target. lifetime: seconds."""

    name: str
    lifetime: int


@dataclass(frozen=True)
class Service:
    """protocol: https without certificates passes TLS through. timeout_idle: seconds."""

    protocol: Literal["tcp", "http", "https"]
    listen_port: int
    destination_port: int
    proxyprotocol: bool
    health_check: HealthCheck
    timeout_idle: int
    cookie: Cookie | None = None
    certificates: tuple[Certificate, ...] = ()
    redirect_http: bool = False


@dataclass(frozen=True)
class Target:
    """private: reached through the private network, else as everybody reaches it."""

    address: Address
    private: bool


@dataclass(frozen=True)
class Attachment:
    """A load balancer's place in a private network. gateway: the network's first address."""

    network_id: int
    gateway: IPv4Address
    address: IPv4Address


@dataclass(frozen=True)
class BalancerSpec:
    """All there is to run. public: its addresses; none while the public interface is disabled."""

    balancer_id: int
    public: tuple[Address, ...]
    private: Attachment | None
    algorithm: Literal["round_robin", "least_connections"]
    max_connections: int
    services: tuple[Service, ...]
    targets: tuple[Target, ...]


class Balancers(Protocol):
    """One way to run load balancers."""

    async def apply(self, spec: BalancerSpec) -> None:
        """Run a load balancer exactly so; connections that are open live on, and so does what ran when this fails."""

    async def delete(self, balancer_id: int) -> None:
        """Remove the load balancer and its addresses."""

    async def health(self, balancer_id: int) -> HealthTable:
        """What its health checks have found."""
