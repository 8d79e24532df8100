# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Load balancers that run: HAProxy between the host and machines that are mere processes in namespaces."""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import ssl
import subprocess
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Interface
from typing import TYPE_CHECKING, Any

import pytest

from lab import certificates, daemons
from lab.balancers.base import (
    Attachment,
    BalancerError,
    BalancerSpec,
    Certificate,
    Cookie,
    HealthCheck,
    HttpCheck,
    Service,
    Target,
)
from lab.balancers.haproxy import HaproxyBalancers
from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric, ProcessEnd
from lab.fabric.tools import links
from lab.machines.base import PrivateLink, PublicNet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lab.balancers.base import Address, Health

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("haproxy", "ip", "nft", "sysctl", "unshare"))),
    reason="needs root, haproxy, ip, nft, sysctl and unshare",
)

# A machine's only service: tells who answers whom, and what was asked.
_WEB = r"""
import http.server, json, socket, sys
class Web(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def setup(self):
        super().setup()
        self.proxied = ""
        if self.connection.recv(12, socket.MSG_PEEK) == b"\r\n\r\n\0\r\nQUIT\n":
            size = int.from_bytes(self.rfile.read(16)[14:], "big")
            self.proxied = ".".join(map(str, self.rfile.read(size)[:4]))
    def do_GET(self):
        headers = {name.lower(): value for name, value in self.headers.items()}
        told = {"name": sys.argv[1], "client": self.client_address[0], "headers": headers}
        told["proxied"] = self.proxied
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *_):
        pass
class Dual(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6
server = Dual(("::", 8080), Web)
print("listening", flush=True)
server.serve_forever()
"""
_NETWORK = 5
_GATEWAY = IPv4Address("10.9.0.1")
VIP, VIP6 = IPv4Address("198.18.58.9"), IPv6Address("2001:db8:51b0:9::1")
PRIVATE_VIP = IPv4Address("10.9.0.9")


ISSUED = certificates.issue(VIP, "lbtest")


