#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""A gate before and after whatever stops an engine."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_quorum
short_description: Wait until a Docker Swarm can spare a node, or has it back
description:
  - A gate for whatever stops an engine, such as an upgrade, a reboot or the deletion of a server. It is passed before,
    and again afterwards, so that the next node only follows when the last one is back.
  - Runs on the node itself, or with O(node) on any manager. After a restart, ask the node itself, since it takes the
    others a while to notice that an engine has stopped.
  - What may pass is waited for. What does not pass fails, with what is missing and the way out.
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
  node:
    description:
      - The node's exact host name, or its ID. The node of the engine that the module runs on unless set.
      - Where several nodes have the name and one of them is up, that one is meant.
    type: str
  require:
    description:
      - V(spare) waits until the managers can do without the node, see O(deed). Workers and engines in no swarm can be
        spared at any time. While another manager is neither reachable nor declared down, it is that one's turn.
      - V(member) waits until the node takes part, which means ready, and for a manager reachable under a leader. A
        worker that is asked itself only has to be active. A locked engine fails at once, as it waits to be unlocked.
    type: str
    choices: [spare, member]
    required: true
  deed:
    description:
      - What the node is to be spared for. Only for O(require=spare).
      - With V(restart) it stays a manager and is counted, so the others that can be reached must be a majority of all.
        The restart of the only manager is allowed, with a RV(note). So is that of an engine that takes no part in its
        swarm, as a locked one.
      - With V(removal) it is counted no more, so the others must be able to decide among themselves.
    type: str
    choices: [restart, removal]
    default: restart
  accept_loss:
    description:
      - Whether to accept that the managers cannot decide anything until the node is back, as in a swarm of two
        managers. What runs goes on meanwhile. Nothing is deployed, moved or started again.
      - Only for O(deed=restart). After a removal there would be no end to it.
    type: bool
    default: false
  wait_timeout:
    description: Seconds to wait for what may pass, such as an election or a manager on its way back.
    type: int
    default: 120
seealso:
  - module: triad.hetzner_swarm.swarm_info
  - module: triad.hetzner_swarm.swarm_nodes
"""

EXAMPLES = r"""
- name: Wait until the swarm can spare this node
  triad.hetzner_swarm.swarm_quorum:
    require: spare

- name: Restart its engine
  ansible.builtin.systemd_service:
    name: docker
    state: restarted

- name: Wait until it is back
  triad.hetzner_swarm.swarm_quorum:
    require: member

- name: Ask another manager whether a server may be deleted
  triad.hetzner_swarm.swarm_quorum:
    node: server-nbg-1
    require: spare
    deed: removal
  delegate_to: server-fsn-1
"""

RETURN = r"""
state:
  description: The membership of the engine that was asked, as RV(triad.hetzner_swarm.swarm_info#module:swarm.state).
  returned: success
  type: str
  sample: active
node_id:
  description: The ID of the node whose engine was asked. None without a swarm.
  returned: success
  type: str
  sample: wrv7v9pzmhq0ah0prxhk7opn1
node:
  description:
    - The node. None where it is not listed, as on a worker or without a swarm.
    - For its fields see RV(triad.hetzner_swarm.swarm_info#module:swarm.nodes).
  returned: success
  type: dict
  sample: {name: server-fsn-1, role: manager, availability: active, status: ready, labels: {location: fsn}}
managers:
  description: The managers in numbers, as RV(triad.hetzner_swarm.swarm_info#module:swarm.managers). None where they are
    not listed.
  returned: success
  type: dict
  sample: {total: 3, reachable: 3, quorum: 2, leader: server-fsn-1}
note:
  description: What the deed entails although the gate is open. None where there is nothing to say.
  returned: success
  type: str
  sample: >-
    server-fsn-1 is the only manager: until it is back nothing can be deployed, moved or started again. Nothing is lost.
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _engine_module, _gate, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import connect
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step

ARGUMENTS: dict[str, dict[str, Any]] = {
    "node": {"type": "str"},
    "require": {"type": "str", "choices": ["spare", "member"], "required": True},
    "deed": {"type": "str", "choices": ["restart", "removal"], "default": "restart"},
    "accept_loss": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 120},
}


def converge(module: AnsibleModule, _done: list[Step]) -> dict[str, Any]:
    """The return values, once the gate is open. Raises Refused where it stays closed."""
    params = module.params
    if params["accept_loss"] and params["deed"] == "removal":
        raise Refused(
            "accept_loss goes with deed: restart only, after which the node is back: without a majority nothing could "
            "be decided ever after. Leave accept_loss out, and bring managers back or add some first."
        )
    api = connect(params)
    swarm = _swarm.read(api)
    outlook = judge(swarm, params)

    def passed() -> bool:
        nonlocal swarm, outlook
        swarm = _swarm.read(api)
        outlook = judge(swarm, params)
        return not outlook.passing

    if outlook.passing and not holds_within(params["wait_timeout"], passed) and outlook.obstacle:
        outlook = outlook.after(params["wait_timeout"])
    if outlook.obstacle and not (params["accept_loss"] and outlook.cost):
        raise Refused(outlook.obstacle)
    return {
        "changed": False,
        "state": swarm.state,
        "node_id": swarm.node_id or None,
        "node": outlook.node.report() if outlook.node else None,
        "managers": _swarm.managers_report(swarm.nodes) if swarm.nodes else None,
        "note": outlook.note or outlook.cost or None,
    }


def judge(swarm: _swarm.Swarm, params: dict[str, Any]) -> _gate.Outlook:
    if params["require"] == "member":
        return _gate.taking_part(swarm, params["node"])
    return _gate.sparing(swarm, params["node"], params["deed"])


def main() -> None:
    _engine_module.run(ARGUMENTS, converge)


if __name__ == "__main__":
    main()
