# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers, their services and targets."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, IPvAnyAddress, model_validator

from lab.api.models.base import Address4, Body, IdOrName, Labels, Name, Named, Network4, Protection
from lab.api.models.firewall import SelectorRef

_PORTS = {"http": (80, 80), "https": (443, 80)}


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must not hold control characters")
    return text


def _unbroken(text: str) -> str:
    if any(character in text for character in " %\\"):
        raise ValueError("must not hold spaces, percent or backslash symbols")
    return _printable(text)


def _path(text: str) -> str:
    if " " in text or not text.isascii():
        raise ValueError("must not hold spaces; use percent-encoding")
    return _printable(text)


Port = Annotated[int, Field(ge=1, le=65535)]


class HttpCheck(Body):
    domain: Annotated[str, Field(max_length=128), AfterValidator(_unbroken)] | None = None
    path: Annotated[str, Field(min_length=1, max_length=256, pattern="^/"), AfterValidator(_path)] = "/"
    response: Annotated[str, Field(max_length=256), AfterValidator(_printable)] = ""
    status_codes: Annotated[list[Annotated[str, Field(pattern=r"^[0-9?*]{1,3}$")]], Field(max_length=20)] = Field(
        default_factory=lambda: ["2??", "3??"]
    )
    tls: bool = False


class HealthCheck(Body):
    """interval, timeout: seconds."""

    protocol: Literal["tcp", "http"]
    port: Port
    interval: Annotated[int, Field(ge=3, le=60)] = 15
    timeout: Annotated[int, Field(ge=1, le=60)] = 10
    retries: Annotated[int, Field(ge=1, le=5)] = 3
    http: HttpCheck | None = None


class ServiceHttp(Body):
    """cookie_lifetime, timeout_idle: seconds."""

    cookie_name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,100}$")] = "HCLBSTICKY"
    cookie_lifetime: Annotated[int, Field(ge=30, le=86400)] = 300
    timeout_idle: Annotated[int, Field(ge=30, le=300)] = 50
    certificates: list[int] = Field(default_factory=list)
    redirect_http: bool = False
    sticky_sessions: bool = False


class Service(Body):
    """A service with everything that its client left open filled in."""

    protocol: Literal["tcp", "http", "https"]
    listen_port: Port
    destination_port: Port
    proxyprotocol: bool = False
    health_check: HealthCheck
    http: ServiceHttp | None = None

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: Any) -> Any:
        """Ports by protocol, and a health check of the destination in the service's own protocol."""
        if not isinstance(given, dict) or given.get("protocol") not in ("tcp", "http", "https"):
            return given
        protocol = given["protocol"]
        fields = dict(given)
        if protocol != "tcp":
            listen, destination = _PORTS[protocol]
            fields = {"listen_port": listen, "destination_port": destination} | fields
            fields["http"] = fields.get("http") or {}
        else:
            fields["http"] = None
        check = fields.get("health_check") or {}
        if isinstance(check, dict):
            defaults = {"protocol": "tcp" if protocol == "tcp" else "http", "port": fields.get("destination_port")}
            check = defaults | {key: value for key, value in check.items() if value is not None}
            check["http"] = (check.get("http") or {}) if check["protocol"] == "http" else None
        return fields | {"health_check": check}

    @model_validator(mode="after")
    def _is_consistent(self) -> Service:
        if self.protocol == "http" and self.http and (self.http.certificates or self.http.redirect_http):
            raise ValueError("http: certificates and redirect_http need protocol 'https'")
        return self

    @property
    def ports(self) -> set[int]:
        """Where it listens."""
        return {self.listen_port, 80} if self.http and self.http.redirect_http else {self.listen_port}

    @property
    def certificates(self) -> list[int]:
        return self.http.certificates if self.http else []

    def view(self) -> dict[str, Any]:
        view = self.model_dump(mode="json")
        for part in (view, view["health_check"]):
            if part["http"] is None:
                del part["http"]
        return view


class UpdateService(Body):
    """Everything but the port that names the service may be left out, at every level."""

    listen_port: Port
    protocol: str | None = None
    destination_port: Any = None
    proxyprotocol: Any = None
    health_check: dict[str, Any] | None = None
    http: dict[str, Any] | None = None


class DeleteService(Body):
    listen_port: Port


class ServerTarget(Body):
    id: int
    ip: IPvAnyAddress | None = None


class IpTarget(Body):
    ip: IPvAnyAddress


class Target(Body):
    type: Literal["server", "label_selector", "ip"]
    server: ServerTarget | None = None
    label_selector: SelectorRef | None = None
    ip: IpTarget | None = None
    use_private_ip: bool = False

    @model_validator(mode="after")
    def _names_its_type(self) -> Target:
        for key in ("server", "label_selector", "ip"):
            if (getattr(self, key) is not None) != (self.type == key):
                raise ValueError(f"type '{self.type}' needs the key '{self.type}', and no other")
        if self.use_private_ip and (self.type == "ip" or (self.server and self.server.ip)):
            raise ValueError("use_private_ip is for servers and label selectors, without ip")
        return self

    def same(self, other: Target) -> bool:
        """Whether both mean the same thing, however it is reached."""
        return (self.server, self.label_selector, self.ip) == (other.server, other.label_selector, other.ip)


class Algorithm(Body):
    type: Literal["round_robin", "least_connections"] = "round_robin"


class BalancerNet(BaseModel):
    """Its place in a network. ``attached`` is False while its address is only reserved."""

    network: int
    ip: IPv4Address
    attached: bool = False


class LoadBalancer(Named):
    """ipv6: the first address of a /64 of its own. dns_ptr: names set by a person, by address."""

    load_balancer_type: int
    location: str
    ipv4: IPv4Address
    ipv6: IPv6Address
    public_interface: bool = True
    dns_ptr: dict[str, str] = Field(default_factory=dict)
    private_net: BalancerNet | None = None
    algorithm: Algorithm = Field(default_factory=Algorithm)
    services: list[Service] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)
    protection: Protection = Field(default_factory=Protection)

    @property
    def public_range6(self) -> str:
        """The /64 as the pool of public addresses counts it."""
        return str(IPv6Network((self.ipv6, 64), strict=False))

    def renamed(self, address: str, name: str | None) -> dict[str, str]:
        """Names set by a person, with one more or, for None, one less."""
        others = {ip: other for ip, other in self.dns_ptr.items() if ip != address}
        return others if name is None else others | {address: name}

    def service(self, listen_port: int) -> Service | None:
        return next((service for service in self.services if service.listen_port == listen_port), None)

    def in_network(self, network: int) -> bool:
        """Whether it has a place there, attached or reserved."""
        return self.private_net is not None and self.private_net.network == network


class CreateLoadBalancer(Body):
    name: Name
    load_balancer_type: IdOrName
    algorithm: Algorithm = Field(default_factory=Algorithm)
    services: list[Service] = Field(default_factory=list)
    targets: list[Target] = Field(default_factory=list)
    labels: Labels = Field(default_factory=dict)
    public_interface: bool = True
    network: int | None = None
    network_zone: str | None = None
    location: IdOrName | None = None


class BalancerToNetwork(Body):
    network: int
    ip: Address4 | None = None
    ip_range: Network4 | None = None


class ChangeAlgorithm(Body):
    type: Literal["round_robin", "least_connections"]


class ChangeBalancerType(Body):
    load_balancer_type: IdOrName
