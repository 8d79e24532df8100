# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The same with the queue and the database on one server each, as the article has them: figures beside the others."""

from __future__ import annotations

from tests.acceptance.data import losses, stores
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.stores import DATABASE_LEADER, MASTER
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage, StageError

NAME = "a server killed, all data on one server (no verdict)"
SINGLE = {"voting_app_data": "single"}


def judge(stage: Stage) -> Finding:
    """One that has no data, then the one that has."""
    stage.start_again_from("swarm")
    stage.level = None
    run = stage.play("deploy.yml", SINGLE)
    if run.exit_code:
        raise StageError(f"deploy.yml: {'; '.join(map(str, run.failures))}")
    if lacking := stores.await_whole(stage).lacking():
        raise StageError(f"the app is not whole: {'; '.join(lacking)}")
    data_server = stores.holder(stage, DATABASE_LEADER).server
    other = next(server for server in blueprint_addresses() if server != data_server)
    with load(stage, public_addresses(stage).values()) as running:
        lost = [losses.lose(stage, other, []), losses.lose(stage, data_server, [MASTER, DATABASE_LEADER])]
    audited = audit(stage, running)
    told = [loss.told(running.attempts()) for loss in lost]
    data = {"deaths": told, "ledger": audited.told()}
    return Finding(f"{losses.listed(told)}; {audited.figure}", data=data)
