# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Versions of the edge that do not work, deployed while people come through a load balancer."""

from __future__ import annotations

from tests.acceptance.data.load import audit
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage
from tests.acceptance.updates import broken, drill
from tests.acceptance.updates.balanced import BALANCED, balanced_app
from tests.acceptance.updates.drill import Drill

NAME = "broken versions of the edge under load, through a load balancer"


def judge(stage: Stage) -> Finding:
    """The one server that gets it is passed over until Swarm has brought the old one back."""
    drills: list[Drill] = []
    with balanced_app(stage) as address:
        with drill.visitors(stage, [address]) as running:
            returns = list(broken.deploy_all(stage, broken.CASES["balancer"], drills, **BALANCED))
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    problems = [*drill.failing(told, attempts), *(words for one in returns for words in one.problems())]
    data = [broken.summary(one) for one in returns]
    return drill.finding(told, audited, broken.listed(returns), problems, returns=data)
