# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_links on a real kernel: three members in network namespaces of their own, at one switch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nft", "nsenter", "unshare"))),
    reason="needs root, ip, nft, nsenter and unshare",
)

# The module as Ansible runs it, with its arguments on the standard input.
_MODULE = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from ansible.module_utils.testing import patch_module_args
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_links
with patch_module_args(json.load(sys.stdin)):
    swarm_links.main()
"""
# An engine of a swarm has these ports; it prints what comes to them, one line a datagram.
_ENGINE = """
import selectors, socket
ready = selectors.DefaultSelector()
for port in (7946, 4789):
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    taken.bind(("0.0.0.0", port))
    ready.register(taken, selectors.EVENT_READ, port)
servers = [socket.create_server(("0.0.0.0", port)) for port in (2377, 7946)]
print("ready", flush=True)
while True:
    for key, _events in ready.select():
        print(key.data, key.fileobj.recvfrom(65536)[1][0], flush=True)
"""
_BINDS_AT_ONCE = """
import socket
for port in (2377, 7946):
    with socket.socket() as server:
        server.bind(("0.0.0.0", port))
        server.listen()
"""
HEARD = {"udp_7946": True, "udp_4789": True, "mtu": True}
REACHED = {"tcp_2377": True, "tcp_7946": True}


class Space:
    """A network namespace, held by a process."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", "echo ready; exec sleep 600"], stdout=subprocess.PIPE
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self.run("ip link set lo up")

    @property
    def enter(self) -> list[str]:
        return ["nsenter", "--target", str(self.process.pid), "--net", "--"]

    def run(self, command: str) -> None:
        subprocess.run([*self.enter, *command.split()], check=True)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


