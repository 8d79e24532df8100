# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A random fault a minute, for an hour, while people vote."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median

from tests.acceptance.data import ledger, stores
from tests.acceptance.data.chance import dice
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.losses import CUT_OFF, KILLED, Outage
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage

NAME = "an hour of a random fault a minute"
MINUTES_VARIABLE = "DATA_MINUTES"
MINUTE = 60
SHORTEST, LONGEST = 5.0, 40.0
"""Seconds that a server is without power, or cut off: some are noticed by everybody, and some by nobody."""


@dataclass(frozen=True)
class Fault:
    """at: seconds since the row began. longest_gap and refused: as voters saw it who came through other servers, where
    the server could not answer.
    """

    at: float
    what: str
    server: str
    whole_after: float
    longest_gap: float
    refused: int
    lacking: list[str]


def _container(stage: Stage, server: str, draw: random.Random) -> str:
    victim = draw.choice([one for one in stores.look(stage).containers if one.server == server])
    stores.kill(stage, victim)
    stage.say(f"it was {victim.service}")
    return victim.id


def _outage(outage: Outage, stage: Stage, server: str, draw: random.Random) -> str:
    with outage.of(stage, server):
        time.sleep(draw.uniform(SHORTEST, LONGEST))
    return ""


def _engine(stage: Stage, server: str, _draw: random.Random) -> str:
    stores.on(stage, server, "systemctl restart docker", seconds=180)
    return ""


FAULTS: dict[str, Callable[[Stage, str, random.Random], str]] = {
    "container killed": _container,
    "power cut": partial(_outage, KILLED),
    "server cut off": partial(_outage, CUT_OFF),
    "engine restarted": _engine,
}
"""Each does it, undoes it, and returns the container that must not be there any more, or nothing."""
NO_ANSWER = ("power cut", "server cut off")


def judge(stage: Stage) -> Finding:
    """One at a time: the next when all is whole again and the minute is over. DATA_MINUTES is for how long."""
    minutes = float(os.environ.get(MINUTES_VARIABLE) or 60)
    seed, draw = dice(stage)
    happened: list[tuple[str, str, float, float, list[str]]] = []
    with stores.whole_app(stage):
        addresses = public_addresses(stage)
        with load(stage, addresses.values()) as running:
            while time.time() < running.began + minutes * MINUTE and not (happened and happened[-1][-1]):
                what, server = draw.choice(list(FAULTS)), draw.choice(list(blueprint_addresses()))
                stage.say(f"{what}, {server}")
                began = time.time()
                gone = FAULTS[what](stage, server, draw)
                lacking = stores.await_whole(stage, gone=gone).lacking(gone)
                happened.append((what, server, began, time.time(), lacking))
                stage.say(f"whole after {time.time() - began:.0f} s; {'; '.join(lacking)}".rstrip("; "))
                time.sleep(max(0.0, began + MINUTE - time.time()))
        audited = audit(stage, running)
        attempts = running.attempts()
    faults = []
    for what, server, began, whole, lacking in happened:
        seen = [one for one in attempts if what not in NO_ANSWER or one.through != addresses[server]]
        gap, refused = ledger.longest_gap(seen, began, whole), ledger.refused(seen, began, whole)
        at = round(began - running.began, 1)
        faults.append(Fault(at, what, server, round(whole - began, 1), round(gap, 1), refused, lacking))
    problems = [
        f"{fault.what}, {fault.server}: all is whole within {stores.SECONDS_UNTIL_WHOLE} s ({words})"
        for fault in faults
        for words in fault.lacking
    ]
    seconds = [fault.whole_after for fault in faults]
    figure = (
        f"seed {seed}: {len(faults)} faults in {minutes:g} minutes; whole again after {median(seconds):.0f} s in the "
        f"median, {max(seconds):.0f} s at most; longest time without an acknowledged vote "
        f"{max(fault.longest_gap for fault in faults):.1f} s; {audited.figure}"
    )
    ended = max(one.ended for one in attempts)
    data = {
        "seed": seed,
        "minutes": minutes,
        "faults": [asdict(fault) for fault in faults],
        "timeline": ledger.timeline(attempts, running.began, ended),
        "ledger": audited.told(),
    }
    return Finding(figure, problems + audited.problems, data=data)
