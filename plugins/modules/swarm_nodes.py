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
  - Dead managers are demoted first, then nodes are promoted, then live managers demoted, the leader last, one at a
    time. The next one follows only when the last change has taken effect and all managers that could be reached at the
    beginning can be again.
  - A drain is refused where a service could not go elsewhere, see O(when_stranded), and waited for until the services
    run elsewhere.
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
          - V(drain) waits until no task runs on the node any more and the replicated services that had tasks there run
            elsewhere as often as they shall. The availability is left as it is if not set.
          - V(retire) drains for a while, as for a restart, and notes in the label C(swarm.availability) what the node
            had before. V(restore) gives it back and takes the label away; a node without the label is left as it is.
            So whoever comes after an interrupted run knows what to do.
        type: str
        choices: [active, pause, drain, retire, restore]
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
  when_stranded:
    description:
      - What happens where a node shall be drained and a task on it has no other place, or would leave data behind.
      - V(refuse) changes nothing and names the services. V(stop) drains all the same. What no other node takes then
        stops until the node is active again, and is not waited for. What another node takes starts there, with an
        empty volume where its data was in a local one.
      - A task has another place where a node is ready, active and not drained in this call, satisfies the placement
        constraints, is of the image's platform, has room for the reservations, fewer tasks of the service than
        C(max_replicas_per_node), and none with the same host-mode port. The tasks of global services stop with their
        node.
      - Data is what a task mounts from its node's disk, a directory or a named volume of the driver C(local), read-only
        or not, but for the engine's socket and the like. Whether a volume of the same name on another node holds the
        same cannot be known, so a service with replicas on several nodes, each with such a volume, counts as well.
        Volumes of other drivers, and those of the driver C(local) that mount NFS, CIFS or another network file system,
        go along.
    type: str
    choices: [refuse, stop]
    default: refuse
  data_labels:
    description:
      - Labels that say that data is on the node's disk. With O(dead_twins=remove) they go over with the value V(lost),
        and a warning, because the disk of a rebuilt machine is another one. So no service that needs the data is
        started beside an empty disk.
    type: list
    elements: str
    default: []
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

- name: Restart the only server that a service is allowed to run on
  triad.hetzner_swarm.swarm_nodes:
    nodes:
      - name: server-nbg-1
        availability: drain
    when_stranded: stop

- name: Take a node out of service for its reboot
  triad.hetzner_swarm.swarm_nodes:
    nodes: [{name: server-nbg-1, availability: retire}]
    when_stranded: stop

- name: Give it back what it had
  triad.hetzner_swarm.swarm_nodes:
    nodes: [{name: server-nbg-1, availability: restore}]

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
stranded:
  description:
    - Tasks on the nodes to be drained that have no other place or leave data behind, see O(when_stranded), and tasks
      that have no place already.
  returned: success
  type: list
  elements: str
  sample: ['app_db on server-nbg-1: its data (volume app_db-data) would stay behind']
done:
  description: The steps that the engine has taken before the error.
  returned: failure
  type: list
  elements: str
  sample: ['update node server-fsn-1 (labels location=fsn)']
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import (
    _engine_module,
    _nodes,
    _quorum,
    _swarm,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._drain_apply import Drain
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
            "availability": {"type": "str", "choices": ["active", "pause", "drain", "retire", "restore"]},
            "labels": {"type": "dict"},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "labels_mode": {"type": "str", "choices": ["merge", "exact"], "default": "merge"},
    "dead_twins": {"type": "str", "choices": ["keep", "remove"], "default": "keep"},
    "data_labels": {"type": "list", "elements": "str", "default": []},
    "when_stranded": {"type": "str", "choices": ["refuse", "stop"], "default": "refuse"},
    "wait_timeout": {"type": "int", "default": 120},
}


