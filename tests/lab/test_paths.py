# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The probes of swarm_paths on a real kernel: tasks are processes in network namespaces of their own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path as File
from typing import TYPE_CHECKING

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._path_probes import AT_ONCE, enter, mtu, probe
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._paths import GONE, Outcome, Path
from lab.daemons import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not all(map(shutil.which, ("ip", "nsenter", "unshare"))), reason="needs root, ip and unshare"
)

# The engine's name server as a task sees it: knows web.back at two addresses, is silent on slow.back.
_TASK = r"""
import socket, subprocess
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
with socket.socket(type=socket.SOCK_DGRAM) as names:
    names.bind(("127.0.0.11", 53))
    print("listening", flush=True)
    while True:
        query, asker = names.recvfrom(512)
        question = query[12:-11]
        known = question.startswith(b"\3web\4back\0")
        record = b"\xc0\x0c\0\1\0\1\0\0\2\x58\0\4"
        answers = [record + socket.inet_aton(f"10.98.0.{n}") for n in (2, 3)] if known else []
        header = query[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + bytes([0, len(answers)]) + b"\0" * 4
        if not question.startswith(b"\4slow"):
            names.sendto(header + question + b"".join(answers), asker)
"""
TIMEOUT = 0.4
MTU = 1450


class Task:
    """A process in a namespace of its own with one interface, as a task on one overlay network has."""

    def __init__(self, number: int) -> None:
        self.address, self.address6 = f"10.98.0.{number}", f"fd98::{number}"
        self.process = subprocess.Popen(["unshare", "--net", sys.executable, "-c", _TASK], stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        self.process.stdout.readline()

    @property
    def pid(self) -> int:
        return self.process.pid

    def ip(self, *arguments: str) -> None:
        subprocess.run(["nsenter", "--target", str(self.pid), "--net", "ip", *arguments], check=True)

    def set_mtu(self, size: int) -> None:
        self.ip("link", "set", "eth0", "mtu", str(size))

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def tasks() -> Iterator[tuple[Task, Task]]:
    pair = Task(2), Task(3)
    ends = [("name", "eth0", "mtu", str(MTU), "netns", str(task.pid)) for task in pair]
    subprocess.run(["ip", "link", "add", *ends[0], "type", "veth", "peer", *ends[1]], check=True)
    for task in pair:
        task.ip("addr", "add", f"{task.address}/24", "dev", "eth0")
        task.ip("addr", "add", f"{task.address6}/64", "dev", "eth0", "nodad")
        task.ip("link", "set", "eth0", "up")
    # IPv6 takes a moment to use a fresh cable.
    assert wait_for(lambda: all(outcome.ok for outcome in tried(pair[0], *packets(*pair))), seconds=5)
    yield pair
    for task in pair:
        task.end()


@pytest.fixture
def second(tasks: tuple[Task, Task]) -> Iterator[Task]:
    yield tasks[1]
    tasks[1].set_mtu(MTU)


@pytest.fixture
def first(tasks: tuple[Task, Task]) -> Task:
    return tasks[0]


def packet(target: str, own: str, *, full: bool) -> Path:
    return Path("task", "web.1 on n1", "web.2 on n2", "back", (target,), full=full, container="c1", own=own)


def name(asked: str, *addresses: str) -> Path:
    return Path("name", "web.1 on n1", asked, "back", addresses, container="c1", own="10.98.0.2")


def port(number: int) -> Path:
    return Path("port", "n1", "web at n1", "", ("127.0.0.1",), port=number)


def greet(server: socket.socket) -> None:
    server.accept()[0].close()


def tried(first: Task, *paths: Path) -> list[Outcome]:
    outcomes = probe(paths, {"c1": first.pid}, TIMEOUT)
    return [outcomes[path] for path in paths]


def packets(first: Task, second: Task) -> tuple[Path, ...]:
    """Small and full, in both families."""
    pairs = (second.address, first.address), (second.address6, first.address6)
    return tuple(packet(target, own, full=full) for target, own in pairs for full in (False, True))


def test_packets_of_both_sizes_and_families_arrive(first: Task, second: Task) -> None:
    outcomes = tried(first, *packets(first, second))
    assert [(outcome.error, outcome.size) for outcome in outcomes] == [("", 84), ("", MTU)] * 2
    assert all(outcome.milliseconds is not None and outcome.milliseconds < TIMEOUT * 1000 for outcome in outcomes)


def test_an_mtu_that_is_too_large_swallows_full_packets_only(first: Task, second: Task) -> None:
    # The kernel lets 4 bytes more pass, for the tag of a VLAN.
    second.set_mtu(MTU - 5)
    outcomes = tried(first, *packets(first, second))
    assert [(outcome.ok, outcome.size) for outcome in outcomes] == [(True, 84), (False, MTU)] * 2
    assert outcomes[1] == Outcome("no answer within 0.4 s", None, MTU)


def test_a_task_that_is_not_there_does_not_answer(first: Task) -> None:
    (outcome,) = tried(first, packet("10.98.0.9", first.address, full=False))
    assert (outcome.ok, outcome.milliseconds) == (False, None)


def test_an_address_that_the_task_does_not_have_is_told(first: Task, second: Task) -> None:
    (outcome,) = tried(first, packet(second.address, "10.98.0.77", full=True))
    assert outcome.error == "no interface of this task has the address 10.98.0.77"


def test_a_container_that_is_gone_is_told(second: Task) -> None:
    path = packet(second.address, "10.98.0.2", full=False)
    assert probe([path], {}, TIMEOUT)[path].error == GONE


def test_names_are_asked_from_within(first: Task) -> None:
    outcomes = tried(
        first,
        name("web", "10.98.0.2", "10.98.0.3"),
        name("web", "10.98.0.3", "10.98.0.4"),
        name("db", "10.98.0.5"),
        name("slow", "10.98.0.6"),
    )
    assert [outcome.error for outcome in outcomes] == [
        "",
        "the answer (10.98.0.2, 10.98.0.3) lacks 10.98.0.4",
        "the name is not known (NXDOMAIN)",
        "no answer within 0.4 s",
    ]


def test_a_port_answers_when_somebody_takes_the_connection_up(first: Task) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, socket.create_server(("127.0.0.1", 0)) as left:
        numbers = [server.getsockname()[1] for server in (taken, left)]
        with socket.create_server(("127.0.0.1", 0)) as closed:
            numbers.append(closed.getsockname()[1])
        host = threading.Thread(target=greet, args=(taken,))
        host.start()
        outcomes = tried(first, *map(port, numbers))
        host.join()
    assert [outcome.error for outcome in outcomes] == [
        "",
        "connected, but nobody takes the connection up within 0.4 s",
        "Connection refused",
    ]


def test_only_the_thread_that_enters_a_task_is_there(first: Task) -> None:
    found: list[int] = []
    namespace = File("/proc/thread-self/ns/net").readlink()
    visitor = threading.Thread(target=lambda: (enter(first.pid), found.append(mtu(first.address))))
    visitor.start()
    visitor.join()
    assert (found, File("/proc/thread-self/ns/net").readlink()) == ([MTU], namespace)


def test_more_paths_than_are_tried_at_once(first: Task, second: Task) -> None:
    many = [Path("task", f"web.{n}", "web.2", "back", (second.address,), container="c1") for n in range(AT_ONCE)]
    assert all(outcome.ok for outcome in tried(first, *many, name("web", "10.98.0.2"), *packets(first, second)))
