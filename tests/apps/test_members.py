# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How members of the replicated stores start, and what they say of themselves, with stand-ins for what they call.

One test has a queue of real processes. It is left out where redis-server is not on PATH from 7.2 on, the first whose
redis-cli has the option -t.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

import pytest

from tests.apps.redis_server import on_redis

APPS = Path(__file__).resolve().parents[2] / "apps"
SECONDS_TO_ACT = 15

# What a program ends in: it tells what it was started with.
SERVER = """#!/bin/bash
env >"$BOX/environment"
printf '%s\\n' "${0##*/}" "$@" >"$BOX/served.new" && mv "$BOX/served.new" "$BOX/served"
"""
# The same of a client: what it is told comes by its input.
PSQL = f"""{SERVER}cat >"$BOX/statements"
"""
# Answers what the test has written for a call like this one; nobody is there for any other.
CLIENT = """#!/bin/bash
call="${0##*/} $*"
echo "$call" >>"$BOX/calls"
source "$BOX/answers"
echo 'nobody is there' >&2
exit 1
"""
PROGRAMS = {
    **dict.fromkeys(("etcd", "redis-server", "patroni"), SERVER),
    **dict.fromkeys(("etcdctl", "redis-cli"), CLIENT),
    "psql": PSQL,
    "sleep": "#!/bin/bash\nexec /bin/sleep 0.05\n",
}
ENVIRONMENTS = {
    "etcd": {"ETCD_NAME": "etcd-1", "ETCD_MEMBERS": "etcd-1 etcd-2 etcd-3"},
    "redis": {
        "REDIS_NAME": "redis-1",
        "REDIS_MEMBERS": "redis-1 redis-2 redis-3",
        "SENTINEL_MEMBERS": "sentinel-1 sentinel-2 sentinel-3",
    },
    "sentinel": {
        "SENTINEL_NAME": "sentinel-1",
        "REDIS_MEMBERS": "redis-1 redis-2 redis-3",
        "SENTINEL_MEMBERS": "sentinel-1 sentinel-2 sentinel-3",
    },
    "db": {"PATRONI_NAME": "db-1", "PATRONI_SCOPE": "voteapp", "POSTGRES_PASSWORD": "s3cret"},
}


class Member:
    """A member's container: its volume, and the programs that are run in it."""

    def __init__(self, folder: Path, store: str, stand_ins: dict[str, str] = PROGRAMS) -> None:
        self.folder, self.store = folder, store
        self.image = APPS / {"sentinel": "redis"}.get(store, store)
        self.data = folder / "data"
        self.waiting = folder / "waiting"
        self.data.mkdir(parents=True)
        programs = folder / "programs"
        programs.mkdir()
        for name, text in stand_ins.items():
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{self.image}:{os.environ['PATH']}",
            "BOX": str(folder),
            "WAITING": str(self.waiting),
            "DATA": str(self.data),
            "ETCD_DATA_DIR": str(self.data),
            "PGDATA": str(self.data / "pgdata"),
            **ENVIRONMENTS[store],
        }
        self.answers({})
        self.started: list[subprocess.Popen[str]] = []

    def fill(self, *files: str, text: str = "old") -> None:
        for name in files:
            path = self.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def files(self) -> set[str]:
        """What is in the volume, less what says whose it is."""
        files = {str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()}
        return files - {".lock", ".name"}

    def answers(self, answers: dict[str, str]) -> None:
        """What clients are told: {pattern of a call: answer}. The first pattern that fits is taken."""
        lines = [
            f"like={shlex.quote(like)}; [[ $call != $like ]] || {{ printf '%s\\n' {shlex.quote(answer)}; exit 0; }}\n"
            for like, answer in answers.items()
        ]
        (self.folder / "answers.new").write_text("".join(lines), encoding="utf-8")
        (self.folder / "answers.new").rename(self.folder / "answers")

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        path = self.image / program
        interpreter = [sys.executable] if "python" in path.read_text(encoding="utf-8").partition("\n")[0] else []
        with (self.folder / "said").open("w") as said:
            process = subprocess.Popen(
                [*interpreter, path, *arguments],
                env=self.environment | environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, program: str, *arguments: str, **environment: str) -> tuple[int, str]:
        code = self.start(program, *arguments, **environment).wait(SECONDS_TO_ACT)
        return code, self.said()

    def said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8")

    def served(self) -> list[str]:
        """The server that was started, with its arguments."""
        path = self.folder / "served"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def environment_of_server(self) -> set[str]:
        return set((self.folder / "environment").read_text(encoding="utf-8").splitlines())

    def waits(self, process: subprocess.Popen[str], text: str) -> None:
        """Sees that the start says why it waits, and goes on waiting for some rounds."""
        eventually(lambda: text in self.said() and self.waiting.exists())
        asked = len(self.calls())
        eventually(lambda: len(self.calls()) > asked + 6 or self.store in ("etcd", "db"))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        assert not self.served()

    def goes_on(self, process: subprocess.Popen[str]) -> list[str]:
        assert process.wait(SECONDS_TO_ACT) == 0, self.said()
        assert not self.waiting.exists()
        return self.served()

    def end(self) -> None:
        while self.started:
            process = self.started.pop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def eventually(answer: Callable[[], bool], seconds: float = SECONDS_TO_ACT, pause: float = 0.02) -> None:
    deadline = time.monotonic() + seconds
    while not answer():
        assert time.monotonic() < deadline
        time.sleep(pause)


@pytest.fixture
def member(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Member]:
    """Of the store that the test names."""
    member = Member(tmp_path, request.param)
    yield member
    member.end()


