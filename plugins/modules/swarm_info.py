#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""Facts about this engine's membership of a swarm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_info
short_description: Report what an engine knows of its Docker Swarm
description:
  - Reports the membership of the Docker Engine of this node, its cluster and, on a manager, the quorum and all nodes.
  - An engine that cannot be asked is an error. It is never reported as an engine without a swarm.
  - Also reports which of the kernel features that a swarm may need this node has.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: The module changes nothing.
  diff_mode:
    support: none
    description: The module changes nothing.
  idempotent:
    support: full
    description: The module changes nothing.
options:
  include_join_tokens:
    description:
      - Whether to return the join tokens too. Only a manager knows them.
      - Whoever holds a token can join the swarm, so give the task C(no_log=true).
    type: bool
    default: false
seealso:
  - module: triad.hetzner_swarm.swarm_member
  - module: triad.hetzner_swarm.swarm_nodes
"""

EXAMPLES = r"""
- name: See which swarm this node belongs to
  triad.hetzner_swarm.swarm_info:
  register: info

- name: Three managers, one of them may fail
  ansible.builtin.assert:
    that: info.swarm.managers.reachable > info.swarm.managers.quorum

- name: Read the tokens for those who join
  triad.hetzner_swarm.swarm_info:
    include_join_tokens: true
  register: manager
  no_log: true
"""

RETURN = r"""
swarm:
  description: The engine's membership.
  returned: success
  type: dict
  contains:
    engine:
      description: The engine's C(version), and the C(api_version) that is spoken with it.
      type: dict
      returned: success
      sample: {version: 26.1.5, api_version: '1.45'}
    state:
      description: One of V(inactive), V(pending), V(active), V(error) and V(locked), as the engine says.
      type: str
      returned: success
      sample: active
    error:
      description:
        - The engine's reason for the state. Empty where all is well.
        - On an active manager it means that the managers have no leader. RV(swarm.nodes) is empty then.
      type: str
      returned: success
      sample: ''
    node_id:
      description: The node's ID in the swarm. None without a swarm.
      type: str
      returned: success
      sample: wrv7v9pzmhq0ah0prxhk7opn1
    node_name:
      description: The engine's host name, which is the node's name in the swarm.
      type: str
      returned: success
      sample: server-fsn-1
    node_address:
      description: The address that the node advertises. None without a swarm.
      type: str
      returned: success
      sample: 10.0.0.2
    role:
      description: V(manager) or V(worker). None unless RV(swarm.state) is V(active).
      type: str
      returned: success
      sample: manager
    cluster_id:
      description:
        - The cluster's ID.
        - The API of a worker does not tell it; it is then read from the node's certificate, and None where the module
          cannot read that file.
      type: str
      returned: success
      sample: r7fmj8b1kvktsrsfjlsqq1q4y
    remote_managers:
      description: Addresses of the managers the node knows, itself included where it is one.
      type: list
      elements: str
      returned: success
      sample: ['10.0.0.2:2377', '10.0.0.3:2377', '10.0.0.4:2377']
    managers:
      description: How many managers there are in C(total), how many are C(reachable), how many a C(quorum) takes, and
        the name of the C(leader). None where the node is no manager or the managers have no leader.
      type: dict
      returned: success
      sample: {total: 3, reachable: 3, quorum: 2, leader: server-fsn-1}
    nodes:
      description: All nodes by name, each with C(id), C(name), C(role), C(availability), C(status), C(address),
        C(labels), C(engine_version), and C(manager) with C(leader) and C(reachability), which is None for a worker.
        Empty unless the node is a manager.
      type: list
      elements: dict
      returned: success
      sample:
        - id: wrv7v9pzmhq0ah0prxhk7opn1
          name: server-fsn-1
          role: manager
          availability: active
          status: ready
          address: 10.0.0.2
          labels: {location: fsn}
          manager: {leader: true, reachability: reachable}
          engine_version: 26.1.5
    default_addr_pool:
      description: The pools that overlay networks take their subnets from. Empty unless the node is a manager.
      type: list
      elements: str
      returned: success
      sample: [10.128.0.0/10]
    subnet_size:
      description: Prefix length of the subnets taken from the pools. None unless the node is a manager.
      type: int
      returned: success
      sample: 24
    join_tokens:
      description: The tokens to join with as C(manager) and as C(worker). None unless the node is a manager.
      type: dict
      returned: when O(include_join_tokens=true)
      sample: {manager: SWMTKN-1-..., worker: SWMTKN-1-...}
kernel:
  description: Whether the running kernel has C(ip_vs) (virtual addresses of services and the routing mesh), C(vxlan)
    (overlay networks) and C(esp4) (encrypted overlay networks), be it loaded, built in or loadable.
  returned: success
  type: dict
  sample: {ip_vs: true, vxlan: true, esp4: true}
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _kernel, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    DOCKER_ARGUMENTS,
    EngineError,
    connect,
    engine_errors,
)

if TYPE_CHECKING:
    from docker import APIClient


def join_tokens(api: APIClient, swarm: _swarm.Swarm) -> dict[str, str] | None:
    """Both tokens by role; None where this engine cannot know them."""
    if swarm.role != "manager" or swarm.leaderless:
        return None
    with engine_errors("read the join tokens"):
        tokens = api.inspect_swarm()["JoinTokens"]
    return {"manager": tokens["Manager"], "worker": tokens["Worker"]}


def collect(params: dict[str, Any]) -> dict[str, Any]:
    """The return values."""
    api = connect(params)
    swarm = _swarm.read(api)
    report = swarm.report()
    if params["include_join_tokens"]:
        report["join_tokens"] = join_tokens(api, swarm)
    return {"swarm": report, "kernel": _kernel.features()}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGUMENTS,
            "include_join_tokens": {"type": "bool", "default": False, "no_log": False},
        },
        supports_check_mode=True,
    )
    try:
        result = collect(module.params)
    except EngineError as error:
        module.fail_json(msg=str(error))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
