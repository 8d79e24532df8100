# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The voting app's containers and stores, asked on their servers: whether all is whole, who leads, what is stored."""

from __future__ import annotations

import json
import re
import shlex
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from lab.daemons import wait_for
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.quorum_watch import GIVE_UP
from tests.acceptance.stage import Stage, StageError

SECONDS_UNTIL_WHOLE = 300
# What a lost worker held is put back after 75 seconds.
SECONDS_TO_DRAIN = 240
SECONDS_TO_MOVE = 90
INTERVAL = 2.0
STACKS = ("voteapp_", "voteapp-data_")
WORKER = "voteapp_worker"
WORKERS = 2

LOOK = """
docker service ls --format 'wanted {{.Name}} {{.Replicas}}' 2> /dev/null
docker ps --filter label=com.docker.swarm.service.name \
    --format '{{.Label "com.docker.swarm.service.name"}} {{.ID}} {{.Status}}' |
while read -r service id status; do
    case $service in voteapp-data_*)
        timeout 15 docker exec "$id" ready > /dev/null 2>&1 < /dev/null || status="$status (not ready)" ;;
    esac
    echo "runs $service $id $status"
done
"""
UNFIT = ("(health: starting)", "(unhealthy)", "(not ready)")

# Those on the queue, and those that a worker holds.
WAITING = (
    "local waiting = redis.call('LLEN', 'votes') "
    "for _, held in ipairs(redis.call('KEYS', 'votes:processing:*')) do "
    "waiting = waiting + redis.call('LLEN', held) end return waiting"
)
COUNT_WAITING = f'votes EVAL "{WAITING}" 0'

SWARM_LEADER, MASTER, DATABASE_LEADER, ETCD_LEADER = "swarm leader", "Redis master", "database leader", "etcd leader"
PSQL = "psql -U postgres -tA -c"


@dataclass(frozen=True)
class Container:
    """service: its name in the swarm. fit: healthy, and ready where it is a member of a store."""

    id: str
    service: str
    server: str
    fit: bool


@dataclass(frozen=True)
class Look:
    """What the servers tell. wanted: how many tasks of each service run and how many there are to be, as "2/2"."""

    containers: Sequence[Container]
    wanted: Mapping[str, str]
    silent: Sequence[str]

    def lacking(self, gone: str = "") -> list[str]:
        """What keeps the app from being whole. gone: a container that may not be there any more."""
        found = [f"{server} does not answer" for server in self.silent]
        found += [] if self.wanted else ["no manager lists the services"]
        for service, replicas in self.wanted.items():
            running, _, total = replicas.partition("/")
            own = [one for one in self.containers if one.service == service]
            fit = sum(one.fit for one in own)
            if not running == total == str(fit) == str(len(own)):
                found.append(f"{service} has {fit} of {total}")
            if gone in {one.id for one in own}:
                found.append(f"{service} still has what was killed")
        return found

    def of(self, store: str) -> list[Container]:
        """The containers of a store (redis, db, etcd, sentinel): its members, or the one where there is only one."""
        members = [one for one in self.containers if re.fullmatch(rf"voteapp-data_{store}-\d+", one.service)]
        return members or [one for one in self.containers if one.service == f"voteapp_{store}"]


def on(stage: Stage, server: str, command: str, seconds: int = 60) -> str:
    """Output of a command that must succeed, on a server that may die under it."""
    return stage.lab("ssh", server, *GIVE_UP, f"timeout {seconds} bash -c {shlex.quote(command)}")


def inside(stage: Stage, container: Container, command: str, seconds: int = 30) -> str:
    """Output of a command in a container, which must succeed."""
    return on(stage, container.server, f"docker exec {container.id} sh -c {shlex.quote(command)}", seconds).strip()


def look(stage: Stage) -> Look:
    """What all servers tell now."""
    servers = list(blueprint_addresses())
    containers, silent = [], []
    wanted: dict[str, str] = {}
    with ThreadPoolExecutor() as pool:
        for server, told in zip(servers, pool.map(lambda server: _told(stage, server), servers), strict=True):
            if told is None:
                silent.append(server)
                continue
            for line in told.splitlines():
                kind, service, word, *rest = line.split(maxsplit=3)
                if not service.startswith(STACKS):
                    continue
                if kind == "runs":
                    fit = not any(words in " ".join(rest) for words in UNFIT)
                    containers.append(Container(word, service, server, fit))
                else:
                    wanted.setdefault(service, word)
    return Look(containers, wanted, silent)


def _told(stage: Stage, server: str) -> str | None:
    try:
        return on(stage, server, LOOK, seconds=120)
    except StageError:
        return None


def await_whole(stage: Stage, seconds: float = SECONDS_UNTIL_WHOLE, gone: str = "") -> Look:
    """The first look at which nothing is lacking, or the last one within the time."""
    deadline = time.monotonic() + seconds
    while (seen := look(stage)).lacking(gone) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
    return seen


