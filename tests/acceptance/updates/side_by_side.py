# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The routing mesh beside the edge: the same changes, on machines with a kernel of their own, which a mesh needs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from tests.acceptance.updates.killed import gaps, killing
from tests.acceptance.updates.services import PAGES, REPLICAS

NAME = "routing mesh beside the edge, on virtual machines (no verdict about the mesh)"
# Emulated servers are too slow for elections of a second or two, and for many requests.
SETTING = Setting(
    machines="vm",
    variables={"voting_app_images": "built", "voting_app_data": "single", "voting_app_replicas": REPLICAS},
)
WAYS = ("edge", "mesh")
MANY = 4
VOTES_A_SECOND = 3.0
PEOPLE = 120
SECONDS_UNTIL_WHOLE = 1200


@dataclass(frozen=True)
class Way:
    """What became of people who came by one way of publishing. told: in each drill. audited: of their votes.

    longest: seconds without a page through a server that survives another's death. flaws: what went wrong.
    """

    told: Sequence[Mapping[str, Any]]
    audited: Audit
    longest: float
    flaws: Sequence[str]


def judge(stage: Stage) -> Finding:
    """Each from a swarm without the app. One update of each page, more tasks and fewer, and a server killed."""
    stage.down()
    try:
        with Stage(stage.say, SETTING) as machines:
            ways = {name: _go(machines, name) for name in WAYS}
    finally:
        os.environ["LAB_MACHINES"] = Setting().machines
    problems = [f"{name}: {words}" for name, way in ways.items() for words in (*way.flaws, *way.audited.problems)]
    # All but the death.
    missed = [f"edge: {words}" for words in drill.failing(ways["edge"].told[:-1])]
    grid = beside({name: way.told for name, way in ways.items()})
    figure = "; ".join(
        f"{name}: {sum(one['failed'] for one in way.told)} of {sum(one['requests'] for one in way.told)} requests "
        f"failed, {way.longest} s at most without a page through a server that survives another's death"
        for name, way in ways.items()
    )
    data = {
        "ways": {
            name: {"drills": list(way.told), "longest_gap": way.longest, "ledger": way.audited.told()}
            for name, way in ways.items()
        },
        "grid": grid,
    }
    return Finding(figure, problems, missed, data=data, grid=grid)


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
    changes: dict[str, tuple[dict[str, str], dict[str, int]]] = {
        "update of vote": ({"vote": NEXT}, REPLICAS),
        "update of result": (dict.fromkeys(PAGES, NEXT), REPLICAS),
        f"vote to {MANY} tasks": (dict.fromkeys(PAGES, NEXT), {**REPLICAS, "vote": MANY}),
        f"vote to {REPLICAS['vote']} tasks": (dict.fromkeys(PAGES, NEXT), REPLICAS),
    }
    drills: list[Drill] = []
    flaws: list[str] = []
    addresses = public_addresses(stage)
    with drill.visitors(stage, addresses.values(), VOTES_A_SECOND, PEOPLE) as running:
        for change, (versions, replicas) in changes.items():
            with drill.watched(change, drills):
                run = services.deploy(stage, versions, voting_app_replicas=replicas, voting_app_publish=name)
            flaws += unmet({f"{change}: deploy.yml succeeds ({'; '.join(map(str, run.failures))})": not run.exit_code})
        data_server = stores.holder(stage, DATABASE_LEADER).server
        tasks, leader = services.look(stage).tasks, view.look_at_first(stage).leader
        death = losses.die(stage, services.to_be_killed(tasks, leader, spared=[data_server]), [])
    audited = audit(stage, running)
    attempts = running.attempts()
    others = [one for one in attempts if one.through != death.address]
    told = [one.told(attempts) for one in drills]
    told.append({**killing(death).told(others), "drill": "a server without data killed"})
    longest = max(seconds for pages in gaps(attempts, death, addresses).values() for seconds in pages.values())
    return Way(told, audited, longest, flaws)


def _begin(stage: Stage, name: str) -> None:
    """The app, published in this way, and a further version of both pages."""
    stage.start_again_from("swarm")
    stage.level = None
    run = services.deploy(stage, {}, voting_app_publish=name)
    if run.exit_code:
        raise StageError(f"{name}: deploy.yml: {'; '.join(map(str, run.failures))}")
    if lacking := stores.await_whole(stage, SECONDS_UNTIL_WHOLE).lacking():
        raise StageError(f"{name}: the app is not whole: {'; '.join(lacking)}")
    for page in PAGES:
        images.push(stage, page, NEXT)
