# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another version of vote, result and worker, each alone, while people vote and look at the results."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tests.acceptance import images
from tests.acceptance.data import stores
from tests.acceptance.data.load import Load, audit
from tests.acceptance.images import NEXT, VERSION
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import ENOUGH, Drill, Span

NAME = "vote, result and worker updated under load"
UPDATED = ("vote", "result", "worker")
MOST_UPDATES = 12


@dataclass(frozen=True)
class Updates:
    """A service's. seconds: of each deployment. spans: of each update that went well. flaws: of one that did not."""

    seconds: Sequence[float]
    spans: Sequence[Span]
    flaws: Sequence[str]


def judge(stage: Stage) -> Finding:
    """Each to another version and back, until so many requests have met its updates."""
    drills: list[Drill] = []
    problems: list[str] = []
    updates: dict[str, Updates] = {}
    with stores.whole_app(stage):
        for service in UPDATED:
            images.push(stage, service, NEXT)
        with drill.visitors(stage, public_addresses(stage).values()) as running:
            for service in UPDATED:
                with drill.watched(f"update of {service}", drills):
                    updates[service] = _update(stage, service, running)
                problems += updates[service].flaws
                if updates[service].flaws:
                    break
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    met = {service: drill.meeting(attempts, own.spans) for service, own in updates.items()}
    problems += drill.failing(told, attempts)
    problems += unmet(
        {
            f"{ENOUGH} requests meet the updates of {service} ({count})": count >= ENOUGH
            for service, count in met.items()
        }
    )
    if problems:
        stage.level = None
    figure = ", ".join(
        f"{len(own.spans)} updates of {service} met by {met[service]} requests" for service, own in updates.items()
    )
    seconds = {service: own.seconds for service, own in updates.items()}
    return drill.finding(told, audited, figure, problems, updates=seconds, met=met)


def _update(stage: Stage, service: str, running: Load) -> Updates:
    """In the end it is the version of before, unless something is wrong."""
    seconds: list[float] = []
    spans: list[Span] = []
    while len(spans) % 2 or (len(spans) < MOST_UPDATES and drill.meeting(running.attempts(), spans) < ENOUGH):
        version = VERSION if len(spans) % 2 else NEXT
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
            return Updates(seconds, spans, flaws)
        spans.append(after.updated[service])
    return Updates(seconds, spans, [])
