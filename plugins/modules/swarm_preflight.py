#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""What stands against a swarm of these hosts."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_preflight
short_description: Judge whether hosts are fit for a Docker Swarm
description:
  - Judges what the hosts have told by M(triad.hetzner_swarm.swarm_info) and M(triad.hetzner_swarm.swarm_links), before
    there is a swarm and while there is one. It asks nobody itself, so it may run anywhere, once for all hosts.
  - Whatever would keep the swarm from working, or would have to be paid for later, is an error, and the module fails
    with all of them in one message. What is worth knowing is a warning.
  - Looks at engines (releases, known mistakes of theirs, live restore), ports in both directions, the size of packets
    that pass, advertise addresses and their interfaces, the pool of addresses for overlay networks against the networks
    that the hosts know, kernels, clocks, free disk, the number of managers and where they are, the MTU of overlay
    networks, dead nodes, and hosts that are in different swarms.
author:
  - Triad contributors (@triad)
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
  hosts:
    description: The hosts that are or will be members.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The host's name, as O(hosts[].links) of the others have it.
        type: str
        required: true
      role:
        description: What the host is, or will be, in the swarm.
        type: str
        choices: [manager, worker]
        required: true
      address:
        description: The IP address that the host advertises.
        type: str
        required: true
      location:
        description: What fails together with this host, as a data centre. Hosts without one are not judged by it.
        type: str
      info:
        description:
          - What M(triad.hetzner_swarm.swarm_info) returned on the host, as registered, without tokens and keys.
          - A host that could not be asked is an error.
        type: dict
        required: true
      links:
        description: RV(triad.hetzner_swarm.swarm_links#module:links) of the host. Empty where nothing was probed.
        type: list
        elements: dict
        default: []
  default_addr_pool:
    description:
      - The pools for overlay networks of a swarm that is yet to begin, each as V(10.200.0.0/16).
      - If empty, the first of V(10.200.0.0/16), V(10.128.0.0/16), V(10.64.0.0/16), V(172.28.0.0/16), V(172.20.0.0/16)
        and V(192.168.192.0/18) is chosen that overlaps no network of any host.
    type: list
    elements: str
    default: []
  subnet_size:
    description: Prefix length of the subnets that are taken from the pools.
    type: int
    default: 24
  mtu:
    description: The MTU of the network between the hosts, which overlay networks are to rely on.
    type: int
    required: true
  encrypted:
    description: Whether overlay networks shall be encrypted.
    type: bool
    default: false
  mesh:
    description: Whether the routing mesh and virtual addresses of services shall work.
    type: bool
    default: true
  min_free_bytes:
    description: The least that has to be free where an engine keeps its data.
    type: int
    default: 2147483648
  max_clock_skew:
    description: The most seconds by which two clocks may differ.
    type: float
    default: 2
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_links
  - module: triad.hetzner_swarm.swarm_ingress
"""

EXAMPLES = r"""
- name: Ask every engine
  triad.hetzner_swarm.swarm_info:
  register: info

- name: Judge what two hosts have told
  triad.hetzner_swarm.swarm_preflight:
    hosts:
      - name: server-fsn-1
        role: manager
        address: 10.0.0.2
        location: fsn
        info: "{{ hostvars['server-fsn-1'].info }}"
        links: "{{ hostvars['server-fsn-1'].links.links }}"
      - name: server-nbg-1
        role: worker
        address: 10.0.0.3
        location: nbg
        info: "{{ hostvars['server-nbg-1'].info }}"
        links: "{{ hostvars['server-nbg-1'].links.links }}"
    mtu: 1450
  register: judgement
  run_once: true

- name: Begin a swarm with the pool that was chosen
  triad.hetzner_swarm.swarm_member:
    initialize: true
    role: manager
    advertise_addr: 10.0.0.2
    default_addr_pool: "{{ judgement.default_addr_pool }}"
"""

RETURN = r"""
findings:
  description: What stands against the swarm, errors first.
  returned: always
  type: list
  elements: dict
  contains:
    severity:
      description: V(error) or V(warning).
      type: str
      returned: always
      sample: warning
    subject:
      description: What it is about, one of V(host), V(cluster), V(engine), V(live_restore), V(address), V(ports),
        V(mtu), V(default_addr_pool), V(kernel), V(clock), V(disk), V(managers), V(location) and V(nodes).
      type: str
      returned: always
      sample: location
    hosts:
      description: The hosts that it is about. Empty where it is about the whole swarm.
      type: list
      elements: str
      returned: always
      sample: [server-fsn-1, server-fsn-2]
    message:
      description: What it is, what it means, and what to do.
      type: str
      returned: always
      sample: >-
        2 of 3 managers are in fsn (server-fsn-1, server-fsn-2): losing that location loses the quorum, and then nothing
        in the swarm can be changed or moved. With at most 1 in each of 3 locations any one of these may be lost.
default_addr_pool:
  description: The pools that overlay networks take, or are to take, their subnets from. Those of the swarm where there
    is one, else O(default_addr_pool), else the one that was chosen. Empty where they cannot be known or none is free.
  returned: always
  type: list
  elements: str
  sample: [10.200.0.0/16]
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _preflight

ARGUMENTS: dict[str, dict[str, Any]] = {
    "hosts": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "role": {"type": "str", "choices": ["manager", "worker"], "required": True},
            "address": {"type": "str", "required": True},
            "location": {"type": "str"},
            "info": {"type": "dict", "required": True},
            "links": {"type": "list", "elements": "dict", "default": []},
        },
    },
    "default_addr_pool": {"type": "list", "elements": "str", "default": []},
    "subnet_size": {"type": "int", "default": 24},
    "mtu": {"type": "int", "required": True},
    "encrypted": {"type": "bool", "default": False},
    "mesh": {"type": "bool", "default": True},
    "min_free_bytes": {"type": "int", "default": 2 * 2**30},
    "max_clock_skew": {"type": "float", "default": 2},
}


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    wishes = dict(module.params)
    hosts = [_preflight.Host.from_option(option) for option in wishes.pop("hosts")]
    wanted = _preflight.Wanted(**wishes)
    findings = _preflight.judge(hosts, wanted)
    result = {
        "findings": [finding.report() for finding in findings],
        "default_addr_pool": _preflight.address_pool(hosts, wanted),
    }
    for finding in findings:
        if finding.severity == "warning":
            module.warn(finding.message)
    errors = [finding.message for finding in findings if finding.severity == "error"]
    if errors:
        module.fail_json(msg="\n".join(f"{number}. {text}" for number, text in enumerate(errors, 1)), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
