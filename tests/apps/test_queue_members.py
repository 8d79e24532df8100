# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue of real processes, with passwords and without: servers that are alone, members and sentinels.

Left out where redis-server is not on PATH from 7.2 on, the first whose redis-cli has the option -t.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.apps.members import APPS, PASSWORD, SECONDS_TO_ACT, Member, eventually
from tests.apps.servers import on_redis

pytestmark = on_redis

# The programs themselves, on the address that stands for the member's host. What they are started with is written down:
# other processes could see it. A client answers itself where a test has answers for it.
ON_A_HOST = {
    "redis-server": f"""#!/bin/bash
{{ printf '%s\\n' "$@"; env; }} >>"$BOX/visible"
exec {shutil.which("redis-server")} "$@" --bind "$HOST"
""",
    "redis-cli": f"""#!/bin/bash
{{ printf '%s\\n' "$@"; env; }} >>"$BOX/visible"
call="${{0##*/}} $*"
source "$BOX/answers"
[[ " $* " == *' -h '* ]] || set -- -h "$HOST" "$@"
exec {shutil.which("redis-cli")} "$@"
""",
}


class Host:
    """A member of the queue and a sentinel beside it, on an address of the loopback interface."""

    def __init__(self, folder: Path, address: str, hosts: str, password: str) -> None:
        self.address = address
        names = {"HOST": address, "REDIS_MEMBERS": hosts, "SENTINEL_MEMBERS": hosts}
        self.member = Member(folder / "redis", "redis", ON_A_HOST)
        self.member.environment |= names | {"REDIS_NAME": address}
        self.sentinel = Member(folder / "sentinel", "sentinel", ON_A_HOST)
        self.sentinel.environment |= names | {"SENTINEL_NAME": address}
        configuration = (APPS / "redis" / "redis.conf").read_text(encoding="utf-8")
        self.member.fill("../redis.conf", text=configuration.replace("dir /data", f"dir {self.member.data}", 1))
        self.member.environment["SETTINGS"] = str(self.member.folder / "redis.conf")
        if password:
            self.ask_for(password)

    def ask_for(self, password: str) -> None:
        self.member.ask_for(password)
        self.sentinel.ask_for(password)

    def ask(self, *command: str, port: int = 6379) -> str:
        """What the member tells its administrator, or the sentinel at its port; nothing where it is not there."""
        client = "votes" if port == 6379 else "redis-cli"
        call = [client, "-h", self.address, "-p", str(port), *command]
        return subprocess.run(
            call, env=self.member.environment, capture_output=True, text=True, check=False, timeout=SECONDS_TO_ACT
        ).stdout

    def ask_as(self, user: str, *command: str) -> str:
        """What the member tells a user whose password is its name, or somebody who does not log in: ""."""
        environment = self.member.environment | ({"REDISCLI_AUTH": user} if user else {})
        call = ["redis-cli", "-h", self.address, *(["--user", user] if user else []), *command]
        done = subprocess.run(
            call, env=environment, capture_output=True, text=True, check=False, timeout=SECONDS_TO_ACT
        )
        return done.stderr + done.stdout

    def answers(self) -> bool:
        return self.ask("ping") == "PONG\n"

    def says(self, *parts: str) -> bool:
        told = self.ask("info", "replication")
        return all(part in told for part in parts)

    def linked(self) -> bool:
        return self.says("master_link_status:up", "slave_priority:100")

    def votes(self) -> list[str]:
        return self.ask("lrange", "votes", "0", "-1").split()

    def add(self, *users: str) -> None:
        """Makes users of the app as its accounts are made."""
        for user in users:
            assert self.ask("acl", "setuser", user, "on", f">{user}", "~votes*", "-@all", "+lrange") == "OK\n"
        assert self.ask("acl", "save") == "OK\n"

    def users(self) -> set[str]:
        return set(self.ask("acl", "users").split())

    def is_ready(self) -> bool:
        """What both programs `ready` say, when they ask for the others as well."""
        done = [
            subprocess.run(
                [APPS / "redis" / "ready", "all"], env=container.environment, check=False, stdout=subprocess.DEVNULL
            )
            for container in (self.member, self.sentinel)
        ]
        return not any(process.returncode for process in done)

    def believes(self) -> str:
        """Who the sentinel says is the master."""
        return self.ask("sentinel", "get-master-addr-by-name", "votes", port=26379).partition("\n")[0]

    def kept(self) -> dict[str, int]:
        """The epochs that the sentinel has in its volume."""
        lines = (self.sentinel.data / "sentinel.conf").read_text(encoding="utf-8").splitlines()
        return {line.split()[1]: int(line.split()[-1]) for line in lines if "-epoch " in line}