def is_held(lock: Path) -> bool:
    """Whether a process of a container has the volume still."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def of(*stores: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("member", stores, indirect=True)


def begin(member: Member) -> subprocess.Popen[str]:
    """A start of a member, whatever its store is, that finds no etcd."""
    program = "sentinel" if member.store == "sentinel" else "member"
    return member.start(program, REPLICATION_PASSWORD="r", PATRONI_ETCD3_HOSTS="127.0.0.1:1")


# ---- etcd

NEW_CLUSTER = "etcd-1=http://etcd-1:2380,etcd-2=http://etcd-2:2380,etcd-3=http://etcd-3:2380"
EXISTING_CLUSTER = "etcd-1=http://etcd-1:2380,etcd-3=http://etcd-3:2380"
ETCD_STARTS: dict[str, tuple[dict[str, str], list[str], set[str]]] = {
    "a new cluster": (
        {".initialise": ""},
        ["--initial-cluster-state=new", f"--initial-cluster={NEW_CLUSTER}"],
        {".initialise"},
    ),
    "a place in one that exists": (
        {".join": EXISTING_CLUSTER + "\n"},
        ["--initial-cluster-state=existing", f"--initial-cluster={EXISTING_CLUSTER}"],
        {".join"},
    ),
    "a place, before a new cluster": (
        {".initialise": "", ".join": EXISTING_CLUSTER},
        ["--initial-cluster-state=existing", f"--initial-cluster={EXISTING_CLUSTER}"],
        {".initialise", ".join"},
    ),
    "with data, whatever was allowed": (
        {"member/wal/0.wal": "", ".initialise": "", ".join": EXISTING_CLUSTER},
        [],
        {"member/wal/0.wal"},
    ),
}


@of("etcd")
@pytest.mark.parametrize(("files", "place", "left"), ETCD_STARTS.values(), ids=ETCD_STARTS.keys())
def test_etcd_starts_in_its_place(member: Member, files: dict[str, str], place: list[str], left: set[str]) -> None:
    for name, text in files.items():
        member.fill(name, text=text)
    program, *arguments = member.goes_on(member.start("member", "--an-option"))
    assert program == "etcd"
    assert [argument for argument in arguments if argument.startswith("--initial-cluster")] == place
    assert "--initial-advertise-peer-urls=http://etcd-1:2380" in arguments
    assert arguments[-1] == "--an-option"
    assert member.files() == left


@of("etcd")
@pytest.mark.parametrize("allowed", [".initialise", ".join"])
def test_an_empty_etcd_waits_for_its_place(member: Member, allowed: str) -> None:
    start = member.start("member")
    member.waits(start, "etcd-1 has no data, and waits to be given a place in the cluster")
    member.fill(allowed)
    assert member.goes_on(start)


MEMBER_LIST = """8e9e05c52164694d, started, etcd-1, http://etcd-1:2380, http://etcd-1:2379, false
91bc3c398fb3c146, started, etcd-2, http://etcd-2:2380, http://etcd-2:2379, false
fd422379fda50e48, started, etcd-3, http://etcd-3:2380, http://etcd-3:2379, false"""
MEMBER_ADDED = """Member ade526d28b1f92f7 added to cluster d282ac2ce600c1ce

ETCD_NAME="etcd-2"
ETCD_INITIAL_CLUSTER="etcd-1=http://etcd-1:2380,etcd-2=http://etcd-2:2380,etcd-3=http://etcd-3:2380"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://etcd-2:2380"
ETCD_INITIAL_CLUSTER_STATE="existing\""""
# What the cluster knows of the lost member: {case: (its line, the ID to remove)}.
LOST = {
    "as it was": (
        "91bc3c398fb3c146, started, etcd-2, http://etcd-2:2380, http://etcd-2:2379, false",
        "91bc3c398fb3c146",
    ),
    "as a learner that never started": (
        "ade526d28b1f92f7, unstarted, , http://etcd-2:2380, , true",
        "ade526d28b1f92f7",
    ),
    "nothing any more": ("", ""),
}


def etcd_answers(*healthy: str, members: str = MEMBER_LIST) -> dict[str, str]:
    return {f"*--endpoints=http://{name}:2379*endpoint health*": "is healthy" for name in healthy} | {
        "*member list": members,
        "*member remove *": "Member removed",
        "*member add *": MEMBER_ADDED,
        "*member promote *": "Member promoted",
    }


@of("etcd")
@pytest.mark.parametrize(("line", "removed"), LOST.values(), ids=LOST.keys())
def test_a_lost_etcd_is_taken_out_and_in_again_as_a_learner(member: Member, line: str, removed: str) -> None:
    one, _, three = MEMBER_LIST.splitlines()
    member.answers(etcd_answers("etcd-1", "etcd-3", members="\n".join(filter(None, (one, line, three)))))
    process = subprocess.run(
        [APPS / "etcd" / "replace", "etcd-2"], env=member.environment, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, f"{NEW_CLUSTER}\n"), process.stderr
    changes = [call.partition(" member ")[2] for call in member.calls() if "remove" in call or "add" in call]
    assert changes == [
        *([f"remove {removed}"] if removed else []),
        "add etcd-2 --learner --peer-urls=http://etcd-2:2380",
    ]


@of("etcd")
@pytest.mark.parametrize("healthy", ["etcd-1", "etcd-3"])
def test_a_lost_etcd_is_not_replaced_while_another_member_is_silent(member: Member, healthy: str) -> None:
    member.answers(etcd_answers(healthy))
    code, said = member.run("replace", "etcd-2")
    assert code == 1
    silent = {"etcd-1": "etcd-3", "etcd-3": "etcd-1"}[healthy]
    assert f"{silent} does not answer, and without it and etcd-2 the cluster has no majority" in said
    assert not [call for call in member.calls() if "remove" in call or "add" in call]


