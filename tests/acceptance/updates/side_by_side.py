# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routing mesh beside the edge: the same changes, on machines with a kernel of their own, which a mesh needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.acceptance import images
from tests.acceptance.data import losses, stores
from tests.acceptance.data.ledger import Audit
from tests.acceptance.data.load import audit
from tests.acceptance.data.stores import DATABASE_LEADER
from tests.acceptance.images import NEXT
from tests.acceptance.membership import view
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Setting, Stage, StageError
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.lost import gaps, losing
from tests.acceptance.updates.rolling import UPDATED
from tests.acceptance.updates.scaling import MANY
from tests.acceptance.updates.services import REPLICAS

NAME = "routing mesh beside the edge, on virtual machines (no verdict about the mesh)"
# Emulated servers are too slow for elections of a second or two, for many requests, and for looks at a container's
# health every few seconds, which take seconds each.
SETTING = Setting(
    machines="vm",
    variables={
        "voting_app_images": "built",
        "voting_app_data": "single",
        "voting_app_replicas": REPLICAS,
        "voting_app_healthcheck": {"interval": 60, "timeout": 30, "start_period": 300, "start_interval": 5},
    },
)
WAYS = ("edge", "mesh")
VOTES_A_SECOND = 1.0
PEOPLE = 60
# Each drill's number of tasks of vote. The first brings further versions, which stay.
CHANGES: Mapping[str, int] = {
    f"update of {', '.join(UPDATED)} at once": REPLICAS["vote"],
    **{f"vote to {count} tasks": count for count in (MANY, REPLICAS["vote"])},
}
SECONDS_UNTIL_WHOLE = 1200
REMOVE = Path(__file__).parents[1] / "plays" / "remove_app.yml"


@dataclass(frozen=True)
class Way:
    """What became of people who came by one way of publishing. told: in each drill. audited: of their votes.

    longest: seconds without a page through a server that survives another's death. failing: what is not so where no
    request may fail before the death. flaws: what else is not so.
    """

    told: Sequence[Mapping[str, Any]]
    audited: Audit
    longest: float
    failing: Sequence[str]
    flaws: Sequence[str]

    @property
    def figure(self) -> str:
        failed, requests = (sum(one[name] for one in self.told) for name in ("failed", "requests"))
        flaws = f", not so: {', '.join(self.flaws)}" if self.flaws else ""
        return (
            f"{failed} of {requests} requests failed, {self.longest} s at most without a page through a server that "
            f"survives another's death{flaws}"
        )


def judge(stage: Stage) -> Finding:
    """Each on the same swarm, without the app at first. What the mesh falls short of is told, and nothing more."""
    stage.down()
    ways = {}
    try:
        with Stage(stage.say, SETTING) as machines:
            machines.start_again_from("swarm")
            machines.level = None
            for name in WAYS:
                ways[name] = _go(machines, name)
                _remove(machines)
    finally:
        os.environ["LAB_MACHINES"] = Setting().machines
    grid = beside({name: way.told for name, way in ways.items()})
    figure = "; ".join(f"{name}: {way.figure}" for name, way in ways.items())
    data = {
        "ways": {
            name: {
                "drills": list(way.told),
                "longest_gap": way.longest,
                "ledger": way.audited.told(),
                "flaws": list(way.flaws),
            }
            for name, way in ways.items()
        },
        "grid": grid,
    }
    return Finding(figure, ways["edge"].flaws, ways["edge"].failing, data=data, grid=grid)


def beside(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
    """Drills as lines, and a column for each way of publishing."""
    cells = {
        name: {one["drill"]: f"{one['failed']} of {one['requests']} requests failed" for one in drills}
        for name, drills in told.items()
    }
    lines = dict.fromkeys(line for own in cells.values() for line in own)
    return {line: {name: own.get(line, "-") for name, own in cells.items()} for line in lines}


def _go(stage: Stage, name: str) -> Way:
    _begin(stage, name)
    drills: list[Drill] = []
    flaws: list[str] = []
    addresses = public_addresses(stage)
    with drill.visitors(stage, addresses.values(), VOTES_A_SECOND, PEOPLE) as running:
        for change, count in CHANGES.items():
            with drill.watched(change, drills):
                replicas = {**REPLICAS, "vote": count}
                versions = dict.fromkeys(UPDATED, NEXT)
                run = services.deploy(stage, versions, voting_app_replicas=replicas, voting_app_publish=name)
            flaws += unmet({f"{change}: deploy.yml succeeds ({'; '.join(map(str, run.failures))})": not run.exit_code})
        data_server = stores.holder(stage, DATABASE_LEADER).server
        tasks, leader = services.look(stage).tasks, view.look_at_first(stage).leader
        server = services.to_be_lost(tasks, leader, spared=[data_server])
        loss = losses.lose(stage, server, [], seconds=SECONDS_UNTIL_WHOLE)
    audited = audit(stage, running)
    attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    failing = drill.failing(told, (one for one in attempts if one.ended < loss.began), VOTES_A_SECOND)
    flaws += unmet({f"all is whole once {server} is back ({'; '.join(loss.lacking)})": not loss.lacking})
    others = [one for one in attempts if one.through != loss.address]
    told.append({**losing(loss).told(others), "drill": "a server without data killed"})
    longest = max(seconds for pages in gaps(attempts, loss, addresses).values() for seconds in pages.values())
    return Way(told, audited, longest, failing, [*flaws, *audited.problems])


def _begin(stage: Stage, name: str) -> None:
    """The app, published in this way, and further versions of what is updated."""
    run = services.deploy(stage, {}, voting_app_publish=name)
    if run.exit_code:
        raise StageError(f"{name}: deploy.yml: {'; '.join(map(str, run.failures))}")
    if lacking := stores.await_whole(stage, SECONDS_UNTIL_WHOLE).lacking():
        raise StageError(f"{name}: the app is not whole: {'; '.join(lacking)}")
    for service in UPDATED:
        images.push(stage, service, NEXT)


def _remove(stage: Stage) -> None:
    """The app and its votes away. The networks of the two ways differ, so that one cannot become the other."""
    server = stores.holder(stage, DATABASE_LEADER).server
    run = stage.play(str(REMOVE), {"remove_host": server})
    if run.exit_code:
        raise StageError(f"{REMOVE.name}: {'; '.join(map(str, run.failures))}")
