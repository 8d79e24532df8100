#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the tasks of a swarm reach each other, and its published ports answer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_paths
short_description: Prove that tasks of a Docker Swarm reach each other and published ports answer
description:
  - Tries all ways that there must be from one node. Run it on every node, after a recovery above all. A swarm that
    lists all nodes as ready and all tasks as running may still not deliver between them.
  - From inside each task of this node, on each overlay network it is on, every other running task is sent a small
    packet and one that fills the MTU of the network and must not be fragmented (ICMP echo). Where the MTU is too large,
    small requests work and large ones hang.
  - The engine is asked from there for the names of all services on the network, their aliases, and C(tasks.) before
    each. The answer must have every running task, or the virtual address of the service. Other addresses in it are not
    looked at.
  - From the node itself, published TCP ports are connected to, those of mode V(ingress) at every node, those of mode
    V(host) where their tasks run. The module then ends its side and awaits the first byte or the end of the other.
    That a connection is set up is no proof, as the engine listens at the ports of the routing mesh itself.
  - Ports of the routing mesh are left out where the kernel of this node has no C(ip_vs), as is what runs on nodes that
    are not ready. UDP ports are never tried. See RV(left_out). Tasks that drop ICMP echoes fail.
  - It needs the rights of root, to enter the networks of containers.
author:
  - Triad contributors (@triad)
extends_documentation_fragment:
  - triad.hetzner_swarm.docker
attributes:
  check_mode:
    support: full
    description: The module changes nothing. It does the same in check mode.
  diff_mode:
    support: none
    description: The module changes nothing.
  idempotent:
    support: full
    description: The module changes nothing.
options:
  tasks:
    description:
      - The tasks of the swarm, as RV(tasks) of a run on a manager has them, not older than necessary.
      - If not set, the node must be a manager. The tasks are then read by the module, and again before paths are tried
        again.
    type: list
    elements: dict
  node_addresses:
    description:
      - The nodes to try published ports at, this one included, as names with addresses.
      - If not set, the node must be a manager. All nodes that are ready are then tried at the addresses that the
        managers list.
    type: dict
  path_timeout:
    description: Seconds to wait for the answer on one path.
    type: int
    default: 3
  settle_timeout:
    description:
      - Seconds during which what fails is tried again, as it takes the nodes some to tell each other of a change.
      - A manager that has no leader is waited for as long.
    type: int
    default: 30
  fail_on:
    description: Whether the module fails when V(any) path does, or V(never) because of that.
    type: str
    choices: [any, never]
    default: any
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_ingress
"""

EXAMPLES = r"""
- name: Prove on a manager that all paths are there
  triad.hetzner_swarm.swarm_paths:
  register: manager

- name: Prove it on the workers
  triad.hetzner_swarm.swarm_paths:
    tasks: "{{ hostvars[groups['swarm_managers'][0]].manager.tasks }}"
    node_addresses: "{{ hostvars[groups['swarm_managers'][0]].manager.node_addresses }}"

- name: Look once and only report
  triad.hetzner_swarm.swarm_paths:
    settle_timeout: 0
    fail_on: never
  register: looked

- name: Show what does not work
  ansible.builtin.debug:
    var: looked.failed_paths
"""

RETURN = r"""
paths:
  description: Every path that was tried, with what came of it the last time.
  returned: success, and when paths fail
  type: list
  elements: dict
  contains:
    kind:
      description: V(task) for a packet to another task, V(name) for a name, V(port) for a published port.
      type: str
      returned: always
      sample: task
    source:
      description: The task that it was tried from, for V(port) the node.
      type: str
      returned: always
      sample: shop_web.1 on server-1
    target:
      description: The other task, the name, or the service and the node that it was tried at.
      type: str
      returned: always
      sample: shop_db.1 on server-2
    network:
      description: The overlay network. None for V(port).
      type: str
      returned: always
      sample: shop_backend
    address:
      description: The address that was tried. For V(name) the addresses that must be in the answer.
      type: str
      returned: always
      sample: 10.128.3.5
    bytes:
      description: Length of the packet with its headers, for V(task) only.
      type: int
      returned: always
      sample: 1400
    ok:
      description: Whether it worked.
      type: bool
      returned: always
      sample: true
    milliseconds:
      description: How long it took. None where it failed.
      type: float
      returned: always
      sample: 0.8
    error:
      description: Why it failed, empty where it did not.
      type: str
      returned: always
      sample: ''
failed_paths:
  description: The paths that failed, one line each.
  returned: success, and when paths fail
  type: list
  elements: str
  sample: ['shop_web.1 on server-1 to shop_db.1 on server-2 (10.128.3.5, network shop_backend, 84 bytes): no answer']
left_out:
  description: What was not tried and why, one line each.
  returned: success, and when paths fail
  type: list
  elements: str
  sample: ['Port 53/udp of dns_server is not tried: only TCP says whether somebody takes a connection up.']
counts:
  description: How many paths of each kind were tried, and how many failed.
  returned: success, and when paths fail
  type: dict
  sample:
    task: {total: 24, failed: 1}
    name: {total: 12, failed: 0}
    port: {total: 6, failed: 0}
tasks:
  description: The tasks that the paths lead to, for O(tasks) on other nodes.
  returned: success, and when paths fail
  type: list
  elements: dict
  sample:
    - id: 1q2w3e4r5t6y7u8i9o0p1a2s3
      name: shop_web.1
      service: shop_web
      node: server-1
      node_id: wrv7v9pzmhq0ah0prxhk7opn1
      container: 0a1b2c3d4e5f
      networks:
        - id: z9x8c7v6b5n4m3a2s1d0f9g8h
          name: shop_backend
          address: 10.128.3.4
          names: {shop_web: 10.128.3.2, tasks.shop_web: 10.128.3.4}
      ports:
        - {published: 8080, protocol: tcp, mode: ingress}