@of("etcd")
def test_a_learner_is_given_its_vote_once(member: Member) -> None:
    learner = MEMBER_LIST.replace("http://etcd-2:2379, false", "http://etcd-2:2379, true")
    for members, promotions in ((learner, 1), (MEMBER_LIST, 1)):
        member.answers(etcd_answers(members=members))
        assert member.run("promote", "etcd-2")[0] == 0
        promoted = [call for call in member.calls() if "promote" in call]
        assert promoted == ["etcdctl --command-timeout=5s member promote 91bc3c398fb3c146"] * promotions


@of("etcd")
def test_a_learner_that_is_not_known_or_not_ready_is_no_success(member: Member) -> None:
    member.answers({"*member list": MEMBER_LIST})
    assert member.run("promote", "etcd-4") == (1, "etcd-4 has no place in the cluster\n")
    member.answers({"*member list": MEMBER_LIST.replace("http://etcd-2:2379, false", "http://etcd-2:2379, true")})
    assert member.run("promote", "etcd-2")[0] != 0


HEALTH = {"*=3s endpoint health": "is healthy"}
VOTER = {"*endpoint status*": '[{"Endpoint":"127.0.0.1:2379","Status":{"leader":1,"raftTerm":2}}]'}
LEARNER = {"*endpoint status*": '[{"Endpoint":"127.0.0.1:2379","Status":{"leader":1,"isLearner":true}}]'}
TWO_OTHERS = {f"*--endpoints=http://{name}:2379 *health": "is healthy" for name in ("etcd-1", "etcd-3")}
# {case: (answers, scope, exit code, what is said)}
ETCD_VERDICTS = {
    "a voter": (VOTER | HEALTH, "one", 0, ""),
    "silent": ({}, "one", 1, "etcd-1 does not answer"),
    "a learner": (LEARNER | HEALTH, "one", 3, "etcd-1 is a learner"),
    "without a leader": (VOTER, "one", 1, "etcd-1 knows no leader"),
    "all are well": (VOTER | {"*health": "is healthy"}, "all", 0, ""),
    "one asks for itself alone": (TWO_OTHERS | VOTER | {"etcdctl --command-timeout=3s*": ""}, "one", 0, ""),
    "all ask for the others": (TWO_OTHERS | VOTER | {"etcdctl --command-timeout=3s*": ""}, "all", 1, "etcd-2 does not"),
}


@of("etcd")
@pytest.mark.parametrize(("answers", "scope", "code", "text"), ETCD_VERDICTS.values(), ids=ETCD_VERDICTS.keys())
def test_etcd_tells_whether_it_has_a_vote(
    member: Member, answers: dict[str, str], scope: str, code: int, text: str
) -> None:
    member.answers(answers)
    told = member.run("ready", scope)
    assert told[0] == code, told
    assert text in told[1]


# ---- redis


def votes(*masters: str | None) -> dict[str, str]:
    """What the sentinels say about the master. None is one that does not answer."""
    return {
        f"redis-cli -h sentinel-{number} -p 26379 sentinel get-master-addr-by-name votes": f"{name}\n6379"
        if name
        else ""
        for number, name in enumerate(masters, 1)
        if name is not None
    }


def replicas(**offsets: int | None) -> dict[str, str]:
    """What the members say of themselves: replicas that have followed so far, or None for one without an offset."""
    return {
        f"redis-cli -h {name.replace('_', '-')} info replication": "# Replication\r\nrole:"
        + ("master\r\nconnected_slaves:0" if offset is None else f"slave\r\nslave_repl_offset:{offset}\r")
        for name, offset in offsets.items()
    }


LINKED = {"*redis-cli -t 2 info replication": "role:slave\nmaster_link_status:up", "*config set*": "OK"}
MANIFEST = "appendonlydir/appendonly.aof.manifest"


@of("redis")
def test_an_empty_redis_never_becomes_the_master(member: Member) -> None:
    new = replicas(redis_2=1, redis_3=1)
    member.answers(votes("redis-1", "redis-1", "redis-1") | new | LINKED)
    # However long it takes.
    start = member.start("member", PATIENCE="0")
    member.waits(start, "redis-1 has no data and is the master for the sentinels")
    member.answers(votes("redis-1", "redis-3", "redis-3") | new | LINKED)
    program, *arguments = member.goes_on(start)
    assert program == "redis-server"
    assert arguments[1:4] == ["--replicaof", "redis-3", "6379"]


