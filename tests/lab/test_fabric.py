# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The fabric on a real kernel: machines are processes in network namespaces of their own."""

from __future__ import annotations

import os
import shutil
import subprocess
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import TYPE_CHECKING

import pytest

from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric, FabricError, ProcessEnd, TapEnd
from lab.fabric.tools import ip_query, links
from lab.machines.base import FirewallRule, PrivateLink, PublicNet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft", "sysctl", "unshare"))),
    reason="needs root, ip, nft, sysctl and unshare",
)

# A machine's only service: says when it listens, then accepts and forgets.
_SERVICE = """
import socket
with socket.create_server(("::", 80), family=socket.AF_INET6, dualstack_ipv6=True) as service:
    print("listening", flush=True)
    while True:
        service.accept()[0].close()
"""
_DHCP_CLIENT = """
import socket
with socket.socket(type=socket.SOCK_DGRAM) as client:
    client.bind(("", 68))
    print("listening", flush=True)
    print(client.recvfrom(9)[1][0])
"""
_DHCP_SERVER = """
import socket, sys
with socket.socket(type=socket.SOCK_DGRAM) as server:
    server.bind(("", 67))
    server.sendto(b"an offer", (sys.argv[1], 68))
"""
_SEEN = {0: "open", 1: "refused", 124: "silent"}


def probe(address: object, port: int, *, inside: tuple[str, ...] = ()) -> str:
    """How a port looks: open, refused or silent."""
    command = [*inside, "timeout", "0.4", "bash", "-c", f"</dev/tcp/{address}/{port}"]
    return _SEEN[subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode]


