# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each server killed in turn while people vote, by what it leads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.acceptance.data import ledger, stores
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.stores import DATABASE_LEADER, ETCD_LEADER, MASTER, SWARM_LEADER
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "each server killed in turn, the stores on three servers"
MUST_BE_HIT = (SWARM_LEADER, MASTER, DATABASE_LEADER)
# What votes have to wait for.
STORES_LED = (MASTER, DATABASE_LEADER)
SECONDS_WITH_LEADER = 30
SECONDS_WITHOUT = 15
SECONDS_LOST = 60
SECONDS_BEFORE = 10
# Votes come in for so long once all is whole.
SECONDS_AFTER = 10
MOST_LOSSES = 5


@dataclass(frozen=True)
class Outage:
    """A way to lose a server and to have it back. name: what it is meanwhile."""

    name: str
    begin: Callable[[Stage, str], object]
    end: Callable[[Stage, str], object]

    @contextmanager
    def of(self, stage: Stage, server: str) -> Iterator[None]:
        """The server is lost until the context is left."""
        self.begin(stage, server)
        try:
            yield
        finally:
            self.end(stage, server)


KILLED = Outage("killed", Stage.kill, Stage.start_server)
CUT_OFF = Outage(
    "cut off", lambda stage, server: stage.lab("partition", server), lambda stage, server: stage.lab("heal", server)
)


@dataclass(frozen=True)
class Loss:
    """A server's. name: how it was lost. held: what it led. gone: it was lost by then, and back by ``back``.

    All moments are seconds since 1970.
    """

    server: str
    name: str
    address: str
    held: Sequence[str]
    began: float
    gone: float
    back: float
    whole: float
    lacking: Sequence[str]

    @property
    def limit(self) -> int:
        """Seconds within which votes must be accepted again."""
        return SECONDS_WITH_LEADER if set(self.held) & set(STORES_LED) else SECONDS_WITHOUT

    def told(self, attempts: Iterable[Attempt]) -> dict[str, Any]:
        """What the voters saw who came through other servers: nobody answers at the address of a lost one."""
        others = [one for one in attempts if one.through != self.address]
        again = ledger.accepted_again(others, self.gone)
        return {
            "server": self.server,
            "held": list(self.held),
            "accepted_again": None if again is None else round(again - self.began, 1),
            "longest_gap": round(ledger.longest_gap(others, self.began, self.whole), 1),
            "refused": ledger.refused(others, self.began, self.whole),
            "power_back": round(self.back - self.began, 1),
            "whole_after_power": round(self.whole - self.back, 1),
            "seconds_before": SECONDS_BEFORE,
            "timeline": ledger.timeline(others, self.began - SECONDS_BEFORE, self.whole + SECONDS_AFTER),
        }

    def problems(self, told: Mapping[str, Any]) -> list[str]:
        again = told["accepted_again"]
        return unmet(
            {
                f"{self.server} ({words(self.held)}) {self.name}: votes are accepted again within {self.limit} s "
                f"({again})": again is not None and again <= self.limit,
                f"{self.server} back: all is whole within {stores.SECONDS_UNTIL_WHOLE} s "
                f"({'; '.join(self.lacking)})": not self.lacking,
            }
        )


def judge(stage: Stage) -> Finding:
    """The database's leader, Redis's master and the swarm's leader are each hit once at least."""
    losses: list[Loss] = []
    with stores.whole_app(stage):
        with load(stage, public_addresses(stage).values()) as running:
            order, master = plan(stores.holders(stage))
            while order and not (losses and losses[-1].lacking):
                if MASTER not in hit(losses):
                    stores.move_master(stage, master)
                now = stores.holders(stage)
                server = order.pop(0)
                losses.append(lose(stage, server, [role for role, holder in now.items() if holder == server]))
                if not order and len(losses) < MOST_LOSSES:
                    # A leader that has moved meanwhile has escaped.
                    now = stores.holders(stage)
                    order = [now[role] for role in MUST_BE_HIT if role not in hit(losses)][:1]
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [loss.told(attempts) for loss in losses]
    problems = [words for loss, one in zip(losses, told, strict=True) for words in loss.problems(one)]
    problems += unmet({f"the {role} is hit": role in hit(losses) for role in MUST_BE_HIT})
    data = {"deaths": told, "ledger": audited.told()}
    return Finding(f"{listed(told)}; {audited.figure}", problems + audited.problems, data=data)


def plan(holders: Mapping[str, str]) -> tuple[list[str], str]:
    """In which order servers are to be killed, and which of them Redis's master belongs on before.

    First one with no leader of a store that can be avoided, then the swarm's leader, which cannot be moved, then the
    database's where that is another one. Redis's master goes with the one of the last two that has no database leader.
    """
    second = holders[SWARM_LEADER]
    others = [server for server in blueprint_addresses() if server != second]
    third = next((holders[role] for role in (DATABASE_LEADER, ETCD_LEADER) if holders[role] in others), others[-1])
    first = next(server for server in others if server != third)
    return [first, second, third], second if third == holders[DATABASE_LEADER] else third


def hit(losses: Iterable[Loss]) -> set[str]:
    """The roles that servers had when they were lost."""
    return {role for loss in losses for role in loss.held}


def lose(
    stage: Stage,
    server: str,
    held: Sequence[str],
    outage: Outage = KILLED,
    seconds: float = stores.SECONDS_UNTIL_WHOLE,
) -> Loss:
    """A server is lost for a minute. Returns when all is whole after it, and at the latest so many seconds after it."""
    stage.say(f"{server} ({words(held)}) is {outage.name}")
    address = public_addresses(stage)[server]
    # Its seconds before belong to nothing else.
    time.sleep(SECONDS_BEFORE)
    began = time.time()
    with outage.of(stage, server):
        gone = time.time()
        time.sleep(max(0, began + SECONDS_LOST - gone))
    back = time.time()
    lacking = stores.await_whole(stage, seconds).lacking()
    whole = time.time()
    time.sleep(SECONDS_AFTER)
    stage.say(f"{server}: whole {whole - back:.0f} s after it came back; {'; '.join(lacking)}".rstrip("; "))
    return Loss(server, outage.name, address, held, began, gone, back, whole, lacking)


def words(held: Sequence[str]) -> str:
    """What a server led."""
    return ", ".join(held) or "no leader"


def listed(told: Iterable[Mapping[str, Any]]) -> str:
    """The figures of deaths, in words."""
    parts = []
    for one in told:
        again = (
            "not accepted again" if one["accepted_again"] is None else f"accepted again after {one['accepted_again']} s"
        )
        parts.append(
            f"{one['server']} ({words(one['held'])}): {again}, longest gap {one['longest_gap']} s, {one['refused']} "
            f"votes not acknowledged, whole {one['whole_after_power']:.0f} s after its power came back"
        )
    return f"{'; '.join(parts)} (without votes through the dead server's address, where nobody can answer)"
