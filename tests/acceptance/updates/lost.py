# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server lost under load: how long the pages are out of reach through each of the others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tests.acceptance.data import ledger, losses, stores
from tests.acceptance.data.ledger import VOTE, Attempt
from tests.acceptance.data.load import audit
from tests.acceptance.data.losses import Loss, Outage
from tests.acceptance.membership import view
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, services
from tests.acceptance.updates.drill import Drill

LONGEST = 3.0
PAGES = ("vote page", "result page")


def judge(stage: Stage, outage: Outage) -> Finding:
    """One that has tasks of both pages is lost in this way."""
    with stores.whole_app(stage):
        tasks = services.look(stage).tasks
        server = services.to_be_lost(tasks, view.look_at_first(stage).leader)
        held = [role for role, holder in stores.holders(stage).items() if holder == server]
        addresses = public_addresses(stage)
        with drill.visitors(stage, addresses.values()) as running:
            loss = losses.lose(stage, server, held, outage)
        audited = audit(stage, running)
        attempts = running.attempts()
    longest = gaps(attempts, loss, addresses)
    votes = loss.told(one for one in attempts if one.page == VOTE)
    told = [losing(loss).told(one for one in attempts if one.through != loss.address)]
    has = {task.service for task in tasks if task.server == server}
    problems = unmet({f"{server} has tasks of both pages ({', '.join(sorted(has))})": has >= set(services.PAGES)})
    # Nobody is counted who came through the lost server.
    problems += drill.missing(told, drill.VOTES_A_SECOND * len(longest) / len(addresses))
    problems += unmet(
        {
            f"{page} answers through {other} within {LONGEST:g} s ({seconds} s)": seconds <= LONGEST
            for other, pages in longest.items()
            for page, seconds in pages.items()
        }
    )
    problems += unmet({f"all is whole once {server} is back ({'; '.join(loss.lacking)})": not loss.lacking})
    listed = "; ".join(
        f"through {other}: {', '.join(f'{page} {seconds} s' for page, seconds in pages.items())}"
        for other, pages in longest.items()
    )
    figure = (
        f"{server} ({losses.words(held)}) {outage.name}, votes accepted again after {votes['accepted_again']} s, "
        f"longest time without an answer {listed} (without requests through its own address, where nobody can answer)"
    )
    return drill.finding(told, audited, figure, problems, longest_gaps=longest, votes=votes)


def losing(loss: Loss) -> Drill:
    """Until the server is back."""
    return Drill(f"{loss.server} {loss.name}", loss.began, loss.back)


def gaps(attempts: Iterable[Attempt], loss: Loss, addresses: Mapping[str, str]) -> dict[str, dict[str, float]]:
    """By other server and page, seconds of the longest time without a good answer while the server is lost."""
    everything = list(attempts)
    return {
        server: {
            page: round(
                ledger.longest_gap(
                    (one for one in everything if (one.through, one.page) == (address, page)),
                    loss.began,
                    loss.back,
                ),
                1,
            )
            for page in PAGES
        }
        for server, address in addresses.items()
        if server != loss.server
    }
