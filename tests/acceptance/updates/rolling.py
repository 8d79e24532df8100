# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another version of vote, result and worker, each alone, while people vote and look at the results."""

from __future__ import annotations

from tests.acceptance import images
from tests.acceptance.data import stores
from tests.acceptance.data.load import Load, audit
from tests.acceptance.images import NEXT, VERSION
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill

NAME = "vote, result and worker updated under load"
UPDATED = ("vote", "result", "worker")
ENOUGH = 10_000
"""Requests that meet the updates of a service at least."""
MOST_UPDATES = 12


def judge(stage: Stage) -> Finding:
    """Each to another version and back, until so many requests have met its updates."""
    drills: list[Drill] = []
    problems: list[str] = []
    updates: dict[str, list[float]] = {}
    with stores.whole_app(stage):
        for service in UPDATED:
            images.push(stage, service, NEXT)
        with drill.visitors(stage, public_addresses(stage).values()) as running:
            for service in UPDATED:
                with drill.watched(f"update of {service}", drills):
                    updates[service], flaws = _update(stage, service, running)
                problems += flaws
                if flaws:
                    break
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    problems += drill.failing(told)
    problems += unmet(
        {f"{one['drill']}: {ENOUGH} requests meet it ({one['requests']})": one["requests"] >= ENOUGH for one in told}
    )
    if problems:
        stage.level = None
    figure = ", ".join(f"{len(seconds)} updates of {service}" for service, seconds in updates.items())
    return drill.finding(told, audited, figure, problems, updates=updates)


def _update(stage: Stage, service: str, running: Load) -> tuple[list[float], list[str]]:
    """The seconds of each deployment, and what was wrong with one of them. In the end it is the version of before."""
    seconds: list[float] = []
    first = len(running.attempts())
    while len(seconds) % 2 or (len(seconds) < MOST_UPDATES and len(running.attempts()) - first < ENOUGH):
        version = VERSION if len(seconds) % 2 else NEXT
        before = services.look(stage)
        run = services.deploy(stage, {service: version} if version == NEXT else {})
        after = services.look(stage)
        seconds.append(round(run.seconds, 1))
        flaws = unmet(
            {
                f"{service} to {version}: deploy.yml succeeds ({'; '.join(map(str, run.failures))})": not run.exit_code,
                f"{service} to {version}: it has this version ({after.version(service)})": after.version(service)
                == version,
                f"{service} to {version}: all of its tasks are new ones": not before.of(service) & after.of(service),
                f"{service} to {version}: no other task is": before.others(service) == after.others(service),
            }
        )
        if flaws:
            return seconds, flaws
    return seconds, []
