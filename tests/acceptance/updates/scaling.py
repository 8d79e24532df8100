# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""More tasks of vote and fewer again, while people vote; all other tasks stay."""

from __future__ import annotations

from tests.acceptance.data import stores
from tests.acceptance.data.load import audit
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.services import REPLICAS, Services

MANY = 6
NAME = f"vote from {REPLICAS['vote']} tasks to {MANY} and back under load"


def judge(stage: Stage) -> Finding:
    """By voting_app_replicas."""
    drills: list[Drill] = []
    problems: list[str] = []
    seconds: list[float] = []
    with stores.whole_app(stage):
        before = services.look(stage)
        with drill.visitors(stage, public_addresses(stage).values()) as running:
            for count in (MANY, REPLICAS["vote"]):
                with drill.watched(f"vote to {count} tasks", drills):
                    run = services.deploy(stage, {}, voting_app_replicas={**REPLICAS, "vote": count})
                seconds.append(round(run.seconds, 1))
                said = "; ".join(map(str, run.failures))
                problems += unmet({f"to {count}: deploy.yml succeeds ({said})": not run.exit_code})
                problems += flaws(before, services.look(stage), count)
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    problems += drill.failing(told, attempts)
    if problems:
        stage.level = None
    figure = f"{' and '.join(f'{value:.0f} s' for value in seconds)}, all other tasks as before"
    return drill.finding(told, audited, figure, problems, seconds=seconds)


def flaws(before: Services, after: Services, count: int) -> list[str]:
    """What is not so once vote has this number of tasks."""
    had, has = before.of("vote"), after.of("vote")
    gone = before.others("vote") - after.others("vote")
    return unmet(
        {
            f"to {count}: vote has so many tasks ({len(has)})": len(has) == count,
            f"to {count}: those that it had are among them": count <= len(had) or had <= has,
            f"to {count}: all tasks of the others are as before ({len(gone)} gone)": before.others("vote")
            == after.others("vote"),
        }
    )
