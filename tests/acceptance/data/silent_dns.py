# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The server that leads both stores is killed while no question about names that leaves a server is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.acceptance.data import losses, stores
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.stores import DATABASE_LEADER
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage, StageError

NAME = "the leader of both stores killed, name servers silent"
TABLE = "inet silent_dns"
SILENCE = f"""
nft -f - << 'END'
table {TABLE} {{
    chain output {{
        type filter hook output priority -10
        oifname != "lo" meta l4proto {{ tcp, udp }} th dport 53 counter drop
    }}
    chain forward {{
        type filter hook forward priority -10
        meta l4proto {{ tcp, udp }} th dport 53 counter drop
    }}
}}
END
"""
# A server that was off has no table any more.
SPEAK = f"nft delete table {TABLE} 2> /dev/null || true"


def judge(stage: Stage) -> Finding:
    """Docker itself answers for names of the swarm; it asks others about all else, as a task that has gone."""
    with stores.whole_app(stage):
        with load(stage, public_addresses(stage).values()) as running:
            server = stores.holder(stage, DATABASE_LEADER).server
            stores.move_master(stage, server)
            held = [role for role, holder in stores.holders(stage).items() if holder == server]
            with silence(stage):
                loss = losses.lose(stage, server, held)
        audited = audit(stage, running)
        told = loss.told(running.attempts())
    data = {"deaths": [told], "ledger": audited.told()}
    return Finding(f"{losses.listed([told])}; {audited.figure}", loss.problems(told) + audited.problems, data=data)


@contextmanager
def silence(stage: Stage) -> Iterator[None]:
    """Packets to name servers that are not on the server itself vanish."""
    try:
        for server in blueprint_addresses():
            stores.on(stage, server, SILENCE)
        yield
    finally:
        for server in blueprint_addresses():
            with suppress(StageError):
                stores.on(stage, server, SPEAK)
