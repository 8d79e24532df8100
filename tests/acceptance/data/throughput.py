# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many votes a second get from the queue to the database, and from voters to the queue."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence

from tests.acceptance.data import one_shot, stores
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.stores import COUNT_WAITING, MASTER, WORKER
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "votes a second: from the queue to the database, and at the page"
VOTES = 100_000
LEAST = 500
SECONDS_TO_DRAIN = 900
SECONDS_AT_FULL_SPEED = 30
USERS_AT_FULL_SPEED = 32
# How many wait, twice a second, until none does.
WATCH = f"""
docker service scale --detach {WORKER}=1 > /dev/null
while left=$(docker exec {{container}} {COUNT_WAITING}); do
    echo "$(date +%s.%N) $left"
    [[ $left != 0 ]] || break
    sleep 0.5
done
"""


def judge(stage: Stage) -> Finding:
    """One worker empties a queue that was filled without any; then people vote as fast as they are answered."""
    prefix = f"fill-{secrets.token_hex(4)}-"
    with stores.whole_app(stage):
        _require_empty(stage)
        stores.scale_workers(stage, 0)
        try:
            filled = json.loads(one_shot.run(stage, "fill.py", prefix, str(VOTES)))["pushed"]
            master = stores.holder(stage, MASTER)
            watched = stores.on(stage, master.server, WATCH.format(container=master.id), SECONDS_TO_DRAIN)
        finally:
            stores.scale_workers(stage, stores.WORKERS)
        samples = [(float(moment), int(left)) for moment, left in map(str.split, watched.splitlines())]
        stored_per_second = pace(samples)
        found = len(stores.stored(stage, prefix))
        stage.say(f"{found} votes stored, {stored_per_second:.0f} a second")
        with load(stage, public_addresses(stage).values(), rate=0, users=USERS_AT_FULL_SPEED) as running:
            time.sleep(SECONDS_AT_FULL_SPEED)
        audited = audit(stage, running)
        page_per_second = _page_pace(running.attempts())
    problems = unmet(
        {
            f"all of {VOTES} votes are in the database ({filled}, {found})": filled == found == VOTES,
            f"one worker stores {LEAST} votes a second ({stored_per_second:.0f})": stored_per_second >= LEAST,
        }
    )
    figure = (
        f"{stored_per_second:.0f} votes a second stored by one worker ({VOTES} votes), {page_per_second:.0f} "
        f"acknowledged by the page to {USERS_AT_FULL_SPEED} voters at a time, on the same cores; {audited.figure}"
    )
    data = {
        "votes": VOTES,
        "stored_per_second": round(stored_per_second, 1),
        "page_per_second": round(page_per_second, 1),
        "ledger": audited.told(),
    }
    return Finding(figure, problems + audited.problems, data=data)


def pace(samples: Sequence[tuple[float, int]]) -> float:
    """Votes a second, of (moment, votes that wait), from the last moment at which all waited to when none did."""
    full = samples[0][1] if samples else 0
    begun = [moment for moment, left in samples if left == full]
    if not full or samples[-1][1]:
        raise StageError(f"the queue was not emptied: {samples[:1]} to {samples[-1:]}")
    return full / (samples[-1][0] - begun[-1])


def _page_pace(attempts: Sequence[Attempt]) -> float:
    moments = [one.ended for one in attempts if one.acknowledged]
    return len(moments) / (max(moments) - min(moments))


def _require_empty(stage: Stage) -> None:
    if waiting := stores.drain(stage):
        raise StageError(f"the queue is not empty: {waiting} votes wait")
