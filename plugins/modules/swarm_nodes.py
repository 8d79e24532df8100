#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""The nodes of a swarm: labels, availability, roles and removal."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_nodes
short_description: Converge the nodes of a Docker Swarm in one call
description:
  - Gives nodes their labels, availability and role, and removes dead ones. Runs on a manager, once for all nodes.
  - Whatever would leave the managers without a majority that can be reached is refused before anything is changed. What
    counts is how many managers are reachable, not how many there are.
  - Dead managers are demoted first, then nodes are promoted, then live managers demoted, one at a time. The next one
    follows only when the last change has taken effect.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: In check mode nodes that are not in the swarm yet are planned for, not refused.
  diff_mode:
    support: full
    description: Shows the fields of each node that change.
  idempotent:
    support: full
    description: Nodes that are as asked for are left as they are.
options:
  nodes:
    description: What is wanted, node by node. Nodes that are not named are left alone.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description:
          - The node's exact host name, or its ID.
          - Where several nodes have the name and one of them is up, that one is meant.
        type: str
        required: true
      role:
        description:
          - V(manager) promotes, V(worker) demotes. The role is left as it is if not set.
          - The manager that the module runs on cannot demote itself.
        type: str
        choices: [manager, worker]
      availability:
        description:
          - V(drain) waits until no task runs on the node any more. The availability is left as it is if not set.
        type: str
        choices: [active, pause, drain]
      labels:
        description: The node's labels. They are left as they are if not set. Booleans become V(true) and V(false).
        type: dict
      state:
        description:
          - V(absent) removes the node from the swarm, a manager after its demotion. It must be down. A node that is up
            leaves first, see M(triad.hetzner_swarm.swarm_member).
        type: str
        choices: [present, absent]
        default: present
  labels_mode:
    description: Whether labels that are not named stay (V(merge)) or go (V(exact)), on nodes that have C(labels) set.
    type: str
    choices: [merge, exact]
    default: merge
  dead_twins:
    description:
      - What happens to dead entries that have the name of a live node which O(nodes) names, as a rebuilt machine
        leaves behind.
      - V(remove) demotes and removes them, and gives their labels to the live node unless it has its own.
        V(keep) warns.
    type: str
    choices: [keep, remove]
    default: keep
  wait_timeout:
    description:
      - Seconds to wait for each change to take effect, a drain included, and before anything is planned for an election
        or a change of role that is under way to end.
    type: int
    default: 120
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_member
"""

EXAMPLES = r"""
- name: Tell services where the nodes are
  triad.hetzner_swarm.swarm_nodes:
    nodes:
      - {name: server-fsn-1, labels: {location: fsn}}
      - {name: server-fsn-2, labels: {location: fsn}}
      - {name: server-nbg-1, labels: {location: nbg}}

- name: Take a node out of service before its upgrade
  triad.hetzner_swarm.swarm_nodes:
    nodes:
      - name: server-nbg-1
        availability: drain

- name: Replace a dead manager
  triad.hetzner_swarm.swarm_nodes:
    nodes:
      - {name: server-fsn-2, state: absent}
      - {name: server-hel-1, role: manager}
"""

RETURN = r"""
nodes:
  description:
    - All nodes afterwards, in check mode the present ones.
    - For their fields see RV(triad.hetzner_swarm.swarm_info#module:swarm.nodes).
  returned: success
  type: list
  elements: dict
  sample:
    - {name: server-fsn-1, role: manager, availability: active, status: ready, labels: {location: fsn}}
plan:
  description: What was done, or in check mode would be done, one line a step.
  returned: success
  type: list
  elements: str
  sample: ['update node server-fsn-1 (labels location=fsn)', 'promote node server-hel-1 (3 managers, 1 may fail)']
done:
  description: The steps that the engine has taken before the error.
  returned: failure
  type: list
  elements: str
  sample: ['update node server-fsn-1 (labels location=fsn)']
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _engine_module, _nodes, _quorum, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ansible.module_utils.basic import AnsibleModule
    from docker import APIClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    "nodes": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "role": {"type": "str", "choices": ["manager", "worker"]},
            "availability": {"type": "str", "choices": ["active", "pause", "drain"]},
            "labels": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "labels_mode": {"type": "str", "choices": ["merge", "exact"], "default": "merge"},
    "dead_twins": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
    "wait_timeout": {"type": "int", "default": 120},
}

ENDED = frozenset({"complete", "shutdown", "failed", "rejected", "remove", "orphaned"})
"""States of a task that will not run again."""


