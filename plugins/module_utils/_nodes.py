# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_nodes: what is wanted of the nodes against what the managers list.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _quorum
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node, Swarm, check_health

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


LOST = "lost"
"""What a label of data becomes when it goes over to a machine that was rebuilt."""

RETIRED = "swarm.availability"
"""The label of a node that is retired for a while; its value is the availability that the node had before."""


@dataclass(frozen=True)
class Wish:
    """What is wanted of one node; None leaves as it is. name is the node's host name, or its ID.

    drop: labels that shall go, whatever else holds of labels.
    """

    name: str
    state: str = "present"
    role: str | None = None
    availability: str | None = None
    labels: Mapping[str, str] | None = None
    drop: frozenset[str] = frozenset()

    @classmethod
    def from_option(cls, option: Mapping[str, Any]) -> Wish:
        """One entry of the option nodes. Label values may be any scalar."""
        labels = option.get("labels")
        return cls(
            name=option["name"],
            state=option.get("state") or "present",
            role=option.get("role"),
            availability=option.get("availability"),
            labels=None if labels is None else {str(key): _label_text(key, value) for key, value in labels.items()},
        )


@dataclass(frozen=True)
class Rules:
    """What holds for all nodes. labels_mode: merge or exact. dead_twins: keep or remove.

    data_labels: labels that say that data is on the node's disk, which a rebuilt machine does not have.
    """

    labels_mode: str = "merge"
    dead_twins: str = "keep"
    data_labels: frozenset[str] = frozenset()


def resolved(wishes: Iterable[Wish], nodes: Sequence[Node]) -> list[Wish]:
    """The wishes with the availabilities retire and restore put into the terms of what the nodes have now."""
    return [_resolved(wish, _live(wish, nodes)) for wish in wishes]


def _resolved(wish: Wish, node: Node | None) -> Wish:
    if wish.availability == "retire":
        noted = (node.labels.get(RETIRED) or node.availability) if node else "active"
        return replace(wish, availability="drain", labels={**(wish.labels or {}), RETIRED: noted})
    if wish.availability == "restore":
        return replace(wish, availability=node.labels.get(RETIRED) if node else None, drop=frozenset({RETIRED}))
    return wish


def _live(wish: Wish, nodes: Iterable[Node]) -> Node | None:
    """The node a wish is about, as far as that is certain yet."""
    return min(_called(wish.name, nodes), key=lambda node: node.status != "ready", default=None)


def plan(wishes: Sequence[Wish], nodes: Sequence[Node], this_node: str, rules: Rules) -> list[Step]:
    """The steps to what is wanted, in an order that never has fewer reachable managers than needed.

    this_node is the ID of the manager that carries the plan out. Verbs: update, demote, promote, remove. Each step's
    payload has "id", and for update "set": {"Availability", "Labels"} and "drop": [label].
    Raises Refused, naming the node and the way out, before anything is planned by halves.
    """
    targets = _resolve(wishes, nodes)
    dead = [twin for wish, node in targets if rules.dead_twins == "remove" for twin in twins(node, nodes)]
    absent = [node for wish, node in targets if wish.state == "absent"]
    gone = list({node.id: node for node in dead + absent}.values())
    updates, promoted, demoted = [], [], []
    for wish, node in targets:
        if wish.state == "absent":
            continue
        inherited = twins(node, nodes) if rules.dead_twins == "remove" else []
        updates += _update(wish, node, _wanted_labels(wish, node, inherited, rules))
        if wish.role == "manager" and node.role != "manager":
            promoted.append(node)
        if wish.role == "worker" and node.role != "worker":
            demoted.append(node)
    for node in gone:
        if node.status in ("ready", "unknown"):
            raise Refused(
                f"{node.name} ({node.id}) is {node.status}, not down, and must not be removed from under its engine: "
                "let it leave first (swarm_member with state absent, on that node), then remove it here."
            )
    drains_last = sorted(updates, key=lambda step: step.payload["set"].get("Availability") == "drain")
    return drains_last + _managers_and_removals(nodes, gone, promoted, demoted, this_node)


def check_manager(swarm: Swarm) -> None:
    """Refuse to plan where the nodes cannot be seen: off the managers, or while these have no leader."""
    if swarm.state == "inactive":
        raise Refused(f"{swarm.node_name} is in no swarm: run this on a manager of the swarm that is meant.")
    check_health(swarm)
    if not swarm.manager:
        managers = ", ".join(swarm.remote_managers)
        raise Refused(f"{swarm.node_name} is a worker: run this on a manager of its swarm ({managers}).")


