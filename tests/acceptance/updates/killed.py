# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server killed under load: how long the pages are out of reach through each of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.acceptance.data import ledger, losses, stores
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.load import audit
from tests.acceptance.data.losses import Death
from tests.acceptance.membership import view
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill

NAME = "a server killed under load: the pages through the others"
LONGEST = 3.0
PAGES = ("vote page", "result page")


def judge(stage: Stage) -> Finding:
    """One that has tasks of both pages."""
    with stores.whole_app(stage):
        tasks = services.look(stage).tasks
        server = services.to_be_killed(tasks, view.look_at_first(stage).leader)
        held = [role for role, holder in stores.holders(stage).items() if holder == server]
        addresses = public_addresses(stage)
        with drill.visitors(stage, addresses.values()) as running:
            death = losses.die(stage, server, held)
        audited = audit(stage, running)
        attempts = running.attempts()
    longest = gaps(attempts, death, addresses)
    told = [killing(death).told(one for one in attempts if one.through != death.address)]
    has = {task.service for task in tasks if task.server == server}
    problems = unmet({f"{server} has tasks of both pages ({', '.join(sorted(has))})": has >= set(services.PAGES)})
    # Nobody is counted who came through the dead server.
    problems += drill.missing(told, drill.VOTES_A_SECOND * len(longest) / len(addresses))
    problems += unmet(
        {
            f"{page} answers through {other} within {LONGEST:g} s ({seconds} s)": seconds <= LONGEST
            for other, pages in longest.items()
            for page, seconds in pages.items()
        }
    )
    problems += unmet({f"all is whole once {server} is back ({'; '.join(death.lacking)})": not death.lacking})
    listed = "; ".join(
        f"through {other}: {', '.join(f'{page} {seconds} s' for page, seconds in pages.items())}"
        for other, pages in longest.items()
    )
    figure = (
        f"{server} ({losses.words(held)}) killed, longest time without an answer {listed} (without requests through "
        f"the dead server's address, where nobody can answer)"
    )
    return drill.finding(told, audited, figure, problems, held=held, longest_gaps=longest)


def killing(death: Death) -> Drill:
    """From the death until the power is back."""
    return Drill(f"{death.server} killed", death.began, death.started)


def gaps(attempts: Iterable[Attempt], death: Death, addresses: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """By server that survives and page, seconds of the longest time without a good answer while the other is dead."""
    everything = list(attempts)
    return {
        server: {
            page: round(
                ledger.longest_gap(
                    (one for one in everything if (one.through, one.page) == (address, page)),
                    death.began,
                    death.started,
                ),
                1,
            )
            for page in PAGES
        }
        for server, address in addresses.items()
        if server != death.server
    }