# Replica of whom, or master: {case: (what sentinels say, what is in the volume, the master, "" being itself)}
REDIS_ROLES: dict[str, tuple[tuple[str | None, ...], set[str], str]] = {
    "empty, a replica": (("redis-2", "redis-2", "redis-2"), set(), "redis-2"),
    "with data, a replica": (("redis-2", "redis-2", "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one is silent": (("redis-2", None, "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one says otherwise": (("redis-1", "redis-2", "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one knows nothing": (("redis-1", "", "redis-1"), {MANIFEST}, ""),
    "with data, the master of new ones": (("redis-1", "redis-1", None), {MANIFEST}, ""),
    "empty, allowed to begin": (("redis-1", "redis-1", "redis-1"), {".initialise"}, ""),
    "allowed to begin, and another is the master": (("redis-2", "redis-2", None), {".initialise"}, "redis-2"),
}


@of("redis")
@pytest.mark.parametrize(("said", "files", "master"), REDIS_ROLES.values(), ids=REDIS_ROLES.keys())
def test_redis_starts_as_what_two_sentinels_say(
    member: Member, said: tuple[str | None, ...], files: set[str], master: str
) -> None:
    member.fill(*files)
    member.answers(votes(*said) | replicas(redis_2=1, redis_3=None) | LINKED)
    _, configuration, *arguments = member.goes_on(member.start("member"))
    assert configuration == "/etc/redis/redis.conf"
    assert (arguments[:3] == ["--replicaof", master, "6379"]) == bool(master)
    assert ("--replicaof" in arguments) == bool(master)
    assert arguments[arguments.index("--min-replicas-to-write") + 1] == "1"
    assert member.files() == files


NO_MAJORITY: dict[str, tuple[str | None, ...]] = {
    "nobody": (None, None, None),
    "one": ("redis-2", None, None),
    "one, the others know nothing": ("redis-2", "", ""),
    "one each": ("redis-1", "redis-2", "redis-3"),
}


@of("redis")
@pytest.mark.parametrize("allowed", [set(), {MANIFEST}, {".initialise"}], ids=["empty", "data", "allowed"])
@pytest.mark.parametrize("said", NO_MAJORITY.values(), ids=NO_MAJORITY.keys())
def test_redis_waits_until_two_sentinels_agree(member: Member, said: tuple[str | None, ...], allowed: set[str]) -> None:
    member.fill(*allowed)
    member.answers(votes(*said) | replicas(redis_2=1, redis_3=1))
    member.waits(member.start("member"), "redis-1 waits until two sentinels agree on who the master is")


GIVES_WAY: dict[str, dict[str, int | None]] = {
    "to one that has followed it": {"redis_2": 4711, "redis_3": 1},
    "to one that has followed a little": {"redis_2": 1, "redis_3": 12},
    "where one is silent": {"redis_2": 1},
    "where all are silent": {},
}


@of("redis")
@pytest.mark.parametrize("others", GIVES_WAY.values(), ids=GIVES_WAY.keys())
def test_a_master_that_comes_back_leaves_its_place_for_a_while(member: Member, others: dict[str, int | None]) -> None:
    member.fill(MANIFEST)
    member.answers(votes("redis-1", "redis-1", "redis-1") | replicas(**others) | LINKED)
    start = member.start("member")
    member.waits(start, "redis-1 was the master, and leaves its place to a replica")
    member.end()
    # Nobody was chosen for a minute.
    assert "--replicaof" not in member.goes_on(member.start("member", PATIENCE="0"))


@of("redis")
def test_a_replica_can_be_chosen_once_it_follows(member: Member) -> None:
    down = {"redis-cli -t 2 info replication": "role:slave\nmaster_link_status:down"}
    allow = "redis-cli -t 2 config set replica-priority 100"
    member.answers(votes("redis-2", "redis-2", "redis-2") | down)
    arguments = member.goes_on(member.start("member"))
    assert arguments[arguments.index("--replica-priority") + 1] == "0"
    asked = len(member.calls())
    eventually(lambda: len(member.calls()) > asked + 3)
    assert allow not in member.calls()
    member.answers(LINKED)
    eventually(lambda: allow in member.calls())


ONLINE = "slave{}:ip=redis-{},port=6379,state=online,offset=1,lag=0"
MASTER = "role:master\r\nconnected_slaves:{}\r\n"
# {case: (what it says of itself, scope, what is wrong with that)}
REDIS_VERDICTS = {
    "a master of two": (MASTER.format(2) + ONLINE.format(0, 2) + "\r\n" + ONLINE.format(1, 3), "all", ""),
    "a master of one": (MASTER.format(1) + ONLINE.format(0, 2), "one", ""),
    "a master of one, where all count": (MASTER.format(1) + ONLINE.format(0, 2), "all", "one replica of two"),
    "a master of one that loads": (
        MASTER.format(1) + ONLINE.format(0, 2).replace("online", "wait_bgsave"),
        "one",
        "is the master, and has no replica",
    ),
    "a master alone": (MASTER.format(0), "one", "redis-1 is the master, and has no replica"),
    "a replica": ("role:slave\r\nmaster_link_status:up", "all", ""),
    "a replica that is cut off": ("role:slave\r\nmaster_link_status:down", "one", "does not follow its master yet"),
    "one that loads": ("LOADING Redis is loading the dataset in memory", "one", "does not follow its master yet"),
    "silent": (None, "one", "redis-1 does not answer"),
}


@of("redis")
@pytest.mark.parametrize(("said", "scope", "flaw"), REDIS_VERDICTS.values(), ids=REDIS_VERDICTS.keys())
def test_redis_tells_whether_it_does_its_part(member: Member, said: str | None, scope: str, flaw: str) -> None:
    member.answers({"redis-cli -t 2 info replication": said} if said else {})
    code, told = member.run("ready", scope)
    assert (code, flaw in told) == (int(bool(flaw)), True), told


SENTINEL_VERDICTS = {
    "three": ("OK 3 usable Sentinels. Quorum and failover authorization can be reached", "all", ""),
    "two": ("OK 2 usable Sentinels. Quorum and failover authorization can be reached", "one", ""),
    "two, where all count": ("OK 2 usable Sentinels. Quorum can be reached", "all", "sentinel-1 misses another one"),
    "one": ("NOQUORUM 1 usable Sentinels. Not enough to reach the majority", "one", "sentinel-1: NOQUORUM"),
    "silent": (None, "one", "sentinel-1 does not answer"),
}


@of("sentinel")
@pytest.mark.parametrize(("said", "scope", "flaw"), SENTINEL_VERDICTS.values(), ids=SENTINEL_VERDICTS.keys())
def test_a_sentinel_tells_whether_it_does_its_part(member: Member, said: str | None, scope: str, flaw: str) -> None:
    member.answers({"redis-cli -t 2 -p 26379 sentinel ckquorum votes": said} if said else {})
    code, told = member.run("ready", scope)
    assert (code, flaw in told) == (int(bool(flaw)), True), told


@of("redis", "sentinel")
@pytest.mark.parametrize("arguments", [(), ("26379",)])
def test_an_answer_is_a_sign_of_life_and_so_is_waiting(member: Member, arguments: tuple[str, ...]) -> None:
    assert member.run("alive", *arguments)[0] != 0
    member.answers({f"redis-cli -t 2 -p {''.join(arguments) or 6379} ping": "LOADING"})
    assert member.run("alive", *arguments)[0] == 0
    member.answers({})
    member.waiting.touch()
    assert member.run("alive", *arguments)[0] == 0


# ---- sentinel

KNOWN = {"*get-master-addr-by-name*": "redis-3\n6379"}


def configuration(member: Member) -> list[str]:
    return (member.data / "sentinel.conf").read_text(encoding="utf-8").splitlines()


@of("sentinel")
def test_a_sentinel_goes_on_with_what_it_has_learned(member: Member) -> None:
    learned = ["sentinel myid abc", "sentinel monitor votes redis-2 6379 2", "sentinel known-sentinel votes sentinel-2"]
    old = ["sentinel down-after-milliseconds votes 30000", "sentinel failover-timeout votes 180000"]
    member.fill("sentinel.conf", text="\n".join([*learned, *old, ""]))
    member.answers(KNOWN)
    served = member.goes_on(member.start("sentinel"))
    assert served == ["redis-server", str(member.data / "sentinel.conf"), "--sentinel"]
    assert configuration(member) == [
        *learned,
        "sentinel down-after-milliseconds votes 6000",
        "sentinel failover-timeout votes 5000",
    ]
    assert not [call for call in member.calls() if "get-master-addr-by-name" in call]
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_asks_replicas_more_often_than_it_does_by_itself(member: Member) -> None:
    often = "redis-cli -t 2 -p 26379 sentinel debug info-period 1000"
    member.fill(".initialise")
    assert member.goes_on(member.start("sentinel"))
    # It does not answer yet.
    eventually(lambda: member.calls().count(often) > 3)
    assert is_held(member.data / ".lock")
    member.answers({often: "OK"})
    eventually(lambda: not is_held(member.data / ".lock"))


@of("sentinel")
@pytest.mark.parametrize("allowed", [(), (".initialise",)], ids=["lost", "allowed to begin"])
def test_a_sentinel_that_knows_nothing_believes_another_one(member: Member, allowed: tuple[str, ...]) -> None:
    member.fill(*allowed)
    # One may be down, or know nothing itself.
    member.answers(votes(None, "", "redis-3"))
    member.goes_on(member.start("sentinel"))
    assert "sentinel monitor votes redis-3 6379 2" in configuration(member)
    assert not [call for call in member.calls() if "sentinel-1" in call]
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_that_knows_nothing_waits_for_another_one(member: Member) -> None:
    start = member.start("sentinel")
    member.waits(start, "sentinel-1 waits for another sentinel that knows the master")
    assert member.files() == set()
    member.answers(KNOWN)
    assert member.goes_on(start)
    assert "sentinel monitor votes redis-3 6379 2" in configuration(member)


@of("sentinel")
def test_the_first_member_is_the_master_of_a_new_queue(member: Member) -> None:
    member.fill(".initialise")
    assert member.goes_on(member.start("sentinel"))
    assert "sentinel monitor votes redis-1 6379 2" in configuration(member)
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_is_the_same_one_after_a_loss(member: Member) -> None:
    member.answers(KNOWN)
    identities, patience = [], []
    for name in ("sentinel-1", "sentinel-2", "sentinel-3", "sentinel-1"):
        member.goes_on(member.start("sentinel", SENTINEL_NAME=name))
        identities += [line for line in configuration(member) if line.startswith("sentinel myid ")]
        patience += [line for line in configuration(member) if "down-after-milliseconds" in line]
        assert f"sentinel announce-ip {name}" in configuration(member)
        member.end()
        shutil.rmtree(member.data)
        member.data.mkdir()
    assert identities[3] == identities[0]
    assert len(set(identities)) == 3
    # Sentinels that ask at the same moment are elected by nobody.
    assert [int(line.rpartition(" ")[2]) for line in patience] == [6000, 6500, 7000, 6000]


# ---- a queue of real processes


# The programs themselves, on the address that stands for the member's host, with the image's configuration.
ON_A_HOST = {
    "redis-server": f"""#!/bin/bash
exec {shutil.which("redis-server")} "${{@/#\\/etc\\/redis\\/redis.conf/$BOX/redis.conf}}" --bind "$HOST"
""",
    "redis-cli": f"""#!/bin/bash
[[ " $* " == *' -h '* ]] || set -- -h "$HOST" "$@"
exec {shutil.which("redis-cli")} "$@"
""",
}


class Host:
    """A member of the queue and a sentinel beside it, on an address of the loopback interface."""

    def __init__(self, folder: Path, address: str, hosts: str) -> None:
        names = {"HOST": address, "REDIS_MEMBERS": hosts, "SENTINEL_MEMBERS": hosts}
        self.member = Member(folder / "redis", "redis", ON_A_HOST)
        self.member.environment |= names | {"REDIS_NAME": address}
        self.sentinel = Member(folder / "sentinel", "sentinel", ON_A_HOST)
        self.sentinel.environment |= names | {"SENTINEL_NAME": address}
        configuration = (APPS / "redis" / "redis.conf").read_text(encoding="utf-8")
        self.member.fill("../redis.conf", text=configuration.replace("dir /data", f"dir {self.member.data}", 1))

    def ask(self, *command: str, port: int = 6379) -> str:
        """What the member answers, or the sentinel at its port; nothing where it is not there."""
        call = ["redis-cli", "-h", self.member.environment["HOST"], "-p", str(port), *command]
        return subprocess.run(call, capture_output=True, text=True, check=False, timeout=SECONDS_TO_ACT).stdout

    def says(self, *parts: str) -> bool:
        told = self.ask("info", "replication")
        return all(part in told for part in parts)

    def linked(self) -> bool:
        return self.says("master_link_status:up", "slave_priority:100")

    def votes(self) -> list[str]:
        return self.ask("lrange", "votes", "0", "-1").split()


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[list[Host]]:
    """A queue with its three members and three sentinels, the first one the master."""
    addresses = [f"127.7.{os.getpid() % 256}.{number}" for number in (1, 2, 3)]
    hosts = [Host(tmp_path / address, address, " ".join(addresses)) for address in addresses]
    hosts[0].member.fill(".initialise", text="")
    hosts[0].sentinel.fill(".initialise", text="")
    try:
        for host in hosts:
            host.sentinel.start("sentinel")
            host.member.start("member")
        eventually(lambda: all(host.linked() for host in hosts[1:]), 60, 0.5)
        eventually(lambda: all("OK 3" in host.ask("sentinel", "ckquorum", "votes", port=26379) for host in hosts), 60)
        yield hosts
    finally:
        for host in hosts:
            host.sentinel.end()
            host.member.end()


@on_redis
def test_a_stale_replica_is_not_promoted_before_it_has_followed(hosts: list[Host]) -> None:
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


# ---- db


class Service(ThreadingHTTPServer):
    """Answers at some paths, as the function of each says."""

    def __init__(self, answers: dict[str, Callable[[bytes], str]], status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers, self.status = answers, status
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Request(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service = cast("Service", self.server)
        answer = service.answers.get(self.path)
        text = answer(self.rfile.read(int(self.headers.get("Content-Length", 0)))) if answer else ""
        self.send_response(service.status if answer else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_request(self, *_: object) -> None:
        pass


@pytest.fixture
def etcd(member: Member) -> Iterator[dict[str, str]]:
    """The keys of the etcd that the member is told of. Another one that it is told of is silent."""
    keys: dict[str, str] = {}

    def key_of(body: bytes) -> str:
        return base64.b64decode(json.loads(body)["key"]).decode()

    def find(body: bytes) -> str:
        value = keys.get(key_of(body))
        found = {} if value is None else {"kvs": [{"value": base64.b64encode(value.encode()).decode()}]}
        return json.dumps(found)

    def delete(body: bytes) -> str:
        keys.pop(key_of(body), None)
        return "{}"

    with Service({"/v3/kv/range": find, "/v3/kv/deleterange": delete}) as service:
        member.environment["PATRONI_ETCD3_HOSTS"] = f"127.0.0.1:1, 127.0.0.1:{service.server_port}"
        yield keys


PATRONI = ["patroni", "/etc/patroni.yml"]
CLUSTER = "/service/voteapp/initialize"
OTHER = {"/service/other/initialize": "7"}
COMPLETE = {"pgdata/PG_VERSION", "pgdata/global/pg_control"}
INCOMPLETE = {"pgdata/PG_VERSION"}
# Clusters that this member is no part of, or that are not there yet.
NO_CLUSTER: dict[str, dict[str, str]] = {"none": {}, "one of another name": OTHER, "one that begins": {CLUSTER: ""}}


@of("db")
@pytest.mark.parametrize("files", [set(), INCOMPLETE], ids=["empty", "incomplete"])
@pytest.mark.parametrize("keys", NO_CLUSTER.values(), ids=NO_CLUSTER.keys())
def test_a_database_without_data_waits_for_a_cluster(
    member: Member, etcd: dict[str, str], keys: dict[str, str], files: set[str]
) -> None:
    member.fill(*files)
    etcd.update(keys)
    start = member.start("member", REPLICATION_PASSWORD="r")
    member.waits(start, "db-1 has no data, and waits for a cluster that it can be cloned from: etcd knows of none")
    assert member.files() == files
    etcd[CLUSTER] = "7512345678901234567"
    assert member.goes_on(start) == PATRONI
    assert member.files() == set()


# {case: (what is in the volume, what etcd knows, what is left of either)}
DB_STARTS: dict[str, tuple[set[str], dict[str, str], set[str], dict[str, str]]] = {
    "a new database": ({".initialise"}, OTHER, {".initialise"}, OTHER),
    "a new one, again": (INCOMPLETE | {".initialise"}, {CLUSTER: ""}, {".initialise"}, {}),
    "a new one, which was made and is not known": (COMPLETE | {".initialise"}, {CLUSTER: ""}, {".initialise"}, {}),
    "asked for, and it was made": (COMPLETE | {".initialise"}, {CLUSTER: "7"}, COMPLETE, {CLUSTER: "7"}),
    "asked for, and another member has one": ({".initialise"}, {CLUSTER: "7"}, set(), {CLUSTER: "7"}),
    "with data": (COMPLETE, {CLUSTER: "7"}, COMPLETE, {CLUSTER: "7"}),
    "with data that etcd has forgotten": (COMPLETE, {}, COMPLETE, {}),
}


@of("db")
@pytest.mark.parametrize(("files", "keys", "left", "known"), DB_STARTS.values(), ids=DB_STARTS.keys())
def test_a_database_starts_on_what_there_is(
    member: Member, etcd: dict[str, str], files: set[str], keys: dict[str, str], left: set[str], known: dict[str, str]
) -> None:
    member.fill(*files)
    etcd.update(keys)
    assert member.goes_on(member.start("member", REPLICATION_PASSWORD="r")) == PATRONI
    assert (member.files(), etcd) == (left, known)


@of("db")
@pytest.mark.parametrize("files", [set(), INCOMPLETE, COMPLETE | {".initialise"}], ids=["empty", "incomplete", "asked"])
def test_a_database_decides_nothing_while_etcd_is_silent(member: Member, files: set[str]) -> None:
    member.fill(*files)
    start = member.start("member", PATRONI_ETCD3_HOSTS="127.0.0.1:1, 127.0.0.1:2", REPLICATION_PASSWORD="r")
    member.waits(start, "etcd does not answer")
    assert member.files() == files


@of("db")
def test_a_database_with_data_asks_nobody(member: Member) -> None:
    member.fill(*COMPLETE)
    assert member.goes_on(begin(member)) == PATRONI
    assert member.files() == COMPLETE


@of("db")
def test_passwords_reach_patroni_by_its_environment_alone(member: Member) -> None:
    member.fill(*COMPLETE)
    secret = member.folder / "secret"
    secret.write_text("repl1ca\n", encoding="utf-8")
    served = member.goes_on(member.start("member", REPLICATION_PASSWORD_FILE=str(secret), REPLICATION_PASSWORD=""))
    assert served == PATRONI
    assert member.environment_of_server() >= {
        "PATRONI_SUPERUSER_PASSWORD=s3cret",
        "PATRONI_REPLICATION_PASSWORD=repl1ca",
        "PATRONI_RESTAPI_CONNECT_ADDRESS=db-1:8008",
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS=db-1:5432",
        f"PATRONI_POSTGRESQL_DATA_DIR={member.data}/pgdata",
    }
    assert not {"s3cret", "repl1ca"} & set(member.said().split())


@of("db")
@pytest.mark.parametrize("role", ["primary", "master", "promoted"])
def test_a_leader_takes_the_passwords_that_it_is_given(member: Member, role: str) -> None:
    secret = member.folder / "secret"
    secret.write_text("repl1ca\n", encoding="utf-8")
    code, said = member.run("passwords", "on_role_change", role, "voteapp", REPLICATION_PASSWORD_FILE=str(secret))
    assert code == 0, said
    assert member.environment_of_server() >= {"SUPERUSER=s3cret", "REPLICATION=repl1ca"}
    statements = (member.folder / "statements").read_text(encoding="utf-8")
    told = " ".join(member.served()) + said + statements
    assert not {password for password in ("s3cret", "repl1ca") if password in told}
    # No second member can log in before, so none can confirm this.
    assert statements.index("SET synchronous_commit = local;") < statements.index("ALTER ROLE postgres")
    assert re.search(r"ROLE replicator [^:]*PASSWORD %L'[^:]*:'replication'", statements)
    # A database that one server has made has no such role.
    assert "CASE WHEN count(*) > 0 THEN 'ALTER' ELSE 'CREATE' END" in statements
    assert statements.rstrip().endswith("FROM pg_roles WHERE rolname = 'replicator' \\gexec")


@of("db")
def test_no_role_loses_its_password_to_a_secret_that_is_missing(member: Member) -> None:
    code, _ = member.run("passwords", "on_start", "primary", "voteapp", REPLICATION_PASSWORD_FILE="/nowhere")
    assert (code == 0, member.served()) == (False, [])


@of("db")
@pytest.mark.parametrize("role", ["replica", "sync_standby", "demoted"])
def test_a_member_that_follows_leaves_the_passwords(member: Member, role: str) -> None:
    assert member.run("passwords", "on_start", role, "voteapp") == (0, "")
    assert not member.served()


@of("db")
def test_a_database_needs_its_passwords(member: Member) -> None:
    member.fill(".initialise")
    code, said = member.run("member")
    assert code != 0
    assert "Set REPLICATION_PASSWORD_FILE to the path of a file" in said


def cluster(*members: str) -> dict[str, Any]:
    """What Patroni tells of its cluster, from "role state lag" of each member."""
    told = []
    for number, text in enumerate(members, 1):
        role, state, *lag = text.split()
        told.append(
            {"name": f"db-{number}", "role": role, "state": state} | ({"lag": json.loads(lag[0])} if lag else {})
        )
    return {"members": told, "scope": "voteapp"}


LEADER, SYNC, ASYNC = "leader running", "sync_standby streaming 0", "replica streaming 0"
# {case: (what Patroni says, scope, what is wrong with that)}
DB_VERDICTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "leads": (cluster(LEADER, SYNC, ASYNC), "all", ""),
    "is the synchronous standby": (cluster(SYNC, LEADER, ASYNC), "all", ""),
    "follows": (cluster(ASYNC, LEADER, SYNC), "one", ""),
    "follows closely": (cluster("replica streaming 1048576", LEADER, SYNC), "all", ""),
    "is behind": (cluster("replica streaming 1048577", LEADER, SYNC), "one", "db-1 is 1048577 bytes behind"),
    "does not know how far it is": (
        cluster('replica streaming "unknown"', LEADER, SYNC),
        "one",
        "db-1 is unknown bytes",
    ),
    "has no leader": (cluster(ASYNC, SYNC, ASYNC), "one", "the database has no leader"),
    "has no copy of what it commits": (cluster(LEADER, ASYNC, ASYNC), "one", "no synchronous standby"),
    "leads and starts": (cluster("leader starting", SYNC, ASYNC), "one", "db-1 (leader) is starting"),
    "is being cloned": (cluster("replica creating", LEADER, SYNC), "one", "db-1 (replica) is creating"),
    "replays an archive": (cluster("replica running 0", LEADER, SYNC), "one", "db-1 (replica) is running"),
    "is not among them": ({"members": cluster(ASYNC, LEADER, SYNC)["members"][1:]}, "one", "db-1 (none) is unknown"),
    "asks for itself": (cluster(LEADER, SYNC, "replica stopped"), "one", ""),
    "asks for all": (cluster(LEADER, SYNC, "replica stopped"), "all", "db-3 (replica) is stopped"),
    "asks for itself, of two": (cluster(LEADER, SYNC), "one", ""),
    "asks for all, of two": (cluster(LEADER, SYNC), "all", "the database has only db-1, db-2"),
    "says something else": ({}, "one", "db-1 does not answer"),
}


@of("db")
@pytest.mark.parametrize(("told", "scope", "flaw"), DB_VERDICTS.values(), ids=DB_VERDICTS.keys())
def test_the_database_tells_whether_it_does_its_part(
    member: Member, told: dict[str, Any], scope: str, flaw: str
) -> None:
    with Service({"/cluster": lambda _: json.dumps(told)}) as patroni:
        code, said = member.run("ready", scope, API_PORT=str(patroni.server_port))
    assert (code, flaw in said) == (int(bool(flaw)), True), said


@of("db")
@pytest.mark.parametrize(("status", "lives"), [(200, True), (503, False)])
def test_a_database_lives_while_patroni_says_so_or_it_waits(member: Member, status: int, lives: bool) -> None:
    with Service({"/liveness": lambda _: ""}, status) as patroni:
        assert (member.run("alive", API_PORT=str(patroni.server_port))[0] == 0) == lives
    assert member.run("alive", API_PORT="1")[0] != 0
    member.waiting.touch()
    assert member.run("alive", API_PORT="1")[0] == 0


# ---- all of them


@of("etcd", "redis", "sentinel", "db")
def test_one_that_waits_can_be_stopped(member: Member) -> None:
    process = begin(member)
    member.waits(process, "waits")
    process.terminate()
    assert process.wait(SECONDS_TO_ACT) == 143


@of("etcd", "redis", "sentinel", "db")
def test_one_that_waits_is_not_ready_and_says_for_what(member: Member) -> None:
    member.waits(begin(member), "waits")
    member.end()
    said, asked = member.said().splitlines()[-1], len(member.calls())
    # Code 3 is for a deployment, which gives it a place.
    assert member.run("ready") == (3 if member.store == "etcd" else 1, f"{said}\n")
    # What the member itself was just asking may still be under way.
    assert not [call for call in member.calls()[asked:] if "get-master-addr-by-name" not in call]


# With these all of them go on.
WELL = {**votes("redis-2", "redis-2", "redis-2"), **LINKED, "*sentinel debug info-period*": "OK"}
DATA = {"sentinel.conf", MANIFEST, "member/wal/0.wal", *COMPLETE}


@of("redis", "sentinel", "db")
def test_one_waits_for_the_container_that_has_its_volume_still(member: Member) -> None:
    member.fill(*DATA)
    member.answers(WELL)
    for server in ("redis-server", "patroni"):
        (member.folder / "programs" / server).write_text(f"{SERVER}exec /bin/sleep 60\n", encoding="utf-8")
    first = begin(member)
    eventually(lambda: bool(member.served()))
    assert (member.data / ".name").read_text(encoding="utf-8").strip() == f"{member.store}-1"
    # What is started beside the server has ended: it is the server that has the volume.
    eventually(lambda: member.store == "db" or any("config set" in call or "debug" in call for call in member.calls()))
    (member.folder / "served").unlink()
    asked = len(member.calls())

    second = begin(member)
    eventually(lambda: "waits until the container before it has ended" in member.said())
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.5)
    assert (member.calls()[asked:], member.served()) == ([], [])
    code, told = member.run("ready")
    assert (code, "waits until the container before it has ended" in told) == (1, True)
    os.killpg(first.pid, signal.SIGKILL)
    eventually(lambda: bool(member.served()))
    assert not member.waiting.exists()


@of("etcd", "redis", "sentinel", "db")
def test_one_does_not_touch_the_volume_of_another_member(member: Member) -> None:
    files = {".initialise", *DATA}
    member.fill(*files)
    member.fill(".name", text=f"{member.store}-2")
    process = begin(member)
    eventually(lambda: f"does not touch this volume, which is that of {member.store}-2" in member.said())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert (member.files(), member.calls(), member.served()) == (files, [], [])
    # No deployment can help, so it is not the code for that.
    code, told = member.run("ready")
    assert (code, f"that of {member.store}-2" in told) == (1, True)


@of("etcd", "redis", "sentinel", "db")
def test_one_goes_on_when_the_volume_is_said_to_be_its_own(member: Member) -> None:
    member.fill(*DATA)
    member.fill(".name", text=f"{member.store}-2")
    member.answers(WELL)
    process = begin(member)
    eventually(lambda: "does not touch this volume" in member.said())
    member.fill(".name", text=f"{member.store}-1")
    assert member.goes_on(process)


@of("etcd", "redis", "db")
def test_what_allowed_one_to_begin_is_over_once_it_is_ready(member: Member) -> None:
    member.fill(".initialise")
    with Service({"/cluster": lambda _: json.dumps(cluster(LEADER, SYNC, ASYNC))}) as patroni:
        assert member.run("ready", API_PORT="1")[0] == 1
        assert member.files() == {".initialise"}
        member.answers(VOTER | HEALTH | LINKED)
        assert member.run("ready", API_PORT=str(patroni.server_port)) == (0, "")
    assert member.files() == set()