def settled(wishes: Iterable[Wish], swarm: Swarm) -> bool:
    """Whether nothing is on its way: an election, a change of role, or a silent node about to be declared down.

    Such a node is one that shall go and seems up, one of several of a name that seem up after a machine was rebuilt, or
    one that a new leader has not heard of yet, and so calls unknown.
    """
    if swarm.leaderless or any(_between_roles(node) for node in swarm.nodes):
        return False
    for wish in wishes:
        found = [node.status for node in swarm.nodes if wish.name in (node.name, node.id)]
        if "unknown" in found or found.count("ready") > (0 if wish.state == "absent" else 1):
            return False
    return True


def unfinished(wishes: Iterable[Wish], nodes: Iterable[Node]) -> list[Node]:
    """Nodes that an earlier run has given the role that is wanted, and that do not act on it yet."""
    wanted = {(wish.name, wish.role) for wish in wishes}
    return [node for node in nodes if wanted & {(node.name, node.role), (node.id, node.role)} and _between_roles(node)]


def to_be_drained(wishes: Iterable[Wish], nodes: Iterable[Node]) -> list[Node]:
    """The live nodes that shall be drained; a dead one can neither stop its tasks nor lose them to others."""
    names = {wish.name for wish in wishes if wish.availability == "drain"}
    return [node for node in nodes if names & {node.name, node.id} and node.status == "ready"]


def _between_roles(node: Node) -> bool:
    """Whether the node has been promoted or demoted and does not act on it yet."""
    return node.votes if node.role == "worker" else node.status == "ready" and not node.votes


