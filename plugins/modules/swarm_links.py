#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""Whether the members of a swarm reach each other at the ports of a swarm."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_links
short_description: Probe the ports between the members of a Docker Swarm
description:
  - Proves in both directions that the members reach each other at the ports of a swarm, and that packets of full size
    pass between them. It works before there is a swarm, and beside a running one. No engine is needed.
  - The module sends and listens, so it has to run on all members at the same time. Start it with C(async) and
    C(poll=0), so that the number of forks does not matter, and collect the results with
    M(ansible.builtin.async_status).
  - It ends soon after each member has heard all others and knows that they have heard it, at the latest after
    O(timeout) seconds.
  - Datagrams are looked for behind the host's packet filter and in front of whoever has their port. A firewall on the
    host or anywhere between the hosts makes a probe fail; an engine that runs does not.
  - The kernel drops the probes that arrive at the data path port. An engine writes one line to its log for each that
    arrives at its gossip port. Mostly that is one from each peer, and never more than one a second.
  - Where no engine listens for TCP, the module does while it runs.
  - The encryption of overlay networks (ESP, IP protocol 50) is not probed.
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
  address:
    description: The IP address that this member advertises. Probes are sent from it.
    type: str
    required: true
  manager:
    description: Whether this member is, or becomes, a manager. Only managers are reached at port 2377.
    type: bool
    required: true
  peers:
    description: The other members. This member itself may be among them, by its O(address), and is left out, so that
      all can be given the same list.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The member's name.
        type: str
        required: true
      address:
        description: The IP address that it advertises, of the same version as O(address).
        type: str
        required: true
      manager:
        description: Whether it is, or becomes, a manager.
        type: bool
        required: true
  mtu:
    description: The size in bytes, IP header included, of the packets that must pass in one piece, which is the MTU of
      the network between the members.
    type: int
    required: true
  data_path_port:
    description: The UDP port of the swarm's overlay networks.
    type: int
    default: 4789
  timeout:
    description: Seconds to wait at most, the time included by which some members start later than others.
    type: int
    default: 20
requirements:
  - root, or the capability CAP_NET_RAW
seealso:
  - module: triad.hetzner_swarm.swarm_preflight
"""

EXAMPLES = r"""
- name: Probe the ports from all members at once
  triad.hetzner_swarm.swarm_links:
    address: "{{ swarm_advertise_address }}"
    manager: "{{ inventory_hostname in groups['swarm_managers'] }}"
    peers:
      - {name: server-fsn-1, address: 10.0.0.2, manager: true}
      - {name: server-fsn-2, address: 10.0.0.3, manager: true}
      - {name: server-nbg-1, address: 10.0.0.4, manager: false}
    mtu: 1450
  async: 60
  poll: 0
  register: probing
  become: true

- name: Collect what each has heard
  ansible.builtin.async_status:
    jid: "{{ probing.ansible_job_id }}"
  register: links
  until: links is finished
  delay: 1
  retries: 60
  become: true
"""

RETURN = r"""
links:
  description: What is known between this member and each of the others, in the order of O(peers).
  returned: success
  type: list
  elements: dict
  contains:
    peer:
      description: The peer's name.
      type: str
      returned: success
      sample: server-fsn-2
    address:
      description: The peer's address.
      type: str
      returned: success
      sample: 10.0.0.3
    heard:
      description:
        - What came from the peer, which is the direction from it to this member. C(udp_7946) is the gossip port,
          C(udp_4789) the data path port whatever its number.
        - C(mtu) tells whether a packet of O(mtu) bytes came to the data path port that must not be fragmented.
      type: dict
      returned: success
      sample: {udp_7946: true, udp_4789: true, mtu: false}
    reached:
      description: The peer's ports that this member could connect to, which is the direction from it to the peer.
        C(tcp_2377) is None where the peer is no manager.
      type: dict
      returned: success
      sample: {tcp_2377: true, tcp_7946: true}
    clock_skew:
      description: Seconds by which this member's clock is ahead of the peer's, the time on the way included. None where
        the peer was not heard.
      type: float
      returned: success
      sample: 0.004
    error:
      description: What the kernel said to attempts that failed, or that what the peer sends comes from another address
        than its own. None where all succeeded or there was only silence.
      type: str
      returned: success
      sample: 'tcp_7946: Connection refused'
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _links
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

ARGUMENTS: dict[str, dict[str, Any]] = {
    "address": {"type": "str", "required": True},
    "manager": {"type": "bool", "required": True},
    "peers": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "required": True},
            "manager": {"type": "bool", "required": True},
        },
    },
    "mtu": {"type": "int", "required": True},
    "data_path_port": {"type": "int", "default": 4789},
    "timeout": {"type": "int", "default": 20},
}


def probe(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The links. Raises Refused and OSError."""
    me = _links.member("this host", params["address"], params["manager"])
    members = [_links.member(**option) for option in params["peers"]]
    peers = [member for member in members if member.address != me.address]
    _links.check(me, peers, params["mtu"])
    return _links.Probing(me, peers, params["mtu"], params["data_path_port"]).run(params["timeout"])


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        links = probe(module.params)
    except Refused as refusal:
        module.fail_json(msg=str(refusal))
    except PermissionError:
        module.fail_json(msg="Only root may look at datagrams in front of their port: run the task with become.")
    except OSError as error:
        module.fail_json(msg=f"The ports cannot be probed from {module.params['address']}: {error.strerror}.")
    module.exit_json(changed=False, links=links)


if __name__ == "__main__":
    main()