@pytest.fixture
def hosts(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[list[Host]]:
    """Three hosts on which nothing is started yet, with the password that the test names, if it does."""
    addresses = [f"127.7.{os.getpid() % 256}.{number}" for number in (1, 2, 3)]
    password = getattr(request, "param", "")
    hosts = [Host(tmp_path / address, address, " ".join(addresses), password) for address in addresses]
    yield hosts
    for host in hosts:
        host.sentinel.end()
        host.member.end()


with_password = pytest.mark.parametrize("hosts", [PASSWORD], ids=["password"], indirect=True)


def form(hosts: list[Host]) -> None:
    """Starts a queue with its three members and three sentinels, the first one the master."""
    hosts[0].member.fill(".initialise", text="")
    hosts[0].sentinel.fill(".initialise", text="")
    for host in hosts:
        host.sentinel.start("sentinel")
        host.member.start("member")
    eventually(lambda: all(host.linked() for host in hosts[1:]), 60, 0.5)
    meet(hosts)


def meet(hosts: list[Host]) -> None:
    """Waits until all sentinels know all others."""
    eventually(lambda: all("OK 3" in host.ask("sentinel", "ckquorum", "votes", port=26379) for host in hosts), 60, 0.5)


def seen(members: list[Member]) -> str:
    """What others can see of the members' processes, those that live and the servers and clients that were started."""
    visible = "".join((member.folder / "visible").read_text(encoding="utf-8") for member in members)
    boxes = {f"BOX={member.folder}" for member in members}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_text(encoding="utf-8", errors="replace")
            if boxes & set(environment.split("\0")):
                visible += environment + (process / "cmdline").read_text(encoding="utf-8")
        except OSError:  # it has ended
            continue
    return visible


def written(members: list[Member]) -> bytes:
    """All that is in the members' volumes and logs."""
    files = [path for member in members for path in (*member.data.rglob("*"), member.folder / "said")]
    return b"".join(path.read_bytes() for path in files if path.is_file())


# ---- one server


@with_password
def test_a_server_that_is_alone_asks_for_the_password(hosts: list[Host]) -> None:
    host = hosts[0]
    assert host.member.run("alive")[0] != 0
    host.member.start("single")
    eventually(host.answers)
    assert host.ask_as("", "ping").startswith("NOAUTH")
    assert "WRONGPASS" in host.ask_as("default", "ping")
    assert host.ask("acl", "whoami") == "default\n"
    assert host.users() == {"default", "check"}
    assert host.ask("config", "get", "masterauth").splitlines()[1] == PASSWORD
    # It is the image's configuration that is included.
    assert host.ask("config", "get", "appendfsync").split() == ["appendfsync", "always"]
    assert host.ask("rpush", "votes", "a") == "1\n"
    assert PASSWORD.encode() not in written([host.member])
    assert PASSWORD not in seen([host.member])
    assert host.member.run("alive")[0] == 0


def test_a_server_without_a_password_is_open(hosts: list[Host]) -> None:
    host = hosts[0]
    host.member.start("single")
    eventually(host.answers)
    assert host.ask_as("", "rpush", "votes", "a") == "1\n"
    assert host.users() == {"default"}
    assert {file.partition("/")[0] for file in host.member.files()} == {"appendonlydir"}


@with_password
def test_users_of_the_app_outlive_the_server_and_the_password_follows_its_secret(hosts: list[Host]) -> None:
    host = hosts[0]
    host.member.start("single")
    eventually(host.answers)
    host.add("voteapp_1", "voteapp_12", "somebody")
    assert host.ask("acl", "setuser", "check", "~*", "+get") == "OK\n"
    assert host.ask("acl", "save") == "OK\n"
    host.ask("rpush", "votes", "a")
    host.member.end()

    host.ask_for("an0ther")
    host.member.start("single")
    eventually(host.answers)
    assert host.users() == {"default", "check", "voteapp_1", "voteapp_12"}
    assert host.ask_as("voteapp_12", "lrange", "votes", "0", "-1") == "a\n"
    assert host.ask_as("check", "get", "votes").startswith("NOPERM")


COMMANDS = (
    "PING", "GET votes", "LRANGE votes 0 -1", "RPUSH votes a", "SCAN 0", "EVAL return 0", "PUBLISH a b", "SUBSCRIBE a",
    "ACL WHOAMI", "ACL LIST", "ACL SETUSER check +@all", "CONFIG GET masterauth", "CONFIG SET masterauth a", "SHUTDOWN",
    "CLIENT LIST", "MONITOR", "REPLICAOF NO ONE", "SYNC", "FLUSHALL", "COMMAND", "SELECT 0",
)  # fmt: skip


@with_password
def test_a_proxy_may_ask_how_a_server_is_and_for_nothing_else(hosts: list[Host]) -> None:
    host = hosts[0]
    host.member.start("single")
    eventually(host.answers)
    # As the check of the proxy says it.
    with (
        socket.create_connection((host.address, 6379), SECONDS_TO_ACT) as connection,
        connection.makefile("rw") as lines,
    ):

        def tell(command: str) -> str:
            lines.write(f"{command}\r\n")
            lines.flush()
            return lines.readline()

        assert tell("INFO replication").startswith("-NOAUTH")
        assert tell("AUTH check check") == "+OK\n"
        assert tell("INFO replication").startswith("$")
        answer = list(itertools.takewhile(str.strip, lines))
        assert "role:master\n" in answer
        refused = {command: tell(command) for command in COMMANDS}
    assert not {command: answer for command, answer in refused.items() if not answer.startswith("-NOPERM")}


# ---- a member and its master


def lead(master: Host, replica: Host) -> None:
    """Makes one the master, as the sentinels tell the other."""
    master.member.start("single")
    eventually(master.answers)
    replica.member.answers({"*get-master-addr-by-name*": f"{master.address}\n6379"})


@with_password
def test_a_replica_has_the_users_of_its_master(hosts: list[Host]) -> None:
    master, replica, _ = hosts
    replica.member.start("single")
    eventually(replica.answers)
    replica.add("voteapp_1", "voteapp_2")
    replica.ask("acl", "setuser", "voteapp_2", "resetpass", ">old")
    replica.ask("acl", "save")
    replica.member.end()

    lead(master, replica)
    master.add("voteapp_2", "voteapp_3")
    replica.member.start("member")
    eventually(replica.linked)
    assert replica.users() == {"default", "check", "voteapp_2", "voteapp_3"}
    assert replica.ask_as("voteapp_2", "lrange", "votes", "0", "-1") == "\n"

    # Also where its volume was lost.
    replica.member.end()
    shutil.rmtree(replica.member.data)
    replica.member.data.mkdir()
    replica.member.start("member")
    eventually(replica.linked)
    assert replica.users() == {"default", "check", "voteapp_2", "voteapp_3"}


@with_password
@pytest.mark.parametrize("why", ["silent", "hanging", "another password"])
def test_a_replica_whose_master_tells_nothing_has_the_users_that_it_had(hosts: list[Host], why: str) -> None:
    master, replica, _ = hosts
    replica.member.start("single")
    eventually(replica.answers)
    replica.add("voteapp_1")
    replica.member.end()

    if why == "another password":
        master.ask_for("an0ther")
    lead(master, replica)
    master.add("voteapp_2")
    if why == "silent":
        master.member.end()
    elif why == "hanging":
        os.killpg(master.member.started[0].pid, signal.SIGSTOP)
    replica.member.start("member")
    eventually(replica.answers)
    assert replica.users() == {"default", "check", "voteapp_1"}


# ---- a queue


def test_a_stale_replica_is_not_promoted_before_it_has_followed(hosts: list[Host]) -> None:
    form(hosts)
    one, two, three = hosts
    one.ask("rpush", "votes", "early")
    assert one.ask("wait", "2", "5000") == "2\n"
    three.member.end()
    one.ask("rpush", "votes", "late")
    assert one.ask("wait", "1", "5000") == "1\n"

    # All are gone, and the replicas come back, of which nobody can tell which one has more.
    one.member.end()
    two.member.end()
    for host in (three, two):
        host.member.start("member")

    def attempts() -> int:
        return sum(host.sentinel.said().count("-failover-abort-no-good-slave") for host in hosts)

    eventually(lambda: two.says("role:slave") and three.says("role:slave"), 60, 0.5)
    tried = attempts()
    # Two, for the first may have begun before the sentinels saw them.
    eventually(lambda: attempts() >= tried + 2, 90, 0.5)
    assert two.says("role:slave", "slave_priority:0")
    assert three.says("role:slave", "slave_priority:0")

    one.member.start("member")
    eventually(lambda: two.linked() and three.linked(), 60, 0.5)
    assert [host.votes() for host in hosts] == [["early", "late"]] * 3

    # Who has followed can be chosen.
    one.member.end()
    eventually(lambda: two.says("role:master") or three.says("role:master"), 60, 0.5)
    assert [host.votes() for host in (two, three)] == [["early", "late"]] * 2


@with_password
def test_a_queue_with_passwords_survives_its_master_and_its_sentinels(hosts: list[Host]) -> None:
    form(hosts)
    members = [container for host in hosts for container in (host.member, host.sentinel)]
    for host in hosts:
        host.add("voteapp_1")
    hosts[0].ask("rpush", "votes", "early")
    assert hosts[0].ask("wait", "2", "5000") == "2\n"
    eventually(lambda: all(host.is_ready() for host in hosts))
    assert PASSWORD not in seen(members)

    # The master's server is lost, and its sentinel with it.
    lost, *others = hosts
    lost.member.end()
    lost.sentinel.end()
    eventually(lambda: any(host.says("role:master", "state=online") for host in others), 60, 0.5)
    master = next(host for host in others if host.says("role:master"))
    assert master.votes() == ["early"]
    assert master.ask_as("voteapp_1", "lrange", "votes", "0", "-1") == "early\n"
    assert master.ask("acl", "deluser", "voteapp_1") == "1\n"
    master.add("voteapp_2")

    # What sentinels know is in their volumes alone: what they had in memory is gone with their servers.
    known = [host.kept()["current-epoch"] for host in others]
    for host in others:
        host.sentinel.end()
    for host in hosts:
        shutil.rmtree(host.sentinel.memory)
        host.sentinel.memory.mkdir()
        host.sentinel.start("sentinel")
    eventually(lambda: [host.believes() for host in others] == [master.address] * 2)
    meet(hosts)
    assert [host.kept()["leader-epoch"] for host in others] == [epoch + 1 for epoch in known]

    # Who comes back has what the others have.
    lost.member.start("member")
    eventually(lost.linked, 60, 0.5)
    assert lost.users() == {"default", "check", "voteapp_2"}
    assert lost.votes() == ["early"]

    # All of it once more, with who came back.
    master.member.end()
    rest = [host for host in hosts if host is not master]
    eventually(lambda: any(host.says("role:master", "state=online") for host in rest), 60, 0.5)
    assert [host.votes() for host in rest] == [["early"]] * 2
    assert PASSWORD.encode() not in written(members)
    assert PASSWORD not in seen(members)


@with_password
def test_a_sentinel_that_was_killed_does_not_vote_twice_in_an_epoch(hosts: list[Host]) -> None:
    host = hosts[0]
    host.sentinel.fill(".initialise")
    host.sentinel.start("sentinel")
    eventually(lambda: host.believes() == host.address)

    def vote(epoch: int, candidate: str) -> list[str]:
        """For whom it votes when it is asked to, and in which epoch."""
        call = ("sentinel", "is-master-down-by-addr", host.address, "6379", str(epoch), candidate)
        return host.ask(*call, port=26379).split()[1:]

    assert vote(7, "a" * 40) == ["a" * 40, "7"]
    eventually(lambda: host.kept()["leader-epoch"] == 7, 1)
    copy = host.sentinel.data / "sentinel.conf"
    known = copy.read_bytes()
    assert vote(8, "a" * 40) == ["a" * 40, "8"]
    host.sentinel.end()
    # As if it had been killed before the copy.
    copy.write_bytes(known)

    host.sentinel.start("sentinel")
    eventually(lambda: host.believes() == host.address)
    assert vote(8, "b" * 40) == ["*", "8"]
    assert vote(9, "b" * 40) == ["b" * 40, "9"]


def test_passwords_come_to_one_host_after_the_other(hosts: list[Host]) -> None:
    form(hosts)
    assert hosts[0].ask("rpush", "votes", "kept") == "1\n"
    for host in reversed(hosts):
        host.member.end()
        host.sentinel.end()
        host.ask_for(PASSWORD)
        host.sentinel.start("sentinel")
        host.member.start("member")
        eventually(lambda: all(one.is_ready() for one in hosts), 60, 0.5)
    assert [host.votes() for host in hosts] == [["kept"]] * 3
    assert all(host.ask_as("", "ping").startswith("NOAUTH") for host in hosts)
