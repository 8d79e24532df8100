# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What voters were told, held against what the database has in the end, and how long they were told nothing good.

Moments are seconds since 1970. All of it is pure.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import attrgetter
from typing import Any

from tests.acceptance.rows import unmet

VOTE = "vote"
CALM_SECONDS = 3.0
LONGEST_PAUSE = 1.0
NAMED = 10
"""How many voters a message names at most."""


@dataclass(frozen=True)
class Attempt:
    """A vote as its voter saw it. through: the address. status: HTTP's, or the name of the error.

    page: what was asked for; all but a vote is only looked at, by nobody, and acknowledged where it is shown.
    """

    voter: str
    choice: str
    through: str
    began: float
    ended: float
    status: int | str
    acknowledged: bool
    page: str = VOTE

    @property
    def failed(self) -> bool:
        """Whether it was answered otherwise, or not in time. What the generator itself broke off was not."""
        return not self.acknowledged and self.status != "broken off"


def read(text: str) -> list[Attempt]:
    """The attempts of a ledger in the order they began, but for one that is just being written."""
    lines = text.rpartition("\n")[0].splitlines()
    return sorted((Attempt(**json.loads(line)) for line in lines), key=attrgetter("began"))


@dataclass(frozen=True)
class Audit:
    """lost: voters with an acknowledged vote that the database does not know. wrong: voters whose choice there is none
    that may count. strangers: voters there that nobody has voted for. waiting: votes that were still on the queue.
    """

    voters: int
    acknowledged: int
    refused: int
    lost: Sequence[str]
    wrong: Sequence[str]
    strangers: Sequence[str]
    waiting: int

    @property
    def figure(self) -> str:
        return (
            f"{self.acknowledged} votes of {self.voters} voters acknowledged, {self.refused} not; {len(self.lost)} "
            f"voters lost, {len(self.wrong)} with another choice than their last acknowledged one"
        )

    @property
    def problems(self) -> list[str]:
        return unmet(
            {
                "some votes are acknowledged": self.acknowledged > 0,
                f"the queue is empty in the end ({self.waiting} votes wait)": not self.waiting,
                f"no voter is lost ({_named(self.lost)})": not self.lost,
                f"no voter has another choice ({_named(self.wrong)})": not self.wrong,
                f"nobody is counted who did not vote ({_named(self.strangers)})": not self.strangers,
            }
        )

    def told(self) -> dict[str, Any]:
        """As data of a row."""
        return {
            "voters": self.voters,
            "acknowledged": self.acknowledged,
            "refused": self.refused,
            "waiting": self.waiting,
            **{name: len(getattr(self, name)) for name in ("lost", "wrong", "strangers")},
        }


def judge(attempts: Iterable[Attempt], stored: Mapping[str, str], waiting: int = 0) -> Audit:
    """Hold the attempts to vote against the choices in the database.

    The last acknowledged vote of a voter counts, or one that was not acknowledged and had not been given up before that
    one was sent: such a vote may have arrived afterwards.
    """
    by_voter: dict[str, list[Attempt]] = defaultdict(list)
    for attempt in sorted((one for one in attempts if one.page == VOTE), key=attrgetter("began")):
        by_voter[attempt.voter].append(attempt)
    lost, wrong = [], []
    for voter, own in by_voter.items():
        last = next((attempt for attempt in reversed(own) if attempt.acknowledged), None)
        if voter not in stored:
            lost += [voter] if last else []
            continue
        open_ones = [one for one in own if not one.acknowledged and (last is None or one.ended > last.began)]
        if stored[voter] not in {one.choice for one in [*open_ones, *([last] if last else [])]}:
            wrong.append(voter)
    everything = [attempt for own in by_voter.values() for attempt in own]
    acknowledged = sum(attempt.acknowledged for attempt in everything)
    return Audit(
        voters=len(by_voter),
        acknowledged=acknowledged,
        refused=len(everything) - acknowledged,
        lost=lost,
        wrong=wrong,
        strangers=sorted(stored.keys() - by_voter.keys()),
        waiting=waiting,
    )


def longest_gap(attempts: Iterable[Attempt], since: float, until: float) -> float:
    """Seconds of the longest time between two moments in which no vote was acknowledged."""
    moments = sorted(one.ended for one in attempts if one.acknowledged and since < one.ended < until)
    return max(later - earlier for earlier, later in pairwise([since, *moments, until]))


def refused(attempts: Iterable[Attempt], since: float, until: float) -> int:
    """How many attempts under way between two moments were not acknowledged."""
    return sum(not one.acknowledged and one.ended >= since and one.began <= until for one in attempts)


def accepted_again(attempts: Iterable[Attempt], since: float) -> float | None:
    """The first moment from which on votes are accepted, for three seconds at least; None where there is none.

    All votes that are sent in this time are acknowledged, and none of its seconds passes without one that is.
    """
    everything = sorted(attempts, key=attrgetter("began"))
    acknowledged = sorted(one.ended for one in everything if one.acknowledged and one.ended >= since)
    sent_in_vain = [one.began for one in everything if not one.acknowledged]
    for moment in (since, *acknowledged):
        calm = moment + CALM_SECONDS
        in_vain = bisect_left(sent_in_vain, calm) - bisect_left(sent_in_vain, moment)
        heard = acknowledged[bisect_left(acknowledged, moment) : bisect_right(acknowledged, calm)]
        pauses = (later - earlier for earlier, later in pairwise([moment, *heard, calm]))
        if not in_vain and max(pauses) <= LONGEST_PAUSE:
            return moment
    return None


def timeline(attempts: Iterable[Attempt], since: float, until: float) -> dict[str, str]:
    """How many attempts ended in each second between two moments, acknowledged and not: numbers with spaces between."""
    ended: Counter[tuple[bool, int]] = Counter()
    for one in attempts:
        ended[one.acknowledged, int((one.ended - since) // 1)] += 1
    seconds = range(int(until - since))
    return {
        name: " ".join(str(ended[acknowledged, second]) for second in seconds)
        for name, acknowledged in (("acknowledged", True), ("refused", False))
    }


def _named(voters: Sequence[str]) -> str:
    more = f" and {len(voters) - NAMED} more" if len(voters) > NAMED else ""
    return f"{', '.join(voters[:NAMED]) or 'none'}{more}"