def changed_spec(step: Step, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a node as a step of the verb update leaves it."""
    wanted = dict(step.payload["set"])
    labels = {**(spec.get("Labels") or {}), **wanted.pop("Labels", {})}
    return {
        **spec,
        **wanted,
        "Labels": {key: value for key, value in labels.items() if key not in step.payload["drop"]},
    }


def awaited(wish: Wish) -> Step:
    """What is planned for a node that is not in the swarm yet."""
    after = {
        field: value
        for field, value in (("role", wish.role), ("availability", wish.availability), ("labels", wish.labels))
        if value is not None
    }
    return Step("update", "node", wish.name, None, after, "once it has joined")


def unknown(wishes: Iterable[Wish], nodes: Iterable[Node]) -> list[Wish]:
    """The nodes that should be there and are not."""
    names = {name for node in nodes for name in (node.name, node.id)}
    return [wish for wish in wishes if wish.state == "present" and wish.name not in names]


def remarks(wishes: Sequence[Wish], nodes: Sequence[Node], rules: Rules) -> list[str]:
    """Dead twins that are kept, and data that went with those that are not, to be told as warnings."""
    names = {wish.name for wish in wishes if wish.state == "present"}
    if rules.dead_twins == "remove":
        return [
            f"{node.name} was rebuilt, and its dead twin ({twin.id}) has the label {key}={twin.labels[key]}: data was "
            f"on its disk. The label goes over as {key}={LOST}, so that nothing takes the new disk for the old one."
            for node in nodes
            if names & {node.name, node.id}
            for twin in twins(node, nodes)
            for key in sorted(rules.data_labels & twin.labels.keys())
            if key not in node.labels
        ]
    return [
        f"{node.name} has a dead twin ({twin.id}): set dead_twins to remove to clear it away and keep its labels."
        for node in nodes
        if names & {node.name, node.id}
        for twin in twins(node, nodes)
    ]


def twins(node: Node, nodes: Iterable[Node]) -> list[Node]:
    """Dead entries that carry the name of a live node: what a rebuilt machine leaves behind."""
    if node.status != "ready":
        return []
    return [other for other in nodes if other.name == node.name and other.id != node.id and other.status == "down"]


def _resolve(wishes: Sequence[Wish], nodes: Sequence[Node]) -> list[tuple[Wish, Node]]:
    """Each wish with the node it means; an absent name that several dead nodes carry means all of them."""
    missing = unknown(wishes, nodes)
    if missing:
        raise Refused(_no_such_node((wish.name for wish in missing), nodes))
    targets: list[tuple[Wish, Node]] = []
    for wish in wishes:
        for node in _meant(wish, nodes):
            if any(node.id == other.id for _wish, other in targets):
                raise Refused(f"The setting nodes names {node.name} ({node.id}) twice.")
            targets.append((wish, node))
    return targets


def _meant(wish: Wish, nodes: Sequence[Node]) -> list[Node]:
    """The nodes a wish is about: the live one of its name, or all where they shall go and none is alive."""
    found = _called(wish.name, nodes)
    if wish.state == "absent" and all(node.status != "ready" for node in found):
        return found
    return [named(wish.name, nodes)]


def named(name: str, nodes: Sequence[Node]) -> Node:
    """The node with the name or ID; of several with the name, the only one that is up. Raises Refused."""
    found = _called(name, nodes)
    live = [node for node in found if node.status == "ready"]
    if not found:
        raise Refused(_no_such_node([name], nodes))
    if len(found) == 1:
        return found[0]
    if len(live) == 1:
        return live[0]
    listed = "; ".join(f"{node.id} at {node.address or 'an unknown address'}, {node.status}" for node in found)
    raise Refused(
        f"{len(found)} nodes are called {name} and {len(live)} of them are up ({listed}): which one is meant? "
        "Write the ID in place of the name, or give the machines different host names."
    )


def _called(name: str, nodes: Iterable[Node]) -> list[Node]:
    return [node for node in nodes if name in (node.name, node.id)]


def _no_such_node(names: Iterable[str], nodes: Iterable[Node]) -> str:
    known = ", ".join(sorted(node.name for node in nodes))
    return f"No node of this swarm is called {', '.join(names)}. Known nodes: {known}."


def _wanted_labels(wish: Wish, node: Node, dead: Sequence[Node], rules: Rules) -> dict[str, str]:
    """All labels the node shall carry; a dead twin's labels go over to the live node unless it has its own."""
    if rules.labels_mode == "exact" and wish.labels is not None:
        return dict(wish.labels)
    inherited = {
        key: LOST if key in rules.data_labels else value for twin in dead for key, value in twin.labels.items()
    }
    labels = {**inherited, **node.labels, **(wish.labels or {})}
    return {key: value for key, value in labels.items() if key not in wish.drop}


def _update(wish: Wish, node: Node, labels: Mapping[str, str]) -> list[Step]:
    """One step for labels and availability together, or none."""
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    payload: dict[str, Any] = {"id": node.id, "set": {}, "drop": sorted(set(node.labels) - set(labels))}
    notes = []
    if labels != dict(node.labels):
        before["labels"], after["labels"] = dict(node.labels), dict(labels)
        payload["set"]["Labels"] = {key: value for key, value in labels.items() if node.labels.get(key) != value}
        changed = sorted(payload["set"]["Labels"])
        notes.append(
            "labels " + ", ".join([f"{key}={labels[key]}" for key in changed] + [f"-{key}" for key in payload["drop"]])
        )
    if wish.availability not in (None, node.availability):
        before["availability"], after["availability"] = node.availability, wish.availability
        payload["set"]["Availability"] = wish.availability
        notes.append(f"availability {wish.availability}")
    if not after:
        return []
    return [Step("update", "node", node.name, before, after, "; ".join(notes), payload)]


def _managers_and_removals(
    nodes: Sequence[Node], gone: Sequence[Node], promoted: Sequence[Node], demoted: Sequence[Node], this_node: str
) -> list[Step]:
    """Dead managers first, since that only widens the margin; then new ones, then those that step down.

    The leader is the last of them, so that there is one election and not one for each. Every change is checked
    against the managers as the changes before it will have left them.
    """
    managers = {node.id: node for node in nodes}
    # One that is called a manager and has no vote, as after a recovery, is no member of Raft to be demoted.
    leaving = [node for node in gone if node.votes]
    dying = leaving + [node for node in demoted if not node.reachable]
    steps = [_demotion(managers, node, this_node) for node in dying]
    steps += [
        Step("remove", "node", node.name, node.report(), None, f"{node.status}, {node.id}", {"id": node.id})
        for node in gone
    ]
    for node in promoted:
        _quorum.check_promotion(node)
        managers[node.id] = replace(node, role="manager", reachability="reachable")
        note = _quorum.spare(sum(other.votes for other in managers.values()))
        steps.append(Step("promote", "node", node.name, {"role": "worker"}, {"role": "manager"}, note, {"id": node.id}))
    stepping_down = sorted((node for node in demoted if node.reachable), key=lambda node: node.leader)
    return steps + [_demotion(managers, node, this_node) for node in stepping_down]


def _demotion(managers: dict[str, Node], node: Node, this_node: str) -> Step:
    """The step that demotes ``node``; ``managers`` is brought to what it leaves behind."""
    if node.id == this_node:
        raise Refused(
            f"{node.name} is the manager that carries out this task and cannot demote itself: run it on another one."
        )
    _quorum.check_demotion(managers.values(), node)
    managers[node.id] = replace(node, role="worker", reachability=None, leader=False)
    note = _quorum.spare(sum(other.votes for other in managers.values()))
    return Step("demote", "node", node.name, {"role": "manager"}, {"role": "worker"}, note, {"id": node.id})


def _label_text(key: str, value: Any) -> str:
    """A label's value as the engine stores it: text, with YAML's booleans in lower case."""
    if isinstance(value, (dict, list)):
        raise Refused(f"The value of the label {key} must be a single value, not a {type(value).__name__}.")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
