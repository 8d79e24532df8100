# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which changes to the managers a swarm survives.

Note that this is private to the collection: other collections must not import it.

What counts is who can be reached now, not who is a member: three managers of which one is dead have no spare left.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node, majority

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def check_demotion(nodes: Iterable[Node], node: Node) -> None:
    """Refuse to take ``node`` out of the managers where the rest could not decide, or might lose its leader."""
    voting = [other for other in nodes if other.votes and other.id != node.id]
    _check_rest(node, voting)
    # Those that have been demoted before still vote and are about to go.
    _check_rest(node, [other for other in voting if other.role == "manager"])


def _check_rest(node: Node, rest: Sequence[Node]) -> None:
    """Refuse where ``rest`` cannot do without ``node``."""
    reachable = sum(other.reachable for other in rest)
    if not rest:
        raise Refused(f"{node.name} is the last manager: without it the swarm ends. Promote another node first.")
    if reachable < majority(len(rest)):
        dead = ", ".join(other.name for other in rest if not other.reachable)
        raise Refused(
            f"Without {node.name} only {reachable} of {len(rest)} managers would be reachable and "
            f"{majority(len(rest))} are needed: the swarm would lose its quorum. "
            f"Bring back, or demote and remove, {dead} first."
        )
    if node.leader and len(rest) == 1:
        raise Refused(
            f"{node.name} leads a swarm of two managers: demoting the leader can leave the other one without any. "
            f"Demote {rest[0].name} instead, or promote a third node first."
        )


def check_promotion(node: Node) -> None:
    """Refuse to count on a manager that does not answer."""
    if node.status != "ready":
        raise Refused(
            f"{node.name} is {node.status}: as a manager it would count for the quorum without being reachable. "
            "Bring it back, or take its role out of the setting nodes."
        )


def spare(managers: int) -> str:
    """How much may still fail among so many managers, in words."""
    return f"{managers} manager{'s' if managers > 1 else ''}, {managers - majority(managers)} may fail"