class Host(Space):
    """A member at a port of the switch. The third one is a worker."""

    def __init__(self, number: int, switch: Space) -> None:
        super().__init__()
        self.number = number
        self.manager = number < 3
        switch.run(f"ip link add p{number} mtu 1450 type veth peer name eth0 mtu 1450 netns {self.process.pid}")
        switch.run(f"ip link set p{number} master br0 up")
        self.run(f"ip address add 10.99.0.{number}/24 dev eth0")
        self.run(f"ip address add fd99::{number}/64 dev eth0 nodad")
        self.run("ip link set eth0 up")

    def member(self, version: int) -> dict[str, Any]:
        address = f"10.99.0.{self.number}" if version == 4 else f"fd99::{self.number}"
        return {"name": f"server-{self.number}", "address": address, "manager": self.manager}

    def probe(self, me: dict[str, Any], **options: Any) -> subprocess.Popen[str]:
        arguments = {"address": me["address"], "manager": me["manager"], "mtu": 1450, **options}
        command = [*self.enter, sys.executable, "-c", _MODULE, json.dumps(sys.path)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdin is not None
        process.stdin.write(json.dumps(arguments))
        process.stdin.close()
        process.stdin = None
        return process

    @contextmanager
    def filtering(self, hook: str, rule: str) -> Iterator[None]:
        self.run("nft add table ip t")
        self.run(f"nft add chain ip t c {{ type {hook} priority 0 ; }}")
        self.run(f"nft add rule ip t c {rule}")
        yield
        self.run("nft delete table ip t")

    def dropping(self, rule: str) -> AbstractContextManager[None]:
        return self.filtering("filter hook input", f"{rule} drop")


@pytest.fixture(scope="module")
def switch() -> Iterator[Space]:
    switch = Space()
    switch.run("ip link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")
    switch.run("ip link set br0 up")
    yield switch
    switch.close()


@pytest.fixture(scope="module")
def hosts(switch: Space) -> Iterator[list[Host]]:
    hosts = [Host(number, switch) for number in (1, 2, 3)]
    yield hosts
    for host in hosts:
        host.close()


def probed(hosts: list[Host], *, version: int = 4, running: int = 3, **options: Any) -> dict[tuple[int, int], Any]:
    """The links by the numbers of their hosts, first the one that reports. running: how many of the hosts take part."""
    members = [host.member(version) for host in hosts]
    processes = [host.probe(host.member(version), peers=members, **options) for host in hosts[:running]]
    links = {}
    for number, process in enumerate(processes, 1):
        result = json.loads(process.communicate()[0])
        assert result["changed"] is False
        links.update({(number, int(link["peer"][-1])): link for link in result["links"]})
    return links


def silent(links: dict[tuple[int, int], Any], part: str, way: str) -> set[tuple[int, int]]:
    """The links that lack something."""
    return {pair for pair, link in links.items() if link[part][way] is False}


@pytest.mark.parametrize("version", [4, 6])
def test_all_is_open(hosts: list[Host], version: int) -> None:
    began = time.monotonic()
    links = probed(hosts, version=version)
    assert time.monotonic() - began < 10
    assert links.keys() == {(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)}
    for (_, peer), link in links.items():
        assert link["heard"] == HEARD
        assert link["reached"] == ({"tcp_2377": None, "tcp_7946": True} if peer == 3 else REACHED)
        assert abs(link["clock_skew"]) < 1
        assert link["error"] is None
    for host in hosts:
        subprocess.run([*host.enter, sys.executable, "-c", _BINDS_AT_ONCE], check=True)


def test_beside_engines_that_run(hosts: list[Host]) -> None:
    engine = subprocess.Popen([*hosts[0].enter, sys.executable, "-c", _ENGINE], stdout=subprocess.PIPE, text=True)
    assert engine.stdout is not None
    engine.stdout.readline()
    links = probed(hosts)
    engine.kill()
    logged = engine.communicate()[0].splitlines()
    assert all(link["heard"] == HEARD and link["reached"]["tcp_7946"] for link in links.values())
    for peer in ("10.99.0.2", "10.99.0.3"):
        assert 1 <= logged.count(f"7946 {peer}") <= 2


def test_a_filter_on_a_host_is_seen_in_its_direction_only(hosts: list[Host]) -> None:
    with (
        hosts[0].dropping("ip saddr 10.99.0.3 tcp dport 2377"),
        hosts[1].dropping("ip saddr 10.99.0.1 udp dport 7946"),
        hosts[2].dropping("udp dport 4789"),
    ):
        links = probed(hosts, timeout=6)
    assert silent(links, "reached", "tcp_2377") == {(3, 1)}
    assert silent(links, "reached", "tcp_7946") == set()
    assert silent(links, "heard", "udp_7946") == {(2, 1)}
    assert silent(links, "heard", "udp_4789") == silent(links, "heard", "mtu") == {(3, 1), (3, 2)}


@pytest.mark.parametrize("version", [4, 6])
def test_a_path_that_takes_less(hosts: list[Host], switch: Space, version: int) -> None:
    switch.run("ip link set p2 mtu 1400")
    links = probed(hosts, version=version, timeout=3)
    switch.run("ip link set p2 mtu 1450")
    assert silent(links, "heard", "mtu") == {(1, 2), (2, 1), (2, 3), (3, 2)}
    assert silent(links, "heard", "udp_4789") == set()


def test_an_interface_that_takes_less(hosts: list[Host]) -> None:
    hosts[1].run("ip link set eth0 mtu 1400")
    links = probed(hosts, timeout=3)
    hosts[1].run("ip link set eth0 mtu 1450")
    assert {(1, 2), (3, 2)} <= silent(links, "heard", "mtu")
    assert links[2, 1]["error"] == "mtu: Message too long"


def test_a_member_that_is_not_there(hosts: list[Host]) -> None:
    links = probed(hosts, running=2, timeout=4)
    assert links[1, 2]["heard"] == HEARD
    assert links[1, 3]["heard"] == dict.fromkeys(HEARD, False)
    assert (links[1, 3]["clock_skew"], links[1, 3]["error"]) == (None, "tcp_7946: Connection refused")


def test_a_translated_address(hosts: list[Host]) -> None:
    with hosts[0].filtering("nat hook postrouting", "ip daddr 10.99.0.2 meta l4proto udp snat to 10.99.0.77"):
        links = probed(hosts, running=2, timeout=4)
    assert links[1, 2]["heard"] == HEARD
    assert links[2, 1]["heard"] == dict.fromkeys(HEARD, False)
    assert links[2, 1]["error"] == "what 10.99.0.1 sends comes from 10.99.0.77"


def test_an_address_of_another_host(hosts: list[Host]) -> None:
    elsewhere = hosts[0].probe({**hosts[0].member(4), "address": "10.99.0.9"}, peers=[hosts[1].member(4)])
    link = json.loads(elsewhere.communicate()[0])["links"][0]
    assert link["error"] == "10.99.0.9 is no address of this host"
