# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is done while people use the app, from when to when, and what they were told meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance.data import ledger
from tests.acceptance.data.ledger import VOTE, Attempt, Audit
from tests.acceptance.data.load import Load, load
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

VISITORS = Path(__file__).parent / "programs" / "visitors.py"
REQUESTS_A_VOTE = 4
VOTES_A_SECOND = 25.0
# So many that each has a turn of eight requests less often than every half a minute: all come at their rate while some
# wait for nothing.
PEOPLE = 600
CALM = 5
"""Seconds before and after a drill in which nothing is done."""
SETTLE = 25
"""Seconds after a change in which what was told to stop may still end (stop_grace_period is 20). They belong to it."""
ENOUGH = 10_000
"""Requests that meet updates at least, where so many are promised."""

Span = tuple[float, float]


@dataclass(frozen=True)
class Drill:
    """began, ended: seconds since 1970."""

    name: str
    began: float
    ended: float

    def told(self, attempts: Iterable[Attempt]) -> dict[str, Any]:
        """What people were told who asked while it went on, and how many in each second around it, as data of a row."""
        everything = list(attempts)
        met = under_way(everything, [(self.began, self.ended)])
        failures = Counter(str(one.status) for one in met if one.failed)
        return {
            "drill": self.name,
            "seconds": round(self.ended - self.began, 1),
            "requests": len(met),
            "votes": sum(one.page == VOTE for one in met),
            "failed": failures.total(),
            "failures": dict(failures),
            "slowest": round(max((one.ended - one.began for one in met if one.acknowledged), default=0.0), 2),
            "seconds_before": CALM,
            "timeline": ledger.timeline(everything, self.began - CALM, self.ended + CALM),
        }


def under_way(attempts: Iterable[Attempt], spans: Sequence[Span]) -> list[Attempt]:
    """The requests that were under way at some moment of these spans, each of them once."""
    return [one for one in attempts if any(one.ended >= since and one.began <= until for since, until in spans)]


def meeting(attempts: Iterable[Attempt], updates: Iterable[Span]) -> int:
    """How many requests were under way during updates, or while what these had told to stop still ended."""
    return len(under_way(attempts, [(since, until + SETTLE) for since, until in updates]))


def visitors(
    stage: Stage, addresses: Iterable[str], rate: float = VOTES_A_SECOND, people: int = PEOPLE
) -> AbstractContextManager[Load]:
    """People who vote and look at all pages, through these addresses in turn, until the context is left."""
    return load(stage, addresses, rate, people, VISITORS)


@contextmanager
def watched(name: str, drills: list[Drill]) -> Iterator[None]:
    """Note when what is done in the context began and when it had settled, with calm before and after it."""
    time.sleep(CALM)
    began = time.time()
    yield
    time.sleep(SETTLE)
    drills.append(Drill(name, began, time.time()))
    time.sleep(CALM)


def failing(told: Sequence[Mapping[str, Any]], attempts: Iterable[Attempt], rate: float = VOTES_A_SECOND) -> list[str]:
    """What is not so of drills in which no request may fail, nor one of these attempts between them.

    rate: votes a second.
    """
    everything = list(attempts)
    failed = sum(one.failed for one in everything)
    return missing(told, rate) + unmet(
        {
            **{
                f"{one['drill']}: no request fails ({one['failed']} of {one['requests']}: {one['failures']})": not one[
                    "failed"
                ]
                for one in told
            },
            f"no request fails from the first to the last ({failed} of {len(everything)})": not failed,
        }
    )


def missing(told: Iterable[Mapping[str, Any]], rate: float) -> list[str]:
    """The drills that fewer than half of the people came to. rate: votes a second."""
    least = rate * REQUESTS_A_VOTE / 2
    return unmet(
        {
            f"{one['drill']}: people keep coming ({one['requests']} requests in {one['seconds']} s, {one['votes']} of "
            "them votes)": one["requests"] >= least * one["seconds"] and one["requests"] > one["votes"] > 0
            for one in told
        }
    )


def grid(told: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    """The drills as lines of a table."""
    return {
        one["drill"]: {
            "requests": str(one["requests"]),
            "votes among them": str(one["votes"]),
            "failed": str(one["failed"]),
            "slowest answer": f"{one['slowest']:.1f} s",
            "took": f"{one['seconds']:.0f} s",
        }
        for one in told
    }


def finding(
    told: Sequence[Mapping[str, Any]], audited: Audit, figure: str, problems: Sequence[str], **data: Any
) -> Finding:
    """Of a row of drills. figure: in words, what there is to say beside the requests and the votes."""
    failed = sum(one["failed"] for one in told)
    requests = sum(one["requests"] for one in told)
    return Finding(
        f"{figure}; {failed} of {requests} requests failed meanwhile; {audited.figure}",
        [*problems, *audited.problems],
        data={"drills": list(told), "ledger": audited.told(), **data},
        grid=grid(told),
    )
