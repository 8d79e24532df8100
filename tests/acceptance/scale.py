# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Seconds and requests over the number of servers, for hcloud_fleet and for a loop over the official modules."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.acceptance.alone import ApiAlone
from tests.acceptance.api import Requests
from tests.acceptance.fleets import addresses, fleet, lay_foundation, shortcomings
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

SIZES = (1, 3, 10, 50)
NAME = f"{', '.join(map(str, SIZES))} servers at once"
REPETITIONS = 3
CREATE_SECONDS = 5
PAGE_SIZE = 50
GROWTH_LIMIT = 1.2
READS_LIMIT = 10
# A loop takes minutes for what is not in doubt: the larger fleets are measured once, and the largest where it is quick.
REPEATED_LOOP = 3
LONGEST_LOOP = 300.0


@dataclass(frozen=True, eq=False)
class Way:
    """A way to make servers: a play, its variables beside the servers, and what each server is to have beside the rest.

    writes_limit: write requests that a server may take.
    """

    name: str
    play: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    writes_limit: int = 3


FLEET = Way("hcloud_fleet, concurrency 50", "fleet.yml", {"concurrency": 50})
FLEET_BY_DEFAULT = Way("hcloud_fleet, default concurrency", "fleet.yml")
GUARDED = Way(
    "hcloud_fleet, with protection and backups",
    "fleet.yml",
    {"concurrency": 50},
    {"protection": True, "backups": True},
    writes_limit=5,
)
GUARDED_SIZE = 10
LOOP = Way("loop over hetzner.hcloud modules", "loop.yml")


@dataclass(frozen=True)
class Sample:
    """One run. seconds: of the play, without Ansible's start. reads: without those that follow actions.

    polls: reads that follow actions. pages: how many of the reads and of the polls were further pages of one list.
    problems: what was not as asked for in the end.
    """

    seconds: float
    writes: int
    reads: int
    polls: int
    pages: int
    problems: list[str]

    def over_the_limits(self, way: Way, size: int) -> list[str]:
        """Where it asks the API for more than a fleet of this size may."""
        pages_of_actions = -(-2 * size // PAGE_SIZE)
        return unmet(
            {
                f"at most {way.writes_limit} writes a server ({self.writes})": self.writes <= way.writes_limit * size,
                f"at most {READS_LIMIT} reads plus {self.pages} pages ({self.reads})": self.reads
                <= READS_LIMIT + self.pages,
                f"one poll a second ({self.polls} in {self.seconds:.1f} s)": self.polls
                <= (math.ceil(self.seconds) + 1) * pages_of_actions,
            }
        )


Curve = dict[int, list[Sample]]


def judge(stage: Stage) -> Finding:
    """Every size by every way, on an API that has seen nothing before."""
    with ApiAlone(stage.state, latencies={"create_server": CREATE_SECONDS}) as alone:
        ours: Curve = {size: _samples(stage, alone, FLEET, size, REPETITIONS) for size in SIZES}
        defaults: Curve = {size: _samples(stage, alone, FLEET_BY_DEFAULT, size, REPETITIONS) for size in SIZES}
        guarded: Curve = {GUARDED_SIZE: _samples(stage, alone, GUARDED, GUARDED_SIZE, 1)}
        loop: Curve = {}
        for size in SIZES:
            if loop and _expected_of_loop(loop, size) > LONGEST_LOOP:
                stage.say(f"loop, {size} servers: left out, {_expected_of_loop(loop, size):.0f} s are to be expected")
                break
            loop[size] = _samples(stage, alone, LOOP, size, REPETITIONS if size <= REPEATED_LOOP else 1)
    return _finding({FLEET: ours, FLEET_BY_DEFAULT: defaults, GUARDED: guarded, LOOP: loop})


def _samples(stage: Stage, alone: ApiAlone, way: Way, size: int, repetitions: int) -> list[Sample]:
    samples = []
    for _ in range(repetitions):
        samples.append(_sample(alone, way, size))
        stage.say(f"{way.name}, {size} servers: {samples[-1].seconds:.1f} s")
    return samples


def _sample(alone: ApiAlone, way: Way, size: int) -> Sample:
    servers = [{**server, **way.settings} for server in fleet(size)]
    alone.begin_anew()
    lay_foundation(alone.api, size)
    alone.api.forget_requests()
    run = alone.play(way.play, {"servers": servers, **way.variables})
    requests = alone.api.requests()
    failures = [str(failure) for failure in run.failures]
    polls = sum(count for (_, endpoint), count in requests.endpoints.items() if endpoint.startswith("/actions"))
    return Sample(
        round(run.phases["Servers"], 2),
        requests.writes,
        requests.reads - polls,
        polls,
        _further_pages(alone, requests),
        failures + shortcomings(alone.api, addresses(servers)),
    )


def _further_pages(alone: ApiAlone, requests: Requests) -> int:
    """How many of the lists' requests were for a page after the first."""
    further = 0
    for (method, endpoint), count in requests.endpoints.items():
        if method == "GET" and "{" not in endpoint and endpoint != "/actions":
            pages = -(-len(alone.api.all(endpoint.strip("/"))) // PAGE_SIZE)
            further += count - count // max(pages, 1)
    return further


def _expected_of_loop(loop: Curve, size: int) -> float:
    """Seconds a loop is going to take: it grows with the number of servers."""
    largest = max(loop)
    return _median(loop[largest]) * size / largest


def _finding(curves: Mapping[Way, Curve]) -> Finding:
    ours = curves[FLEET]
    smallest, largest = SIZES[0], SIZES[-1]
    growth = _median(ours[largest]) / _median(ours[smallest])
    conditions = {f"{largest} servers take at most {GROWTH_LIMIT} times as long as {smallest}": growth <= GROWTH_LIMIT}
    problems = unmet(conditions)
    for way, curve in curves.items():
        for size, samples in curve.items():
            words = [words for sample in samples for words in sample.problems]
            if way is not LOOP:
                words += [words for sample in samples for words in sample.over_the_limits(way, size)]
            problems += [f"{way.name}, {size} servers: {one}" for one in dict.fromkeys(words)]
    figure = (
        f"{_listed(ours)}; {largest} take {growth:.2f} times as long as {smallest}; "
        f"by default {_listed(curves[FLEET_BY_DEFAULT])}; loop {_listed(curves[LOOP])}"
    )
    drawn = {way.name: _curve_told(curve) for way, curve in curves.items() if way is not GUARDED}
    data = {
        "create_seconds": CREATE_SECONDS,
        "growth": round(growth, 2),
        "curves": drawn,
        GUARDED.name: _curve_told(curves[GUARDED]),
    }
    return Finding(figure, problems, data=data)


def _curve_told(curve: Curve) -> dict[str, Any]:
    return {str(size): _told(samples) for size, samples in curve.items()}


def _told(samples: Sequence[Sample]) -> dict[str, Any]:
    seconds = [sample.seconds for sample in samples]
    return {
        "median": round(_median(samples), 2),
        "fastest": min(seconds),
        "slowest": max(seconds),
        "runs": [asdict(sample) for sample in samples],
    }


def _median(samples: Sequence[Sample]) -> float:
    return statistics.median(sample.seconds for sample in samples)


def _listed(curve: Curve) -> str:
    return ", ".join(f"{size}: {_median(samples):.1f} s" for size, samples in curve.items())
