# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client that knows only the published contract of ``redis`` and ``db`` works with them, alone and beside the app."""

from __future__ import annotations

import json
import secrets

from tests.acceptance.data import one_shot, stores
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "a client of the published contract: votes, counts and reads on redis and db"
PROGRAM = "upstream.py"


def judge(stage: Stage) -> Finding:
    """Once without the app's workers, as page, worker and result at once; then as a page whose votes they count."""
    prefix = f"client-{secrets.token_hex(4)}-"
    with stores.whole_app(stage):
        if waiting := stores.drain(stage):
            raise StageError(f"the queue is not empty: {waiting} votes wait")
        stores.scale_workers(stage, 0)
        try:
            alone = json.loads(one_shot.run(stage, PROGRAM, prefix, "alone"))
        finally:
            stores.scale_workers(stage, stores.WORKERS)
        beside = json.loads(one_shot.run(stage, PROGRAM, prefix, "beside"))
    voters = beside["put"]
    problems = unmet(
        {
            f"it takes as many votes as it has put ({alone})": alone["taken"] == alone["put"] > 0,
            f"each of its voters counts once, for the newest choice ({alone})": alone["grown"]
            == {"a": voters // 2, "b": voters // 2},
            f"the app's workers count its votes ({beside})": beside["right"] == voters > 0,
        }
    )
    figure = (
        f"{alone['taken']} of {alone['put']} votes through its own hands, totals grown by {alone['grown']}; "
        f"{beside['right']} of {voters} changed votes counted by the app's workers"
    )
    return Finding(figure, problems, data={"alone": alone, "beside": beside})