class Cluster:
    """The swarm as it goes through a plan.

    swarm: what was read last. done: the steps the engine has taken, even where their effect does not show yet.
    """

    def __init__(self, api: APIClient, wait_timeout: float, done: list[Step]) -> None:
        self.api = api
        self.done = done
        self.wait_timeout = wait_timeout
        self.swarm = _swarm.read(api)

    def settle(self, wishes: Sequence[_nodes.Wish]) -> None:
        """Wait for what is already under way to end; for a silent node no longer than it takes to be declared down."""
        if not self.swarm.manager or _nodes.settled(wishes, self.swarm):
            return

        def look_again() -> bool:
            self.swarm = _swarm.read(self.api)
            return _nodes.settled(wishes, self.swarm)

        holds_within(min(self.wait_timeout, self.swarm.down_after), look_again)

    def node(self, step: Step) -> _swarm.Node:
        """The node of a step, as it was read last."""
        return next(node for node in self.swarm.nodes if node.id == step.payload["id"])

    def take(self, step: Step) -> None:
        """Carry one step out; what touches the managers is checked again on the present state and waited for."""
        {"update": self.update, "demote": self.demote, "promote": self.promote, "remove": self.remove}[step.verb](step)

    def update(self, step: Step) -> None:
        def change(spec: dict[str, Any]) -> dict[str, Any]:
            wanted = dict(step.payload["set"])
            labels = {**(spec.get("Labels") or {}), **wanted.pop("Labels", {})}
            return {**spec, **wanted, "Labels": {k: v for k, v in labels.items() if k not in step.payload["drop"]}}

        self.change(step, change)

    def demote(self, step: Step) -> None:
        self.read()
        _quorum.check_demotion(self.swarm.nodes, self.node(step))
        self.change(step, lambda spec: {**spec, "Role": "worker"})
        self.wait(
            step, lambda: not self.swarm.leaderless and not self.node(step).votes, "is still counted as a manager"
        )

    def promote(self, step: Step) -> None:
        self.read()
        _quorum.check_promotion(self.node(step))
        self.change(step, lambda spec: {**spec, "Role": "manager"})
        self.wait(step, lambda: not self.swarm.leaderless and self.node(step).reachable, "is no reachable manager")

    def remove(self, step: Step) -> None:
        with engine_errors(f"remove the node {step.name}"):
            self.api.remove_node(step.payload["id"])
        self.done.append(step)

    def change(self, step: Step, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        _swarm.change_node(self.api, self.node(step), change)
        self.done.append(step)

    def read(self) -> None:
        """Read again, refusing a swarm that has lost its leader meanwhile."""
        self.swarm = _swarm.read(self.api)
        _nodes.check_manager(self.swarm)

    def wait(self, step: Step, condition: Callable[[], bool], otherwise: str) -> None:
        """Wait until the condition holds on what is read anew."""

        def look_again() -> bool:
            self.swarm = _swarm.read(self.api)
            return condition()

        if not holds_within(self.wait_timeout, look_again):
            raise EngineError(
                f"{step.name} {otherwise} {self.wait_timeout:g} s after the change ({step.verb}); nothing further was "
                "done. Check that port 2377/tcp is open between the managers, then run this again."
            )

    def await_drained(self, wishes: Sequence[_nodes.Wish]) -> None:
        """Wait until no task is left on live nodes that shall be drained; a dead node cannot stop its tasks."""
        names = {wish.name for wish in wishes if wish.availability == "drain"}
        drained = [n for n in self.swarm.nodes if names & {n.name, n.id} and n.status == "ready"]
        left: list[str] = []

        def empty() -> bool:
            left[:] = [task for node in drained for task in self.tasks(node)]
            return not left

        if drained and not holds_within(self.wait_timeout, empty):
            raise EngineError(
                f"Tasks still run on nodes that are drained, after {self.wait_timeout:g} s: {', '.join(left)}. Their "
                "services may take longer to stop (stop_grace_period); raise wait_timeout or run this again."
            )

    def tasks(self, node: _swarm.Node) -> list[str]:
        """Tasks on a node that have not ended, for people."""
        with engine_errors(f"list the tasks on {node.name}"):
            items = self.api.tasks(filters={"node": node.id})
        return [
            f"{item['ID']} on {node.name} ({item['Status']['State']})"
            for item in items
            if item["Status"]["State"] not in ENDED
        ]


def converge(module: AnsibleModule, done: list[Step]) -> dict[str, Any]:
    """The return values; ``done`` grows by each step taken, for a failure to tell how far it came."""
    wishes = [_nodes.Wish.from_option(option) for option in module.params["nodes"]]
    rules = _nodes.Rules(module.params["labels_mode"], module.params["dead_twins"])
    cluster = Cluster(connect(module.params), module.params["wait_timeout"], done)
    cluster.settle(wishes)
    steps = (plan_for_check if module.check_mode else plan)(wishes, cluster.swarm, rules)
    for warning in _nodes.remarks(wishes, cluster.swarm.nodes, rules):
        module.warn(warning)
    if not module.check_mode:
        updates = [step for step in steps if step.verb == "update"]
        for step in updates:
            cluster.take(step)
        cluster.await_drained(wishes)
        for step in steps[len(updates) :]:
            cluster.take(step)
        if steps:
            cluster.read()
    nodes = [node.report() for node in cluster.swarm.nodes]
    return {"changed": bool(steps), "plan": summary(steps), "diff": diff(steps), "nodes": nodes}


def plan(wishes: Sequence[_nodes.Wish], swarm: _swarm.Swarm, rules: _nodes.Rules) -> list[Step]:
    _nodes.check_manager(swarm)
    return _nodes.plan(wishes, swarm.nodes, swarm.node_id, rules)


def plan_for_check(wishes: Sequence[_nodes.Wish], swarm: _swarm.Swarm, rules: _nodes.Rules) -> list[Step]:
    """A dry run before the swarm, or some of its nodes, exist: those are planned for as if they had joined."""
    awaited = _nodes.unknown(wishes, swarm.nodes)
    if swarm.state == "inactive":
        return [_nodes.awaited(wish) for wish in awaited]
    known = [wish for wish in wishes if wish not in awaited]
    return plan(known, swarm, rules) + [_nodes.awaited(wish) for wish in awaited]


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