class Machine:
    """A process in a namespace of its own, as a container is to the fabric."""

    def __init__(self, server_id: int) -> None:
        self.id = server_id
        self.ipv4 = IPv4Address(f"198.18.63.{server_id + 1}")
        self.ipv6 = IPv6Interface(f"2001:db8:51af:{server_id}::1/64")
        self.private = IPv4Address(f"10.9.0.{server_id + 1}")
        self.process = subprocess.Popen(
            ["unshare", "--net", "python3", "-c", _SERVICE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    @property
    def pid(self) -> int:
        return self.process.pid

    def link(self) -> PrivateLink:
        mac = f"86:00:00:00:00:{self.id:02x}"
        network = IPv4Network("10.9.0.0/16")
        return PrivateLink(5, "net", network, network, IPv4Address("10.9.0.1"), self.private, mac)

    def sees(self, address: object, port: int = 80) -> str:
        return probe(address, port, inside=("nsenter", "--target", str(self.pid), "--net", "--"))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


def host_sees(address: object, port: int = 80) -> str:
    return probe(address, port)


def opens(look: Callable[[], str]) -> bool:
    """Whether a port opens soon: the kernel takes up to a second to let traffic onto a fresh cable."""
    return wait_for(lambda: look() == "open", seconds=5)


@pytest.fixture(scope="module")
def fabric() -> Iterator[Fabric]:
    settings = Settings.from_environment(
        {"LAB_NAME": "fabrictest", "LAB_PUBLIC_NETWORK": "198.18.63.0/24", "LAB_PUBLIC_NETWORK6": "2001:db8:51af::/48"}
    )
    fabric = Fabric(settings)
    fabric.down()
    fabric.up()
    yield fabric
    fabric.down()
    assert fabric.left() == []


@pytest.fixture(scope="module")
def machines(fabric: Fabric) -> Iterator[tuple[Machine, Machine]]:
    pair = Machine(1), Machine(2)
    for machine in pair:
        fabric.plug_public(machine.id, ProcessEnd(machine.pid, "eth0"), PublicNet(machine.ipv4, machine.ipv6))
        fabric.plug_private(machine.id, ProcessEnd(machine.pid, "enp7s0"), machine.link())
    assert opens(lambda: pair[0].sees(pair[1].private))
    assert opens(lambda: pair[1].sees(pair[0].ipv4))
    yield pair
    for machine in pair:
        machine.end()


@pytest.fixture
def first(machines: tuple[Machine, Machine]) -> Machine:
    return machines[0]


@pytest.fixture
def second(fabric: Fabric, machines: tuple[Machine, Machine]) -> Iterator[Machine]:
    yield machines[1]
    fabric.filter(machines[1].id, None)
    fabric.mend(machines[1].id)


def test_the_host_reaches_machines_in_both_families(second: Machine) -> None:
    assert host_sees(second.ipv4) == "open"
    assert host_sees(second.ipv6.ip) == "open"
    assert host_sees(second.ipv4, 81) == "refused"


def test_machines_reach_each_other_publicly_and_privately(first: Machine, second: Machine) -> None:
    assert [first.sees(address) for address in (second.ipv4, second.ipv6.ip, second.private)] == ["open"] * 3


def test_private_interfaces_look_like_the_clouds(first: Machine) -> None:
    (device,) = ip_query(first.pid, "addr", "show", "dev", "enp7s0")
    assert (device["mtu"], device["address"]) == (1450, "86:00:00:00:00:01")
    routes = {route["dst"]: route for route in ip_query(first.pid, "-4", "route", "show", "dev", "enp7s0")}
    assert routes["10.9.0.0/16"]["gateway"] == "10.9.0.1"
    assert "gateway" not in routes["10.9.0.1"]


def test_nobody_answers_for_an_address_without_a_machine(first: Machine) -> None:
    assert host_sees("198.18.63.77") == "silent"
    assert first.sees("10.9.0.77") == "silent"


def test_nobody_answers_the_routers_themselves_either(fabric: Fabric, first: Machine) -> None:
    """A process there, as a load balancer's, waits for the dead like everybody."""
    for place, address in (
        (fabric.router, "198.18.63.77"),
        (fabric.router, "2001:db8:51af:77::1"),
        (fabric.private_namespace(5), "10.9.0.77"),
    ):
        assert probe(address, 80, inside=("ip", "netns", "exec", place)) == "silent"


def test_a_firewall_filters_the_public_side_only(fabric: Fabric, first: Machine, second: Machine) -> None:
    fabric.filter(second.id, ())
    assert [host_sees(second.ipv4), host_sees(second.ipv6.ip), first.sees(second.ipv4)] == ["silent"] * 3
    assert first.sees(second.private) == "open"
    assert second.sees(first.ipv4) == "open"


def test_a_rule_opens_a_port_to_whom_it_names(fabric: Fabric, first: Machine, second: Machine) -> None:
    fabric.filter(second.id, (FirewallRule("in", "tcp", (f"{first.ipv4}/32", "::/0"), "80"),))
    assert first.sees(second.ipv4) == "open"
    assert host_sees(second.ipv4) == "silent"
    assert host_sees(second.ipv6.ip) == "open"
    fabric.filter(second.id, None)
    assert host_sees(second.ipv4, 81) == "refused"


def test_outbound_rules_hold_back_everything_else(fabric: Fabric, first: Machine, second: Machine) -> None:
    fabric.filter(second.id, (FirewallRule("out", "tcp", (f"{first.ipv4}/32",), "80"),))
    assert second.sees(first.ipv4) == "open"
    assert second.sees(first.ipv4, 81) == "silent"


def test_a_cut_machine_is_silent_everywhere_until_mended(fabric: Fabric, first: Machine, second: Machine) -> None:
    fabric.cut(second.id)
    assert [host_sees(second.ipv4), first.sees(second.private), second.sees(first.private)] == ["silent"] * 3
    fabric.mend(second.id)
    fabric.mend(second.id)
    assert [host_sees(second.ipv4), first.sees(second.private)] == ["open"] * 2


def test_an_unplugged_interface_is_gone_and_comes_back(fabric: Fabric, first: Machine, second: Machine) -> None:
    fabric.unplug(second.id, 5)
    fabric.unplug(second.id, 5)
    assert first.sees(second.private) == "silent"
    fabric.plug_private(second.id, ProcessEnd(second.pid, "enp7s0"), second.link())
    assert opens(lambda: first.sees(second.private))


def test_a_network_card_is_plugged_in_as_long_as_somebody_holds_it(fabric: Fabric, first: Machine) -> None:
    end = TapEnd()
    fabric.plug_public(4, end, PublicNet(IPv4Address("198.18.63.5"), None))
    try:
        assert "srv4" in links(fabric.router)
        assert os.read(end.fd, 2048)
    finally:
        end.close()
    assert wait_for(lambda: "srv4" not in links(fabric.router), seconds=10)
    assert first.sees("198.18.63.5") == "silent"


def test_a_machine_is_served_its_address_whatever_its_firewall_closes(fabric: Fabric) -> None:
    """A datagram from the router's port for DHCP to a machine's passes; the same from another machine does not."""
    third = Machine(3)
    fabric.plug_public(third.id, ProcessEnd(third.pid, "eth0"), PublicNet(third.ipv4, None))
    fabric.filter(third.id, ())
    try:
        listener = subprocess.Popen(
            ["nsenter", "--target", str(third.pid), "--net", "--", "python3", "-c", _DHCP_CLIENT],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert listener.stdout is not None
        assert listener.stdout.readline() == "listening\n"
        answer = ["python3", "-c", _DHCP_SERVER, str(third.ipv4)]
        assert wait_for(
            lambda: bool(subprocess.run(fabric.in_router(answer), check=True)) and listener.poll() is not None,
            seconds=5,
        )
        assert listener.stdout.read() == "198.18.63.1\n"
        listener.stdout.close()
    finally:
        fabric.filter(third.id, None)
        third.end()


def test_a_dead_machine_is_silent(fabric: Fabric, first: Machine) -> None:
    third = Machine(3)
    fabric.plug_public(third.id, ProcessEnd(third.pid, "eth0"), PublicNet(third.ipv4, None))
    assert opens(lambda: first.sees(third.ipv4))
    fabric.cut(third.id)
    third.end()
    assert first.sees(third.ipv4) == "silent"
    assert wait_for(lambda: "srv3" not in links(fabric.router), seconds=10)
    fabric.mend(third.id)
    assert first.sees(third.ipv4) == "silent"


def test_a_network_in_use_is_refused_by_the_name_of_its_setting(fabric: Fabric) -> None:
    other = Settings.from_environment({"LAB_NAME": "othertest", "LAB_PUBLIC_NETWORK": "198.18.63.128/25"})
    with pytest.raises(FabricError, match="LAB_PUBLIC_NETWORK"):
        Fabric(other).check()
