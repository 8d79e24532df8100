# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A client that knows only the published contract of ``redis`` and ``db`` works with them, alone and beside the app.

The contract fixes the credentials as well, so the app is deployed as for the published images. These cannot be had on a
machine without their registry: this project's stand in for them, with the published password in their environment,
since the stack gives the published ones none.
"""

from __future__ import annotations

import json
import secrets

from tests.acceptance import images
from tests.acceptance.data import one_shot, stores
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "a client of the published contract: votes, counts and reads on redis and db"
PROGRAM = "upstream.py"
PUBLISHED = {"voting_app_images": "upstream", "voting_app_data": "replicated"}
PASSWORD = "POSTGRES_PASSWORD=postgres"
STANDING_IN = ("vote", "result", "worker")


def judge(stage: Stage) -> Finding:
    """Once without the app's workers, as page, worker and result at once; then as a page whose votes they count."""
    prefix = f"client-{secrets.token_hex(4)}-"
    deploy_as_published(stage)
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


def deploy_as_published(stage: Stage) -> None:
    """The app with the published credentials, in front of stores on three servers."""
    stage.start_again_from("swarm")
    stage.level = None
    registry = f"{stage.status()['registry']['address']}/voteapp"
    version = f"{images.VERSION}-published"
    named = {name: f"{registry}/{name}:{images.VERSION}" for name in ("redis", "db", "edge")}
    for name in STANDING_IN:
        named[name] = f"{registry}/{name}:{images.push(stage, name, version, environment=[PASSWORD])}"
    run = stage.play("deploy.yml", PUBLISHED | {"voting_app_image": named})
    if run.exit_code:
        raise StageError(f"deploy.yml: {'; '.join(map(str, run.failures))}")
    if lacking := stores.await_whole(stage).lacking():
        raise StageError(f"the app is not whole: {'; '.join(lacking)}")
