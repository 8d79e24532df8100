# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions that do not work, deployed while people vote: Swarm goes back by itself, and deploy.yml says why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from lab.playbook import Run
from tests.acceptance import images
from tests.acceptance.data import stores
from tests.acceptance.data.load import audit
from tests.acceptance.images import VERSION
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.services import Services

NAME = "broken versions of vote, result, worker, accounts and the stores' proxies under load"
CASES: Mapping[str, Sequence[Mapping[str, Any]]] = yaml.safe_load(
    Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8")
)


@dataclass(frozen=True)
class Return:
    """A broken version, and the way back. before, back, after: the services before it was deployed, once Swarm had
    rolled it back, and after the good version was deployed once more. failed, again: both deployments.
    """

    case: Mapping[str, Any]
    before: Services
    failed: Run
    is_back: bool
    back: Services
    again: Run
    after: Services

    def problems(self) -> list[str]:
        said = "; ".join(map(str, self.failed.failures))
        names = [f"voteapp_{service}" for service in self.case["services"]]
        became = {service: self.back.updates.get(service) for service in self.case["services"]}
        conditions = {
            f"deploy.yml fails by itself ({said})": self.failed.exit_code != 0,
            **{f"it says: {word} ({said})": word in said for word in self.case["words"]},
            f"it names one of {', '.join(names)} ({said})": any(name in said for name in names),
            f"Swarm goes back by itself ({became})": self.is_back,
            "no other service is touched": self.before.images == self.back.images
            and self._unconcerned(self.before) == self._unconcerned(self.back),
            f"the good version deployed once more succeeds ({'; '.join(map(str, self.again.failures))})": not (
                self.again.exit_code
            ),
            f"and has nothing to change (changed={self.again.changed})": self.again.changed == 0
            and self.back.of(*self.case["services"]) == self.after.of(*self.case["services"]),
        }
        return [f"{self.case['case']}: {words}" for words in unmet(conditions)]

    def _unconcerned(self, seen: Services) -> set[str]:
        return {task.id for task in seen.tasks} - seen.of(*self.case["services"])


def judge(stage: Stage) -> Finding:
    """Through any node, all of which go on serving."""
    drills: list[Drill] = []
    with stores.whole_app(stage):
        with drill.visitors(stage, public_addresses(stage).values()) as running:
            returns = list(deploy_all(stage, CASES["nodes"], drills))
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    problems = [*drill.failing(told, attempts), *(words for one in returns for words in one.problems())]
    if problems:
        stage.level = None
    return drill.finding(told, audited, listed(returns), problems, returns=[summary(one) for one in returns])


def deploy_all(
    stage: Stage, cases: Iterable[Mapping[str, Any]], drills: list[Drill], **variables: Any
) -> Iterable[Return]:
    """One broken version after the other, each followed by the good one. variables: of each deployment."""
    for case in cases:
        before = services.look(stage)
        version = f"{VERSION}-{case['tag']}"
        wanted = case.get("images") or {service: service for service in case["services"]}
        versions = {name: images.push(stage, image, version, case["command"]) for name, image in wanted.items()}
        with drill.watched(case["case"], drills):
            failed = services.deploy(stage, versions, **variables)
            is_back = services.await_back(stage, before, case["services"])
            back = services.look(stage)
            again = services.deploy(stage, {}, **variables)
        yield Return(case, before, failed, is_back, back, again, services.look(stage))


def listed(returns: Sequence[Return]) -> str:
    """How many there were, and how long deploy.yml took to fail."""
    right = sum(not one.problems() for one in returns)
    seconds = [one.failed.seconds for one in returns]
    return (
        f"{right} of {len(returns)} broken versions refused with their reason and rolled back by Swarm, deploy.yml "
        f"failed after {min(seconds):.0f} to {max(seconds):.0f} s"
    )


def summary(one: Return) -> dict[str, Any]:
    """As data of a row."""
    return {
        "case": one.case["case"],
        "failed_after": round(one.failed.seconds, 1),
        "rolled_back": one.is_back,
        "changed_again": one.again.changed,
    }
