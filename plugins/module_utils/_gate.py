# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_quorum: whether a node can be spared, and whether it takes part in its swarm.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _quorum
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._nodes import check_manager, named
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node, Swarm, majority

if TYPE_CHECKING:
    from collections.abc import Sequence


ACCEPT = "set accept_loss: true (engine_accept_quorum_loss or swarm_accept_quorum_loss where a role asks)"
"""The way out that loses the quorum for a while."""


@dataclass(frozen=True)
class Outlook:
    """How a gate stands at the moment.

    node: the node's entry, None where it is not listed. obstacle: what is in the way, and the way out; empty where
    nothing is. passing: whether waiting may bring a better one. cost: what passing in spite of the obstacle entails;
    empty where that cannot be accepted. note: what is worth telling of a gate that is open.
    """

    node: Node | None = None
    obstacle: str = ""
    passing: bool = False
    cost: str = ""
    note: str | None = None

    def after(self, seconds: float) -> Outlook:
        """The same once it has been waited for in vain."""
        return replace(self, obstacle=f"{self.obstacle} (Waited {seconds:g} s.)")


def sparing(swarm: Swarm, name: str | None, deed: str) -> Outlook:
    """Whether the node can be spared for a deed, restart or removal. name: its name or ID, None for the engine's own.

    Raises Refused where it is not known which node is meant.
    """
    own = _is_own(swarm, name)
    if own and (swarm.state == "inactive" or not swarm.admitted or swarm.role == "worker"):
        return Outlook()
    if own and deed == "restart" and swarm.state != "active":
        note = f"{swarm.node_name} takes no part in its swarm (state {swarm.state}), so a restart costs no quorum."
        return Outlook(passing=swarm.state == "pending", note=note)
    blind = _blind(swarm)
    if blind:
        if own and deed == "restart" and swarm.leaderless:
            blind += f" To restart it all the same, {ACCEPT}."
            cost = f"The managers have no leader as it is, and until it is back {swarm.node_name} cannot elect one."
            return Outlook(obstacle=blind, passing=True, cost=cost)
        return Outlook(obstacle=blind, passing=swarm.leaderless or swarm.state == "pending")
    node = named(swarm.node_id if own else str(name), swarm.nodes)
    if not node.votes:
        return Outlook(node)
    return _restart(node, swarm.nodes) if deed == "restart" else _removal(node, swarm.nodes)


def taking_part(swarm: Swarm, name: str | None) -> Outlook:
    """Whether the node takes part in the swarm: ready, and a manager reachable under a leader."""
    own = _is_own(swarm, name)
    if own and swarm.role == "worker":
        return Outlook()
    blind = _blind(swarm)
    if blind:
        return Outlook(obstacle=blind, passing=swarm.leaderless or swarm.state in ("pending", "error"))
    try:
        node = named(swarm.node_id if own else str(name), swarm.nodes)
    except Refused as reason:
        return Outlook(obstacle=str(reason), passing=True)
    lacking = _lacking(node, swarm.nodes)
    if not lacking:
        return Outlook(node)
    return Outlook(
        node,
        f"{node.name} does not take part in the swarm: {' and '.join(lacking)}. Look at journalctl --unit=docker "
        "there, and whether port 2377/tcp is open between the managers.",
        passing=True,
    )


def _is_own(swarm: Swarm, name: str | None) -> bool:
    return name in (None, swarm.node_name, swarm.node_id)


def _blind(swarm: Swarm) -> str:
    """Why the nodes cannot be seen from here; empty where they can."""
    try:
        check_manager(swarm)
    except Refused as reason:
        return str(reason)
    return ""


def _restart(node: Node, nodes: Sequence[Node]) -> Outlook:
    """A manager that is away for a while and counted all the time."""
    others = _others(node, nodes)
    total, reachable = len(others) + 1, sum(other.reachable for other in others)
    needed = majority(total)
    if not others:
        note = (
            f"{node.name} is the only manager: until it is back nothing can be deployed, moved or started again. "
            "Nothing is lost."
        )
        return Outlook(node, note=note)
    cost = f"Until {node.name} is back nothing can be deployed, moved or started again; what runs goes on."
    accept = f"accept that: {ACCEPT}."
    if len(others) < needed:
        return Outlook(
            node,
            f"{node.name} is one of {total} managers and {needed} are needed for a quorum. {cost} Promote "
            f"another node first (swarm_nodes with role manager), or {accept}",
            cost=cost,
        )
    if reachable < needed:
        return Outlook(
            node,
            f"Without {node.name} only {reachable} of {total} managers would be reachable and {needed} are needed for "
            f"a quorum: {_missing(others)}. {cost} Bring those back, or demote and remove them (swarm_nodes), or "
            f"{accept}",
            passing=True,
            cost=cost,
        )
    return _unless_one_is_returning(node, others, f", or {accept}")


def _removal(node: Node, nodes: Sequence[Node]) -> Outlook:
    """A manager that goes for good and is not counted any more."""
    others = _others(node, nodes)
    try:
        _quorum.check_demotion(nodes, node)
    except Refused as reason:
        return Outlook(node, str(reason), passing=not all(other.reachable for other in others))
    return _unless_one_is_returning(node, others)


def _unless_one_is_returning(node: Node, others: Sequence[Node], accept: str = "") -> Outlook:
    """One at a time: a manager that is neither reachable nor given up has its turn still.

    accept: how to pass it by; empty where that cannot be accepted.
    """
    returning = [other for other in others if not other.reachable and other.status != "down"]
    if not returning:
        return Outlook(node)
    names = ", ".join(other.name for other in returning)
    return Outlook(
        node,
        f"{node.name} has to wait: {_missing(returning)}, yet not given up as down. See that port 2377/tcp is open "
        f"between the managers, or demote {names} (swarm_nodes){accept or '.'}",
        passing=True,
        cost=f"{node.name} is away while {names} cannot be reached either." if accept else "",
    )


def _others(node: Node, nodes: Sequence[Node]) -> list[Node]:
    return [other for other in nodes if other.votes and other.id != node.id]


def _missing(managers: Sequence[Node]) -> str:
    missing = [f"{manager.name} is {manager.status}" for manager in managers if not manager.reachable]
    return f"{', '.join(missing)} and not reachable as a manager"


def _lacking(node: Node, nodes: Sequence[Node]) -> list[str]:
    """What keeps a listed node from taking part, in words."""
    lacking = []
    if node.status != "ready":
        lacking.append(f"it is {node.status}")
    if node.role == "manager" and not node.votes:
        lacking.append("it has been promoted and is no member of the managers yet")
    if node.role == "manager" and node.votes and not node.reachable:
        lacking.append("the other managers do not reach it")
    if not any(other.leader for other in nodes):
        lacking.append("the managers have no leader")
    return lacking