class Cluster:
    """The swarm as it goes through a plan.

    swarm: what was read last. done: the steps the engine has taken, even where their effect does not show yet.
    counted_on: the IDs of the managers that could be reached so far.
    """

    def __init__(self, api: APIClient, wait_timeout: float, done: list[Step]) -> None:
        self.api = api
        self.done = done
        self.wait_timeout = wait_timeout
        self.swarm = _swarm.read(api)
        self.counted_on: set[str] = set()

    def settle(self, wishes: Sequence[_nodes.Wish]) -> None:
        """Wait for what is already under way to end; for a silent node no longer than it takes to be declared down."""

        def look_again() -> bool:
            self.swarm = _swarm.read(self.api)
            return _nodes.settled(wishes, self.swarm)

        if self.swarm.manager and not _nodes.settled(wishes, self.swarm):
            holds_within(min(self.wait_timeout, self.swarm.down_after), look_again)
        self.counted_on = {node.id for node in self.swarm.nodes if node.reachable}

    def node(self, node_id: str) -> _swarm.Node:
        """A node as it was read last."""
        return next(node for node in self.swarm.nodes if node.id == node_id)

    def take(self, step: Step) -> None:
        """Carry one step out; what touches the managers is checked again on the present state and waited for."""
        {"update": self.update, "demote": self.demote, "promote": self.promote, "remove": self.remove}[step.verb](step)

    def update(self, step: Step) -> None:
        self.change(step, lambda spec: _nodes.changed_spec(step, spec))

    def demote(self, step: Step) -> None:
        lost = self.await_managers(step)
        _quorum.check_demotion(self.swarm.nodes, self.node(step.payload["id"]))
        self.change_role(step, "worker", lost)

    def promote(self, step: Step) -> None:
        lost = self.await_managers(step)
        _quorum.check_promotion(self.node(step.payload["id"]))
        self.change_role(step, "manager", lost)
        self.counted_on.add(step.payload["id"])

    def remove(self, step: Step) -> None:
        with engine_errors(f"remove the node {step.name}"):
            self.api.remove_node(step.payload["id"])
        self.done.append(step)

    def change(self, step: Step, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        _swarm.change_node(self.api, self.node(step.payload["id"]), change)
        self.done.append(step)

    def change_role(self, step: Step, role: str, lost: Sequence[str]) -> None:
        """Give a node its role and wait until it acts on it, unless managers have been lost since the beginning."""
        if lost:
            raise EngineError(
                f"{', '.join(lost)} could be reached as a manager when this began, and cannot for "
                f"{self.wait_timeout:g} s: {step.name} is left as it is ({step.verb}). Bring those back, then run this "
                "again."
            )
        self.change(step, lambda spec: {**spec, "Role": role})
        self.await_role(self.node(step.payload["id"]), role)

    def await_managers(self, step: Step) -> list[str]:
        """Wait for a leader and for all managers that are counted on, but for the step's own; those that stay away."""
        lost: list[str] = []

        def whole() -> bool:
            self.swarm = _swarm.read(self.api)
            lost[:] = [
                node.name
                for node in self.swarm.nodes
                if node.id in self.counted_on - {step.payload["id"]} and node.votes and not node.reachable
            ]
            return not lost and not self.swarm.leaderless

        holds_within(self.wait_timeout, whole)
        _nodes.check_manager(self.swarm)
        return lost

    def await_role(self, node: _swarm.Node, role: str) -> None:
        """Wait until a node acts on the role it was given."""

        def acts() -> bool:
            self.swarm = _swarm.read(self.api)
            if self.swarm.leaderless:
                return False
            now = self.node(node.id)
            return now.reachable and now.status == "ready" if role == "manager" else not now.votes

        if not holds_within(self.wait_timeout, acts):
            otherwise = "is no reachable manager" if role == "manager" else "is still counted as a manager"
            raise EngineError(
                f"{node.name} {otherwise} after {self.wait_timeout:g} s, although it has been given the role {role}; "
                "nothing further was done. Check that port 2377/tcp is open between the managers, then run this again."
            )

    def read(self) -> None:
        """Read again, refusing a swarm that has lost its leader meanwhile."""
        self.swarm = _swarm.read(self.api)
        _nodes.check_manager(self.swarm)


def converge(module: AnsibleModule, done: list[Step]) -> dict[str, Any]:
    """The return values; ``done`` grows by each step taken, for a failure to tell how far it came."""
    asked = [_nodes.Wish.from_option(option) for option in module.params["nodes"]]
    params = module.params
    rules = _nodes.Rules(params["labels_mode"], params["dead_twins"], frozenset(params["data_labels"]))
    cluster = Cluster(connect(module.params), module.params["wait_timeout"], done)
    cluster.settle(asked)
    wishes = _nodes.resolved(asked, cluster.swarm.nodes)
    steps = (plan_for_check if module.check_mode else plan)(wishes, cluster.swarm, rules)
    drain = Drain(cluster.api, _nodes.to_be_drained(wishes, cluster.swarm.nodes), steps)
    if module.params["when_stranded"] == "refuse":
        drain.check()
    for warning in _nodes.remarks(wishes, cluster.swarm.nodes, rules):
        module.warn(warning)
    if not module.check_mode:
        carry_out(cluster, wishes, steps, drain)
    return {
        "changed": bool(steps),
        "plan": summary(steps),
        "diff": diff(steps),
        "nodes": [node.report() for node in cluster.swarm.nodes],
        "stranded": [one.words for one in drain.forecast.stranded],
    }


def carry_out(cluster: Cluster, wishes: Sequence[_nodes.Wish], steps: Sequence[Step], drain: Drain) -> None:
    """Take the steps, and wait also for what an earlier run has left under way."""
    updates = [step for step in steps if step.verb == "update"]
    for step in updates:
        cluster.take(step)
    drain.await_end(cluster.wait_timeout)
    for node in _nodes.unfinished(wishes, cluster.swarm.nodes):
        cluster.await_role(node, node.role)
    for step in steps[len(updates) :]:
        cluster.take(step)
    if steps:
        cluster.read()


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
