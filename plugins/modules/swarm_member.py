#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""This engine's own membership of a swarm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_member
short_description: Converge an engine's own membership of a Docker Swarm
description:
  - Brings the Docker Engine of this node into a swarm, by joining one or, where that is asked for, by creating one.
    Or takes it out of its swarm.
  - Unlocks a manager that is locked since its engine restarted, and rebuilds a swarm from a manager that is left, where
    it is asked to.
  - A node that belongs to another cluster is refused and left alone. An engine that cannot be asked is an error.
    Neither is ever taken for a node without a swarm.
  - Returns when the node takes part in the swarm, for a manager when the other managers reach it.
  - A manager leaves only where the remaining managers keep their quorum, and hands in its vote before it goes.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: In check mode O(join_token) may be missing, since the swarm that gives it may not exist yet.
  diff_mode:
    support: full
    description: Shows the membership before and after. Tokens are never shown.
  idempotent:
    support: full
    description: A member of the swarm that is asked for is left as it is.
options:
  state:
    description:
      - V(present) makes the engine a member, V(absent) lets it leave.
      - A node that has left stays in the managers' list until M(triad.hetzner_swarm.swarm_nodes) removes it.
    type: str
    choices: [present, absent]
    default: present
  role:
    description:
      - The role that the node joins with. O(join_token) must be the token of this role.
      - A member of the other role is refused, since M(triad.hetzner_swarm.swarm_nodes) changes roles.
    type: str
    choices: [manager, worker]
    default: worker
  initialize:
    description:
      - Whether a new swarm may be created. This happens only if the engine is in no swarm, O(remote_addrs) names no
        other node and O(cluster_id) is not set.
      - Look for an existing swarm on all managers first. An inventory whose first manager was replaced still has one.
    type: bool
    default: false
  remote_addrs:
    description:
      - Managers of the swarm to join, as C(host) or C(host:port). This node's own O(advertise_addr) is passed over.
    type: list
    elements: str
    default: []
  join_token:
    description: The token of the swarm to join, for O(role).
    type: str
  unlock_key:
    description:
      - The key that unlocks the engine if it is locked, as a manager is whose engine has restarted while the swarm has
        O(triad.hetzner_swarm.swarm_settings#module:autolock) on. What else is asked for follows in the same call.
      - A manager that is not locked tells it, see O(triad.hetzner_swarm.swarm_info#module:include_unlock_key).
      - Where all managers are locked, unlock them side by side, since the first ones wait for a majority.
    type: str
  cluster_id:
    description:
      - ID of the cluster that the node shall be in. A member of another cluster is refused.
      - A worker whose cluster cannot be told is compared by O(remote_addrs), where these are IP addresses.
    type: str
  advertise_addr:
    description:
      - Address, or interface, that the other nodes reach this one at. An address is what works in every case.
      - A member that advertises another address is refused, since it would have to leave and join again.
    type: str
  listen_addr:
    description: Address and port that a manager listens on.
    type: str
    default: 0.0.0.0:2377
  data_path_addr:
    description: Address, or interface, for the traffic of overlay networks, by default that of O(advertise_addr).
    type: str
  default_addr_pool:
    description:
      - Pools, in CIDR notation, that a new swarm takes the subnets of its networks from.
      - Docker's default is V(10.0.0.0/8), which overlaps many private networks.
      - It is fixed when the swarm is created. On a manager of a swarm with other pools the module warns.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Prefix length of the subnets that a new swarm takes from O(default_addr_pool).
    type: int
  force:
    description:
      - With O(state=absent) lets the node leave even if the swarm ends with it or loses its quorum, or the engine
        cannot take part in the swarm.
      - The managers that are left still count this one. Remove it there with M(triad.hetzner_swarm.swarm_nodes).
    type: bool
    default: false
  force_new_cluster:
    description:
      - Whether the swarm is rebuilt from this manager's own copy of it if the managers have no leader throughout
        O(wait_timeout). The node is the only manager then. Services, networks, secrets and the cluster's ID stay.
      - For a swarm that has lost the majority of its managers for good. Managers that still run, out of this node's
        reach, would go on as a second swarm with the same ID, so switch them off first. They must leave before they
        join again.
      - Where the managers have a leader nothing is done. A worker, or an engine without a swarm, is refused.
      - O(advertise_addr) must be the address that the node has in the swarm. Give O(listen_addr) and
        O(data_path_addr) as they were when it joined.
      - Docker cannot rebuild a swarm that has O(triad.hetzner_swarm.swarm_settings#module:autolock) on, which is
        refused where the module can read the node's key.
      - If the root certificate was ever rotated, the engine rotates it once more, which ends when the dead nodes have
        been removed.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait for the node to take part in the swarm, or to step down, and for an election to end.
      - At least 30 with O(force_new_cluster), so that no election is mistaken for a loss.
    type: int
    default: 120
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_nodes
  - module: triad.hetzner_swarm.swarm_settings
"""

EXAMPLES = r"""
- name: Create the swarm on the first manager
  triad.hetzner_swarm.swarm_member:
    role: manager
    initialize: true
    advertise_addr: 10.0.0.2
    default_addr_pool: [10.128.0.0/10]
    subnet_size: 24

- name: Join as a manager
  triad.hetzner_swarm.swarm_member:
    role: manager
    advertise_addr: 10.0.0.3
    remote_addrs: ['10.0.0.2:2377']
    join_token: "{{ first.swarm.join_tokens.manager }}"
    cluster_id: "{{ first.swarm.cluster_id }}"

- name: Unlock a manager after the restart of its engine
  triad.hetzner_swarm.swarm_member:
    role: manager
    unlock_key: "{{ swarm_unlock_key }}"

- name: Rebuild the swarm from the one manager that is left
  triad.hetzner_swarm.swarm_member:
    role: manager
    force_new_cluster: true
    advertise_addr: 10.0.0.2

- name: Leave
  triad.hetzner_swarm.swarm_member:
    state: absent
"""

RETURN = r"""
member:
  description:
    - The membership afterwards, in check mode the present one.
    - For its fields see RV(triad.hetzner_swarm.swarm_info#module:swarm).
  returned: success
  type: dict
  sample: {state: active, role: manager, node_address: 10.0.0.3}
plan:
  description: What was done, or in check mode would be done, one line a step.
  returned: success
  type: list
  elements: str
  sample: ['join swarm r7fmj8b1kvktsrsfjlsqq1q4y (as manager, through 10.0.0.2:2377)']
done:
  description: The steps that the engine has taken before the error.
  returned: failure
  type: list
  elements: str
  sample: []
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _engine_module, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._membership import (
    Wanted,
    check_joined,
    check_recovered,
    plan,
    remarks,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from collections.abc import Callable

    from ansible.module_utils.basic import AnsibleModule
    from docker import APIClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "role": {"type": "str", "choices": ["manager", "worker"], "default": "worker"},
    "initialize": {"type": "bool", "default": False},
    "remote_addrs": {"type": "list", "elements": "str", "default": []},
    "join_token": {"type": "str", "no_log": True},
    "unlock_key": {"type": "str", "no_log": True},
    "cluster_id": {"type": "str"},
    "advertise_addr": {"type": "str"},
    "listen_addr": {"type": "str", "default": "0.0.0.0:2377"},
    "data_path_addr": {"type": "str"},
    "default_addr_pool": {"type": "list", "elements": "str", "default": []},
    "subnet_size": {"type": "int"},
    "force": {"type": "bool", "default": False},
    "force_new_cluster": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
}

ROLE_SHOWS_WITHIN = 10
"""Seconds after which the role of a node that has joined is what its token made it."""


class Member:
    """The engine as it goes through a plan.

    swarm: what was read last. done: the steps the engine has taken, even where their effect does not show yet.
    """

    def __init__(self, api: APIClient, wanted: Wanted, done: list[Step]) -> None:
        self.api = api
        self.done = done
        self.wanted = wanted
        self.wait_timeout = wanted.wait_timeout
        self.swarm = _swarm.read(api)

    def wait(self, condition: Callable[[_swarm.Swarm], bool], seconds: float | None = None) -> bool:
        """Whether the condition comes to hold within the time limit; reads again only where it does not yet."""

        def look_again() -> bool:
            self.swarm = _swarm.read(self.api)
            return condition(self.swarm)

        return condition(self.swarm) or holds_within(self.wait_timeout if seconds is None else seconds, look_again)

    def plan(self) -> list[Step]:
        return plan(self.wanted, self.swarm, self.wanted.force_new_cluster and self.encrypted())

    def encrypted(self) -> bool:
        """Whether the node's own key on disk is, as autolock leaves it; False where the module cannot read it."""
        root = _swarm.read_info(self.api).get("DockerRootDir", "/var/lib/docker")
        try:
            lines = Path(root, "swarm/certificates/swarm-node.key").read_text(encoding="ascii").splitlines()
        except (OSError, ValueError):
            return False
        return any(line.startswith(("-----BEGIN ENCRYPTED", "Proc-Type:")) for line in lines)

    def take(self, step: Step) -> None:
        """Carry one step out and wait until it shows."""
        {
            "initialise": self.initialise,
            "join": self.join,
            "demote": self.demote,
            "leave": self.leave,
            "unlock": self.unlock,
            "recover": self.recover,
        }[step.verb](step)

    def initialise(self, step: Step) -> None:
        with engine_errors(f"initialise a swarm on {self.swarm.node_name}"):
            self.api.init_swarm(
                advertise_addr=self.wanted.advertise_addr,
                listen_addr=self.wanted.listen_addr,
                data_path_addr=self.wanted.data_path_addr,
                default_addr_pool=list(self.wanted.default_addr_pool) or None,
                subnet_size=self.wanted.subnet_size,
            )
        self.done.append(step)
        self.await_part()

    def join(self, step: Step) -> None:
        if not self.wanted.join_token:
            raise Refused(
                f"join_token is missing: set it to the {self.wanted.role}s' token of the swarm, as swarm_info with "
                "include_join_tokens returns it on a manager."
            )
        try:
            with engine_errors(f"join the swarm of {', '.join(self.wanted.other_managers)}"):
                self.api.join_swarm(
                    remote_addrs=list(self.wanted.other_managers),
                    join_token=self.wanted.join_token,
                    advertise_addr=self.wanted.advertise_addr,
                    listen_addr=self.wanted.listen_addr,
                    data_path_addr=self.wanted.data_path_addr,
                )
        except EngineError as error:
            # The engine answers after 20 s at the latest and goes on joining.
            if "continue in the background" not in error.reason:
                raise
        self.done.append(step)
        self.await_part()

    def await_part(self) -> None:
        """Wait until the node takes part; its role shows a moment after it is active."""
        if self.wait(lambda swarm: swarm.state == "active"):
            self.wait(lambda swarm: swarm.role == self.wanted.role, ROLE_SHOWS_WITHIN)
            check_joined(self.wanted, self.swarm)
        if not self.wait(takes_part):
            raise EngineError(
                f"{self.swarm.node_name} does not take part in the swarm {self.wait_timeout:g} s after it began to "
                f"join; its state is {self.swarm.state}, and the engine says: {self.swarm.error or 'nothing'}. Check "
                "that ports 2377/tcp and 7946/tcp+udp are open between the nodes; run this again to go on waiting."
            )

    def demote(self, step: Step) -> None:
        _swarm.change_node(self.api, self.swarm.this_node, lambda spec: {**spec, "Role": "worker"})
        self.done.append(step)
        if not self.wait(lambda swarm: swarm.role == "worker"):
            raise EngineError(
                f"{self.swarm.node_name} is still a manager {self.wait_timeout:g} s after it was demoted and has not "
                "left; run this again."
            )

    def leave(self, step: Step) -> None:
        with engine_errors(f"leave the swarm on {self.swarm.node_name}"):
            self.api.leave_swarm(force=step.payload["force"])
        self.done.append(step)
        self.swarm = _swarm.read(self.api)

    def unlock(self, step: Step) -> None:
        name = self.swarm.node_name
        try:
            with engine_errors(f"unlock the swarm on {name}"):
                self.api.unlock_swarm(step.payload["key"])
        except EngineError as error:
            if "invalid key" in error.reason:
                raise Refused(
                    f"unlock_key does not unlock the swarm on {name}, and nothing was changed. If the key was rotated "
                    "shortly before this engine stopped, it may need the one before; else take the one that a manager "
                    "tells that is not locked (swarm_info with include_unlock_key)."
                ) from error
            # An engine whose key fits answers only once it sees a leader, for which others may have to be unlocked too.
            if error.status is not None or _swarm.read(self.api).state == "locked":
                raise
        self.done.append(step)
        if not self.wait(lambda swarm: swarm.state == "active"):
            raise EngineError(
                f"{name} is unlocked, but {self.wait_timeout:g} s later its state is {self.swarm.state}, and the "
                f"engine says: {self.swarm.error or 'nothing'}. It waits for a majority of the managers: unlock the "
                "others as well, then run this again."
            )
        self.wait(lambda swarm: swarm.role == "manager", ROLE_SHOWS_WITHIN)
        self.wait(lambda swarm: not swarm.leaderless)

    def recover(self, step: Step) -> None:
        name, cluster_id = self.swarm.node_name, self.wanted.cluster_id or self.swarm.cluster_id
        try:
            with engine_errors(f"rebuild the swarm from {name}"):
                self.api.init_swarm(
                    force_new_cluster=True,
                    advertise_addr=self.wanted.advertise_addr,
                    listen_addr=self.wanted.listen_addr,
                    data_path_addr=self.wanted.data_path_addr,
                )
        except EngineError as error:
            raise EngineError(
                f"{error} What {name} holds of the swarm is still on its disk: restart its engine, whatever state it "
                "reports now, then run this again."
            ) from error
        self.done.append(step)
        if not self.wait(lambda swarm: takes_part(swarm) and swarm.role == "manager" and swarm.this_node.leader):
            raise EngineError(
                f"{name} does not lead a swarm {self.wait_timeout:g} s after it was rebuilt; its state is "
                f"{self.swarm.state}, and the engine says: {self.swarm.error or 'nothing'}. Run this again to go on "
                "waiting."
            )
        check_recovered(cluster_id, self.swarm)


def takes_part(swarm: _swarm.Swarm) -> bool:
    """Whether the engine is a full member: for a manager, its own peers say so."""
    if swarm.role != "manager":
        return swarm.role == "worker"
    return not swarm.leaderless and swarm.this_node.status == "ready" and swarm.this_node.reachable


def converge(module: AnsibleModule, done: list[Step]) -> dict[str, Any]:
    """The return values; ``done`` grows by each step taken, for a failure to tell how far it came."""
    wanted = Wanted.from_options(module.params)
    member = Member(connect(module.params), wanted, done)
    if wanted.state == "present":
        member.wait(lambda swarm: swarm.state != "pending" and not swarm.leaderless)
    steps = member.plan()
    if not module.check_mode:
        for step in steps:
            member.take(step)
            if step.verb == "unlock":
                # What a locked engine is a member of shows only now; the loop goes on with what follows from it.
                steps += member.plan()
    for warning in remarks(wanted, member.swarm):
        module.warn(warning)
    return {"changed": bool(steps), "plan": summary(steps), "diff": diff(steps), "member": member.swarm.report()}


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