@contextmanager
def whole_app(stage: Stage) -> Iterator[Look]:
    """The app with all its containers. The next row relies on it where this one ends well, and it is whole then."""
    stage.reach("app")
    stage.level = None
    seen = await_whole(stage)
    if lacking := seen.lacking():
        raise StageError(f"the app is not whole after {SECONDS_UNTIL_WHOLE} s: {'; '.join(lacking)}")
    yield seen
    stage.level = None if await_whole(stage).lacking() else "app"


def kill(stage: Stage, container: Container) -> None:
    """kill -9 of its first process."""
    on(stage, container.server, f"docker kill --signal KILL {container.id}")


def _leads_etcd(told: str) -> bool:
    status = json.loads(told)[0]["Status"]
    return bool(status["leader"] == status["header"]["member_id"])


# For each role: the store, what its members are asked, and how one answers that has it.
ROLES: dict[str, tuple[str, str, Callable[[str], bool]]] = {
    MASTER: ("redis", "votes ROLE | head -n 1", "master".__eq__),
    DATABASE_LEADER: ("db", f"{PSQL} 'SELECT pg_is_in_recovery()'", "f".__eq__),
    ETCD_LEADER: ("etcd", "etcdctl --command-timeout=5s endpoint status --write-out=json", _leads_etcd),
}


def holder(stage: Stage, role: str, seen: Look | None = None) -> Container:
    """Who has a role, of the members seen or of all. StageError where nobody has, or more than one."""
    store, question, has_it = ROLES[role]
    members = (seen or look(stage)).of(store)
    with ThreadPoolExecutor() as pool:
        answers = pool.map(lambda member: _answer(stage, member, question), members)
        found = [member for member, told in zip(members, answers, strict=True) if told is not None and has_it(told)]
    if len(found) != 1:
        raise StageError(f"{role}: {', '.join(one.service for one in found) or 'nobody'} of {len(members)}")
    return found[0]


def _answer(stage: Stage, member: Container, question: str) -> str | None:
    try:
        return inside(stage, member, question)
    except StageError:
        return None


def holders(stage: Stage) -> dict[str, str]:
    """The server of each role."""
    seen = look(stage)
    return {role: holder(stage, role, seen).server for role in ROLES} | {SWARM_LEADER: view.look_at_first(stage).leader}


def move_master(stage: Stage, server: str) -> None:
    """Make the member on a server the Redis master, where it is not, and wait until all is whole again."""
    seen = look(stage)
    target = next(one for one in seen.of("redis") if one.server == server)
    if holder(stage, MASTER, seen) == target:
        return
    sentinel = seen.of("sentinel")[0]
    usual = inside(stage, target, "votes CONFIG GET replica-priority").split()[-1]
    inside(stage, target, "votes CONFIG SET replica-priority 1")
    try:
        # A sentinel hears of the priority within ten seconds.
        listed = "redis-cli -p 26379 SENTINEL REPLICAS votes"
        _must(
            lambda: "slave-priority\n1\n" in f"{inside(stage, sentinel, listed)}\n", "the sentinel knows the priority"
        )
        failover = "redis-cli -p 26379 SENTINEL FAILOVER votes"
        _must(lambda: inside(stage, sentinel, failover) == "OK", "the sentinel begins")
        _must(lambda: inside(stage, target, ROLES[MASTER][1]) == "master", f"{target.service} is the master")
    finally:
        inside(stage, target, f"votes CONFIG SET replica-priority {usual}")
    if lacking := await_whole(stage).lacking():
        raise StageError(f"not whole after the Redis master was moved: {'; '.join(lacking)}")


def _must(condition: Callable[[], bool], words: str) -> None:
    if not wait_for(condition, seconds=SECONDS_TO_MOVE, interval=1):
        raise StageError(f"not within {SECONDS_TO_MOVE} s: {words}")


def scale_workers(stage: Stage, count: int) -> None:
    """Have so many workers of the app, and wait for them."""
    on(stage, next(iter(blueprint_addresses())), f"docker service scale {WORKER}={count} > /dev/null", seconds=120)


def drain(stage: Stage) -> int:
    """Wait until no vote waits any more; how many do in the end, -1 where nobody could be asked."""
    left = -1

    def empty() -> bool:
        nonlocal left
        try:
            left = int(inside(stage, holder(stage, MASTER), COUNT_WAITING))
        except StageError:
            return False
        return left == 0

    wait_for(empty, seconds=SECONDS_TO_DRAIN, interval=INTERVAL)
    return left


def stored(stage: Stage, prefix: str) -> dict[str, str]:
    """The choice in the database of each voter whose name begins so."""
    command = f"{PSQL} \"SELECT id || ' ' || vote FROM votes WHERE id LIKE '{prefix}%'\""  # noqa: S608 - of our own
    told = inside(stage, holder(stage, DATABASE_LEADER), command, seconds=120)
    return dict(line.rsplit(maxsplit=1) for line in told.splitlines())
