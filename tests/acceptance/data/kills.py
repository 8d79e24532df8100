# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""kill -9 of one container after the other, of every service of the app and of its stores, while people vote."""

from __future__ import annotations

import time
from dataclasses import dataclass

from tests.acceptance.data import ledger, stores
from tests.acceptance.data.chance import dice
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.load import audit, load
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage

NAME = "kill -9 of 50 containers, every service of the app and of its stores among them"
KILLS = 50
LONGEST = 120


@dataclass(frozen=True)
class Kill:
    """began, whole: seconds since 1970."""

    service: str
    server: str
    began: float
    whole: float
    lacking: list[str]

    @property
    def seconds(self) -> float:
        """Until all was whole again."""
        return self.whole - self.began

    def gap(self, attempts: list[Attempt]) -> float:
        return ledger.longest_gap(attempts, self.began, self.whole)

    def refused(self, attempts: list[Attempt]) -> int:
        return ledger.refused(attempts, self.began, self.whole)


def judge(stage: Stage) -> Finding:
    """The next one when all services have their tasks again, and all members of the stores are ready."""
    seed, draw = dice(stage)
    kills: list[Kill] = []
    with stores.whole_app(stage) as whole:
        seen = whole
        services = sorted(seen.wanted)
        order = draw.sample(services, len(services)) + draw.choices(services, k=KILLS - len(services))
        with load(stage, public_addresses(stage).values()) as running:
            for service in order:
                victim = draw.choice([one for one in seen.containers if one.service == service])
                began = time.time()
                stores.kill(stage, victim)
                seen = stores.await_whole(stage, LONGEST, gone=victim.id)
                kills.append(Kill(service, victim.server, began, time.time(), seen.lacking(victim.id)))
                stage.say(f"{len(kills)}: {service} on {victim.server}, whole after {kills[-1].seconds:.0f} s")
                if kills[-1].lacking:
                    break
        audited = audit(stage, running)
        attempts = running.attempts()
    problems = [
        f"after {kill.service} on {kill.server} was killed, all is whole within {LONGEST} s ({words})"
        for kill in kills
        for words in kill.lacking
    ]
    grid = {service: _line(service, kills, attempts) for service in services}
    worst = max(kills, key=lambda kill: kill.gap(attempts))
    figure = (
        f"seed {seed}: {len(kills)} kills; whole again after {max(kill.seconds for kill in kills):.0f} s at most; "
        f"longest time without an acknowledged vote {worst.gap(attempts):.1f} s ({worst.service}); {audited.figure}"
    )
    data = {
        "seed": seed,
        "grid": grid,
        "ledger": audited.told(),
        "kills": [
            {
                "service": kill.service,
                "server": kill.server,
                "whole_after": round(kill.seconds, 1),
                "longest_gap": round(kill.gap(attempts), 1),
                "refused": kill.refused(attempts),
            }
            for kill in kills
        ],
    }
    return Finding(figure, problems + audited.problems, data=data, grid=grid)


def _line(service: str, kills: list[Kill], attempts: list[Attempt]) -> dict[str, str]:
    own = [kill for kill in kills if kill.service == service]
    return {
        "kills": str(len(own)),
        "longest gap": f"{max((kill.gap(attempts) for kill in own), default=0):.1f} s",
        "votes not acknowledged": str(sum(kill.refused(attempts) for kill in own)),
        "whole again, at most": f"{max((kill.seconds for kill in own), default=0):.0f} s",
    }