class Machine:
    """A process in a namespace of its own, as a container is to the fabric."""

    def __init__(self, fabric: Fabric, server_id: int) -> None:
        self.id = server_id
        self.name = f"machine{server_id}"
        self.ipv4 = IPv4Address(f"198.18.58.{server_id + 1}")
        self.ipv6 = IPv6Interface(f"2001:db8:51b0:{server_id}::1/64")
        self.private = IPv4Address(f"10.9.0.{server_id + 1}")
        self.process = subprocess.Popen(
            ["unshare", "--net", "python3", "-c", _WEB, self.name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        network = IPv4Network("10.9.0.0/16")
        mac = f"86:00:00:00:00:{server_id:02x}"
        link = PrivateLink(_NETWORK, "net", network, network, _GATEWAY, self.private, mac)
        fabric.plug_public(server_id, ProcessEnd(self.process.pid, "eth0"), PublicNet(self.ipv4, self.ipv6))
        fabric.plug_private(server_id, ProcessEnd(self.process.pid, "enp7s0"), link)

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings.from_environment(
        {
            "LAB_NAME": "lbtest",
            "LAB_STATE": str(tmp_path_factory.mktemp("it's here")),
            "LAB_PUBLIC_NETWORK": "198.18.58.0/24",
            "LAB_PUBLIC_NETWORK6": "2001:db8:51b0::/48",
        }
    )


@pytest.fixture(scope="module")
def fabric(settings: Settings) -> Iterator[Fabric]:
    fabric = Fabric(settings)
    fabric.down()
    fabric.up()
    yield fabric
    fabric.down()
    assert fabric.left() == []


@pytest.fixture
def balancers(settings: Settings, fabric: Fabric) -> Iterator[HaproxyBalancers]:
    balancers = HaproxyBalancers(settings, fabric)
    yield balancers
    asyncio.run(balancers.delete(1))
    assert daemons.running("lab-lbtest") == []
    assert not any("lb1" in links(place) for place in (fabric.router, fabric.private_namespace(_NETWORK)))
    assert list((settings.state / "load-balancers").iterdir()) == []


@pytest.fixture
def machines(fabric: Fabric) -> Iterator[tuple[Machine, Machine]]:
    pair = Machine(fabric, 1), Machine(fabric, 2)
    yield pair
    for machine in pair:
        machine.end()
        fabric.filter(machine.id, None)


def check(http: HttpCheck | None = None) -> HealthCheck:
    return HealthCheck(port=8080, interval=1, timeout=1, retries=1, http=http)


def service(**changes: Any) -> Service:
    http = HttpCheck("lb.example", "/health?a='b'", '"client"', ("2??",), tls=False)
    return replace(Service("http", 80, 8080, proxyprotocol=False, health_check=check(http), timeout_idle=50), **changes)


TCP = Service("tcp", 81, 8080, proxyprotocol=False, health_check=check(), timeout_idle=50)


def spec(*targets: Target, services: tuple[Service, ...], private: bool = False) -> BalancerSpec:
    attachment = Attachment(_NETWORK, _GATEWAY, PRIVATE_VIP) if private else None
    return BalancerSpec(1, (VIP, VIP6), attachment, "round_robin", 1000, services, targets)


def ask(address: Address = VIP, port: int = 80, **headers: str) -> Any:
    connection = http.client.HTTPConnection(str(address), port, timeout=10)
    try:
        connection.request("GET", "/", headers=headers)
        answer = connection.getresponse()
        return json.loads(answer.read()) | {"cookie": answer.getheader("Set-Cookie")}
    finally:
        connection.close()


def healthy(balancers: HaproxyBalancers, expected: dict[Address, Health], port: int = 80) -> bool:
    """Whether the health of all targets becomes what is expected."""
    wanted = {(port, address): health for address, health in expected.items()}

    def seen() -> bool:
        table = asyncio.run(balancers.health(1))
        return {key: health for key, health in table.items() if key[0] == port} == wanted

    return wait_for(seen, seconds=20)


ODD = HttpCheck("lb.example", "/a'b\"c#$d{e}", 'it\'s "#1" \\ ${HOME}', ("20?", "3*", "418"), tls=True)
CERTIFICATE = Certificate(7, "".join(map(bytes.decode, (ISSUED.certificate, ISSUED.key))))
CONFIGURATIONS = {
    "plain": service(),
    "tcp": TCP,
    "checks over TLS, with texts that mean something to HAProxy": service(health_check=check(ODD)),
    "proxy protocol": service(proxyprotocol=True, health_check=replace(check(ODD), port=9)),
    "no host in a check": service(health_check=check(HttpCheck(None, "/", "", ("2??",), tls=True))),
    "sticky": service(cookie=Cookie("A-b_9", 30)),
    "https": service(protocol="https", certificates=(CERTIFICATE,), cookie=Cookie("A", 30)),
    "https that passes through": service(protocol="https", cookie=Cookie("A", 30), redirect_http=True, listen_port=443),
    "a redirect to an odd port": service(protocol="https", redirect_http=True, listen_port=8443),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_haproxy_accepts_every_configuration(balancers: HaproxyBalancers, name: str) -> None:
    """It is asked before anything runs; nothing listens at the targets."""
    targets = Target(IPv4Address("198.18.58.200"), private=False), Target(IPv4Address("10.9.0.200"), private=True)
    wanted = replace(spec(*targets, services=(CONFIGURATIONS[name],), private=True), algorithm="least_connections")
    asyncio.run(balancers.apply(wanted))
    assert {address for _, address in asyncio.run(balancers.health(1))} == {target.address for target in targets}


def test_requests_are_shared_and_go_on_when_a_target_dies(
    balancers: HaproxyBalancers, machines: tuple[Machine, Machine], fabric: Fabric
) -> None:
    first, second = machines
    targets = Target(first.ipv4, private=False), Target(second.ipv6.ip, private=False)
    asyncio.run(balancers.apply(spec(*targets, services=(service(),))))
    assert healthy(balancers, {first.ipv4: "healthy", second.ipv6.ip: "healthy"})
    answers = [ask(address) for address in (VIP, VIP, VIP6, VIP6)]
    assert {answer["name"] for answer in answers} == {"machine1", "machine2"}
    assert {answer["client"].removeprefix("::ffff:") for answer in answers} == {str(VIP), str(VIP6)}
    assert answers[0]["headers"]["x-forwarded-for"] == "198.18.58.254"
    assert answers[0]["headers"]["x-forwarded-proto"] == "http"
    fabric.cut(second.id)
    try:
        assert {ask()["name"] for _ in range(2)} == {"machine1"}
        assert healthy(balancers, {first.ipv4: "healthy", second.ipv6.ip: "unhealthy"})
    finally:
        fabric.mend(second.id)
    assert healthy(balancers, {first.ipv4: "healthy", second.ipv6.ip: "healthy"})


def test_changes_drop_no_connection_and_forget_no_health(
    balancers: HaproxyBalancers, machines: tuple[Machine, Machine]
) -> None:
    first, second = machines
    one, two = Target(first.ipv4, private=False), Target(second.ipv4, private=False)
    asyncio.run(balancers.apply(spec(one, services=(TCP,))))
    assert healthy(balancers, {first.ipv4: "healthy"}, 81)
    connection = http.client.HTTPConnection(str(VIP), 81, timeout=10)
    names = []
    for services in ((TCP,), (TCP, service()), (TCP,)):
        asyncio.run(balancers.apply(spec(one, two, services=services)))
        assert asyncio.run(balancers.health(1))[81, first.ipv4] == "healthy"
        connection.request("GET", "/")
        names.append(json.loads(connection.getresponse().read())["name"])
    connection.close()
    assert names == ["machine1"] * 3
    with pytest.raises(ConnectionRefusedError):
        ask(port=80)


def test_firewalls_filter_public_targets_and_no_private_ones(
    balancers: HaproxyBalancers, machines: tuple[Machine, Machine], fabric: Fabric
) -> None:
    first, second = machines
    fabric.filter(first.id, ())
    fabric.filter(second.id, ())
    targets = Target(first.ipv4, private=False), Target(second.private, private=True)
    asyncio.run(balancers.apply(spec(*targets, services=(service(),), private=True)))
    assert healthy(balancers, {first.ipv4: "unhealthy", second.private: "healthy"})
    answer = ask()
    assert (answer["name"], answer["client"]) == ("machine2", f"::ffff:{PRIVATE_VIP}")
    inside = ["nsenter", "--target", str(first.process.pid), "--net", "--", "bash", "-c", f"</dev/tcp/{PRIVATE_VIP}/80"]
    assert subprocess.run(inside, check=False, timeout=10).returncode == 0


def test_without_a_network_private_targets_get_nothing(
    balancers: HaproxyBalancers, machines: tuple[Machine, Machine]
) -> None:
    asyncio.run(balancers.apply(spec(Target(machines[0].private, private=True), services=(service(),))))
    assert asyncio.run(balancers.health(1)) == {}


def test_a_cookie_keeps_a_client_at_its_target(balancers: HaproxyBalancers, machines: tuple[Machine, Machine]) -> None:
    targets = [Target(machine.ipv4, private=False) for machine in machines]
    asyncio.run(balancers.apply(spec(*targets, services=(service(cookie=Cookie("STAY", 60)),))))
    answer = ask()
    value, *attributes = answer["cookie"].split("; ")
    assert value.startswith("STAY=")
    assert "Max-Age=60" in attributes
    assert {ask(cookie=value)["name"] for _ in range(4)} == {answer["name"]}


def test_the_proxy_protocol_tells_the_client(balancers: HaproxyBalancers, machines: tuple[Machine, Machine]) -> None:
    address = machines[0].ipv4
    proxied = replace(TCP, proxyprotocol=True, health_check=check(HttpCheck(None, "/", "", ("200",), tls=False)))
    asyncio.run(balancers.apply(spec(Target(address, private=False), services=(proxied,))))
    assert healthy(balancers, {address: "healthy"}, 81)
    assert ask(port=81)["proxied"] == "198.18.58.254"


def test_https_ends_at_the_balancer(balancers: HaproxyBalancers, machines: tuple[Machine, Machine]) -> None:
    secure = service(protocol="https", listen_port=443, certificates=(CERTIFICATE,), redirect_http=True)
    asyncio.run(balancers.apply(spec(Target(machines[0].ipv4, private=False), services=(secure,))))
    context = ssl.create_default_context(cadata=ISSUED.authority.decode())
    connection = http.client.HTTPSConnection(str(VIP), 443, timeout=10, context=context)
    connection.request("GET", "/")
    headers = json.loads(connection.getresponse().read())["headers"]
    connection.close()
    assert (headers["x-forwarded-proto"], headers["x-forwarded-port"]) == ("https", "443")
    plain = http.client.HTTPConnection(str(VIP), 80, timeout=10)
    plain.request("GET", "/somewhere")
    answer = plain.getresponse()
    plain.close()
    assert (answer.status, answer.getheader("Location")) == (301, f"https://{VIP}/somewhere")


def test_what_cannot_run_leaves_what_runs_alone(balancers: HaproxyBalancers, machines: tuple[Machine, Machine]) -> None:
    target = Target(machines[0].ipv4, private=False)
    asyncio.run(balancers.apply(spec(target, services=(TCP,))))
    broken = service(protocol="https", certificates=(Certificate(7, "no certificate"),))
    with pytest.raises(BalancerError, match="haproxy refuses its configuration"):
        asyncio.run(balancers.apply(spec(target, services=(TCP, broken))))
    assert ask(port=81)["name"] == "machine1"


def test_without_services_nothing_runs(balancers: HaproxyBalancers, machines: tuple[Machine, Machine]) -> None:
    target = Target(machines[0].ipv4, private=False)
    asyncio.run(balancers.apply(spec(target, services=(TCP,))))
    asyncio.run(balancers.apply(spec(target, services=())))
    assert daemons.running("lab-lbtest") == []
    assert asyncio.run(balancers.health(1)) == {}