node_addresses:
  description: The nodes that published ports were tried at, for O(node_addresses) on other nodes.
  returned: success, and when paths fail
  type: dict
  sample: {server-1: 10.0.0.2, server-2: 10.0.0.3}
"""

import os
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import (
    _engine_module,
    _kernel,
    _path_probes,
    _paths,
    _swarm,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, connect, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible.module_utils.basic import AnsibleModule
    from docker import APIClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    "tasks": {"type": "list", "elements": "dict"},
    "node_addresses": {"type": "dict"},
    "path_timeout": {"type": "int", "default": 3},
    "settle_timeout": {"type": "int", "default": 30},
    "fail_on": {"type": "str", "choices": ["any", "never"], "default": "any"},
}


class Survey:
    """What is known of the paths from this node.

    swarm, tasks: as read last, or tasks as given. outcomes: of the paths that lead to these tasks.
    """

    def __init__(self, api: APIClient, params: Mapping[str, Any]) -> None:
        self.api = api
        self.params = params
        self.ip_vs = _kernel.features()["ip_vs"]
        self.swarm = _swarm.read(api)
        self.tasks: list[dict[str, Any]] = params["tasks"] or []
        self.outcomes: dict[_paths.Path, _paths.Outcome] = {}

    @property
    def asks_managers(self) -> bool:
        """Whether something must be read from the managers, as it was not given."""
        return None in (self.params["tasks"], self.params["node_addresses"])

    @property
    def node_addresses(self) -> dict[str, str]:
        given = self.params["node_addresses"]
        if given is not None:
            return {name: str(address) for name, address in given.items()}
        return {node.name: node.address for node in self.swarm.nodes if node.status == "ready" and node.address}

    def check(self) -> None:
        """Refuse what cannot work, naming the setting."""
        if os.geteuid() != 0:
            raise Refused("Only root may enter the networks of containers: run this as root (become: true).")
        if self.params["path_timeout"] < 1:
            raise Refused(f"path_timeout is {self.params['path_timeout']} and must be at least 1 (seconds).")
        if self.swarm.state == "inactive":
            raise Refused(f"{self.swarm.node_name} is in no swarm: run this on the nodes of the swarm that is meant.")
        if self.swarm.state != "active":
            _swarm.check_health(self.swarm)
        if self.asks_managers and not self.swarm.manager:
            raise Refused(
                f"{self.swarm.node_name} is a worker, which cannot list the swarm: set both tasks and node_addresses "
                "to what a run of this module on a manager returned by these names."
            )
        _paths.check(self.tasks)

    def look(self) -> bool:
        """Try what has not worked yet; True if all has, and no node is about to be found ready or down."""
        self.swarm = _swarm.read(self.api)
        if self.asks_managers and self.swarm.leaderless:
            return False
        if self.params["tasks"] is None:
            self.tasks = self.read_tasks()
        paths = _paths.expected(self.tasks, self.swarm.node_id, self.swarm.node_name, self.node_addresses, self.ip_vs)
        worked = {path: outcome for path, outcome in self.outcomes.items() if outcome.ok}
        due = [path for path in paths if path not in worked]
        tried = _path_probes.probe(due, self.processes(due), self.params["path_timeout"])
        known = {**worked, **tried}
        self.outcomes = {path: known[path] for path in paths}
        return all(outcome.ok for outcome in tried.values()) and all(n.status != "unknown" for n in self.swarm.nodes)

    def read_tasks(self) -> list[dict[str, Any]]:
        with engine_errors("list the tasks of the swarm"):
            tasks = self.api.tasks(filters={"desired-state": "running"})
        with engine_errors("list the services of the swarm"):
            services = self.api.services()
        return _paths.running(tasks, services, self.swarm.nodes)

    def processes(self, paths: Iterable[_paths.Path]) -> dict[str, int]:
        """A process of each container that the paths begin in, where it runs."""
        containers = {path.container for path in paths if path.container}
        found = {container: self.process(container) for container in sorted(containers)}
        return {container: pid for container, pid in found.items() if pid}

    def process(self, container: str) -> int:
        """0 where the container does not run, or is gone."""
        try:
            with engine_errors(f"inspect the container {container}"):
                return int(self.api.inspect_container(container)["State"]["Pid"])
        except EngineError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            return 0

    def report(self) -> dict[str, Any]:
        """The return values."""
        addresses = self.node_addresses
        return {
            "paths": [_paths.report(path, outcome) for path, outcome in self.outcomes.items()],
            "failed_paths": [_paths.line(path, out) for path, out in self.outcomes.items() if not out.ok],
            "left_out": _paths.left_out(self.tasks, self.swarm.nodes, addresses, self.ip_vs),
            "counts": _paths.counts(self.outcomes),
            "tasks": self.tasks,
            "node_addresses": addresses,
        }


def converge(module: AnsibleModule, _done: list[Step]) -> dict[str, Any]:
    """The return values; fails where a path does, unless told not to."""
    survey = Survey(connect(module.params), module.params)
    survey.check()
    seconds = module.params["settle_timeout"]
    holds_within(seconds, survey.look)
    if survey.asks_managers:
        _swarm.check_health(survey.swarm)
    result = {"changed": False, **survey.report()}
    if result["failed_paths"] and module.params["fail_on"] == "any":
        module.fail_json(msg=_paths.verdict(survey.outcomes, survey.swarm.node_name, seconds), **result)
    return result


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
