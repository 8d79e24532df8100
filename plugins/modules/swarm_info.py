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
  - Also reports which of the kernel features that a swarm may need this node has, and the networks the node knows.
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
  include_unlock_key:
    description:
      - Whether to return the key that unlocks a manager after its restart too. Only an unlocked manager knows it.
      - Whoever holds the key can read what the managers keep on disk, so give the task C(no_log=true).
    type: bool
    default: false
  settle_timeout:
    description:
      - Seconds to wait for an election of the managers, or an attempt to join that is under way, to end.
      - What the engine says then is reported, whether it has ended or not.
    type: int
    default: 0
seealso:
  - module: triad.hetzner_swarm.swarm_member
  - module: triad.hetzner_swarm.swarm_nodes
  - module: triad.hetzner_swarm.swarm_preflight
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

- name: See the state of the swarm after a reboot, not in the middle of an election
  triad.hetzner_swarm.swarm_info:
    settle_timeout: 40
  register: info
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
    autolock:
      description: Whether managers stay locked after a restart until they are given the unlock key. None unless the
        node is a manager.
      type: bool
      returned: success
      sample: false
    networks:
      description: The overlay networks of the swarm by C(name), each with whether it is the C(ingress) network, its
        C(mtu) (None where none is set, which the overlay driver takes as 1500), whether it is C(encrypted), and its
        C(subnets). The MTU is that of the network below; 50 bytes of it, or 76 where encrypted, go to the overlay.
        Empty unless the node is a manager.
      type: list
      elements: dict
      returned: success
      sample:
        - {name: ingress, ingress: true, mtu: 1450, encrypted: false, subnets: [10.200.0.0/24]}
    unlock_key:
      description: The key that unlocks a manager. None unless the node is an unlocked manager and
        RV(swarm.autolock=true).
      type: str
      returned: when O(include_unlock_key=true)
      sample: SWMKEY-1-...
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
host:
  description: What the node knows beside its swarm.
  returned: success
  type: dict
  contains:
    interfaces:
      description: The network interfaces, each with C(name), C(mtu) and C(addresses) with their prefix lengths.
      type: list
      elements: dict
      returned: success
      sample:
        - {name: enp7s0, mtu: 1450, addresses: [10.0.0.2/32]}
    networks:
      description:
        - The networks that the node has routes to, in all its routing tables, each as C(network) with the name of the
          C(interface) that leads there. The engine's own bridges are among them, as C(docker0) and C(docker_gwbridge).
        - Without default routes, link-local, multicast and loopback networks.
      type: list
      elements: dict
      returned: success
      sample:
        - {network: 10.0.0.0/16, interface: enp7s0}
    docker_root:
      description: The folder that the engine keeps its data in.
      type: str
      returned: success
      sample: /var/lib/docker
    docker_root_free:
      description: Bytes left on the file system of that folder. None where it is not on this node.
      type: int
      returned: success
      sample: 33285996544
    live_restore:
      description: Whether the engine has live restore on, which it does not take together with a swarm.
      type: bool
      returned: success
      sample: false
    firewall_backend:
      description: What the engine filters with, as it says. None where it does not say (before Docker 29).
      type: str
      returned: success
      sample: iptables
"""

from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _host, _kernel, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    DOCKER_ARGUMENTS,
    EngineError,
    connect,
    engine_errors,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from docker import APIClient


class Engine:
    """The engine of this node. info and swarm: what it told last."""

    def __init__(self, api: APIClient, settle_timeout: float) -> None:
        self.api = api
        holds_within(settle_timeout, self.read)

    def read(self) -> bool:
        """Whether nothing is under way that will soon change what was read."""
        self.info = _swarm.read_info(self.api)
        self.swarm = _swarm.from_info(self.api, self.info)
        return self.swarm.state != "pending" and not self.swarm.leaderless

    @property
    def speaks_for_swarm(self) -> bool:
        return self.swarm.role == "manager" and not self.swarm.leaderless

    def networks(self) -> list[dict[str, Any]]:
        return _swarm.overlay_networks(self.api) if self.speaks_for_swarm else []

    def join_tokens(self) -> dict[str, str] | None:
        """Both tokens by role; None where this engine cannot know them."""
        if not self.speaks_for_swarm:
            return None
        with engine_errors("read the join tokens"):
            tokens = self.api.inspect_swarm()["JoinTokens"]
        return {"manager": tokens["Manager"], "worker": tokens["Worker"]}

    def unlock_key(self) -> str | None:
        """The key; None where this engine cannot know it or no manager is ever locked."""
        if not (self.speaks_for_swarm and self.swarm.autolock):
            return None
        with engine_errors("read the unlock key"):
            key: str | None = self.api.get_unlock_key()["UnlockKey"] or None
        return key


def collect(params: dict[str, Any]) -> dict[str, Any]:
    """The return values."""
    engine = Engine(connect(params), params["settle_timeout"])
    swarm = {**engine.swarm.report(), "networks": engine.networks()}
    if params["include_join_tokens"]:
        swarm["join_tokens"] = engine.join_tokens()
    if params["include_unlock_key"]:
        swarm["unlock_key"] = engine.unlock_key()
    return {"swarm": swarm, "kernel": _kernel.features(), "host": _host.report(engine.info)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **DOCKER_ARGUMENTS,
            "include_join_tokens": {"type": "bool", "default": False, "no_log": False},
            "include_unlock_key": {"type": "bool", "default": False, "no_log": False},
            "settle_timeout": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    try:
        result = collect(module.params)
    except EngineError as error:
        module.fail_json(msg=str(error))
    except OSError as error:
        module.fail_json(msg=f"Cannot ask the kernel for the networks of this node: {error.strerror}.")
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
