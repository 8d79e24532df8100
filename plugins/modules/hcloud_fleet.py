#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

from __future__ import annotations

DOCUMENTATION = r"""
module: hcloud_fleet
short_description: Converge a set of Hetzner Cloud servers at once
version_added: 0.1.0
author:
  - Triad contributors (@triad)
description:
  - Creates, completes, starts and removes any number of Hetzner Cloud servers in one call. The present state is read
    once, one plan is made of it, servers are worked on beside each other, and one request a second watches all of
    their actions.
  - A server with a fixed private address is created stopped, attached to its network, then started, so that it never
    boots without its private interface.
  - Everything that can be told beforehand is checked before the first server is created.
  - An interrupted run is continued by the next one. When servers fail, the others are still completed, and the result
    says what was done and what was not.
  - What a running server can take over (labels, firewalls, protection, backups, further private networks) is changed
    in place. What would disrupt it is refused with a message, unless O(on_drift) asks for it; servers are then
    disrupted one at a time, and the first that fails is the last one.
  - What the API takes and never gives back (user data, SSH keys) is recorded as a hash in labels under
    C(hcloud-fleet/); a difference is a warning.
  - Networks, firewalls, placement groups and SSH keys are made with the collection C(hetzner.hcloud).
options:
  state:
    description:
      - With V(present), servers exist as described. With V(absent), servers of these names do not exist; of each entry
        only O(servers[].name) and O(servers[].labels) count then.
    type: str
    choices: [present, absent]
    default: present
  servers:
    description: The servers. Others in the project are left alone, unless O(prune) names them.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name, unique in the project, and host name of the server.
        type: str
        required: true
      server_type:
        description: Name of the server type. Required with O(state=present).
        type: str
      image:
        description: Name or ID of the image. Required with O(state=present).
        type: str
      location:
        description: Name of the location. Required with O(state=present).
        type: str
      alternatives:
        description:
          - What to order instead, in this order, when the cloud is out of stock; a warning says so. A server that
            exists as one of them is as asked for.
        type: list
        elements: dict
        default: []
        suboptions:
          server_type:
            description: Name of the server type. O(servers[].server_type) unless given.
            type: str
          location:
            description: Name of the location. O(servers[].location) unless given.
            type: str
      status:
        description: Whether the server runs. Off is reached by a shutdown, or by cutting the power after 90 seconds.
        type: str
        choices: [running, "off"]
        default: running
      backups:
        description:
          - Whether the cloud backs the server up daily. When omitted, this is left as it is. Switching it off deletes
            the backups there are.
        type: bool
      protection:
        description:
          - Whether the server is protected against deletion and rebuilding. When omitted, this is left as it is.
        type: bool
      labels:
        description:
          - All labels of the server; others are removed, except those under C(hcloud-fleet/). When omitted, labels are
            left as they are.
          - With O(state=absent) a condition, a server of this name without these labels is refused as somebody else's.
        type: dict
      ssh_keys:
        description:
          - Names of the SSH keys of the project that may log in as root. The API does not tell which keys a server
            has, so they matter at creation only.
        type: list
        elements: str
        default: []
      firewalls:
        description:
          - Names of the firewalls on the public interface; others are removed, except those that a label selector
            applies. When omitted, firewalls are left as they are.
        type: list
        elements: str
      placement_group:
        description: Name of the placement group. When omitted, the server stays in the group that it is in.
        type: str
      private_networks:
        description: Private networks to attach the server to. Attachments to others are left alone.
        type: list
        elements: dict
        default: []
        suboptions:
          network:
            description: Name of the network.
            type: str
            required: true
          ip:
            description: Private IPv4 address within a subnet of the network. When omitted, the cloud picks one.
            type: str
      user_data:
        description:
          - Cloud-init user data, 32 KiB at most. It matters at creation only. Everybody on the server can read it, so
            it is no place for secrets.
        type: str
        default: ''
      enable_ipv4:
        description: Whether the server has a public IPv4 address.
        type: bool
        default: true
      enable_ipv6:
        description: Whether the server has a public IPv6 network.
        type: bool
        default: true
  on_drift:
    description:
      - What may happen to a server that cannot become what is asked for while it runs.
      - With V(refuse), nothing does; the message says how to go on.
      - With V(restart), it is shut down, changed and started (O(servers[].server_type), O(servers[].placement_group),
        private and public addresses, O(servers[].status)).
      - With V(replace), it may lose its disk, too. Another O(servers[].image) rebuilds it, another
        O(servers[].location) deletes it and makes another.
    type: str
    choices: [refuse, restart, replace]
    default: refuse
  prune:
    description:
      - Label selector, such as C(cluster=triad). Servers that match and are not in O(servers) are deleted, one at a
        time and after everything else.
    type: str
    default: ''
  networks:
    description:
      - Networks that the play makes before the servers. Private addresses are checked against them as long as they do
        not exist, which is what makes a dry run on an empty project meaningful.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the network.
        type: str
        required: true
      subnets:
        description: Ranges of its subnets.
        type: list
        elements: str
        required: true
      ip_range:
        description: Range of the network. Its first address is the gateway and cannot be given to a server.
        type: str
  concurrency:
    description: How many servers are worked on at a time.
    type: int
    default: 10
  timeout:
    description:
      - Seconds that the whole call may take. Within it, locked resources, conflicts, the rate limit, errors of the
        API's side and lost connections are waited out.
    type: int
    default: 600
  api_token:
    description: Token of the project. Falls back to the environment variable E(HCLOUD_TOKEN).
    type: str
  api_endpoint:
    description: Address of the API. Falls back to the environment variable E(HCLOUD_ENDPOINT).
    type: str
    default: https://api.hetzner.cloud/v1
attributes:
  action_group:
    support: full
    description: Options that all modules of the group have can be set by C(module_defaults).
    membership:
      - triad.hetzner_swarm.hcloud
  check_mode:
    support: full
    description:
      - Nothing is written. SSH keys, firewalls, placement groups and networks that do not exist yet are taken to be
        made by earlier tasks.
  diff_mode:
    support: full
    description: One entry a step. User data is never shown.
  idempotent:
    support: full
    description: A second run sends no write request.
requirements:
  - python >= 3.10
  - hcloud >= 2.10
notes:
  - Run it on the controller, with C(delegate_to=localhost). Its requirements are needed there only.
seealso:
  - module: hetzner.hcloud.server
  - module: hetzner.hcloud.network
"""

EXAMPLES = r"""
- name: Servers in two cities, with fixed private addresses
  triad.hetzner_swarm.hcloud_fleet:
    servers:
      - name: server-fsn-1
        server_type: cpx22
        image: ubuntu-22.04
        location: fsn1
        labels: {project: voting}
        ssh_keys: [admin]
        firewalls: [swarm]
        placement_group: swarm
        private_networks: [{network: swarm, ip: 10.0.0.2}]
      - name: server-nbg-1
        server_type: cpx22
        image: ubuntu-22.04
        location: nbg1
        labels: {project: voting}
        ssh_keys: [admin]
        firewalls: [swarm]
        placement_group: swarm
        private_networks: [{network: swarm, ip: 10.0.0.3}]
  delegate_to: localhost
  run_once: true
  register: fleet

- name: A dry run before the network exists
  triad.hetzner_swarm.hcloud_fleet:
    networks:
      - name: swarm
        ip_range: 10.0.0.0/16
        subnets: [10.0.0.0/24]
    servers:
      - name: server-fsn-1
        server_type: cpx22
        image: ubuntu-22.04
        location: fsn1
        private_networks: [{network: swarm, ip: 10.0.0.2}]
  delegate_to: localhost
  check_mode: true

- name: Another server type, one server after the other
  triad.hetzner_swarm.hcloud_fleet:
    on_drift: restart
    servers:
      - name: server-fsn-1
        server_type: cpx32
        image: ubuntu-22.04
        location: fsn1
        alternatives: [{server_type: cpx42}]
  delegate_to: localhost

- name: Remove a server
  triad.hetzner_swarm.hcloud_fleet:
    state: absent
    servers:
      - name: server-nbg-1
  delegate_to: localhost
"""

RETURN = r"""
servers:
  description:
    - The servers asked for that exist after the run, in the order of O(servers). In check mode, servers that would be
      created are among them, and what only the cloud can know is null.
  returned: always, unless the input is refused
  type: list
  elements: dict
  contains:
    name:
      description: Name.
      type: str
      sample: server-fsn-1
    id:
      description: ID.
      type: int
      sample: 4711
    status:
      description: Status as the API has it.
      type: str
      sample: running
    created:
      description: Whether the server did not exist when this run began.
      type: bool
    public_ipv4:
      description: Public IPv4 address, or null.
      type: str
      sample: 198.51.100.10
    public_ipv6:
      description: First address of the public IPv6 network, or null.
      type: str
      sample: 2001:db8::1
    private_ips:
      description: Private address by name of the network.
      type: dict
      sample: {swarm: 10.0.0.2}
    location:
      description: Name of the location.
      type: str
      sample: fsn1
    server_type:
      description: Name of the server type.
      type: str
      sample: cpx22
    image:
      description: Name of the image; null for snapshots and where the image no longer exists.
      type: str
      sample: ubuntu-22.04
    image_description:
      description: Description of the image, which says what really boots.
      type: str
      sample: Ubuntu 22.04
    labels:
      description: Labels.
      type: dict
      sample: {project: voting}
disrupted:
  description: The servers that exist and cannot stay as they are while they run, one at a time in this order.
  returned: always, unless the input is refused
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server.
      type: str
    by:
      description: What happens to it; V(restart), V(replace) or V(delete).
      type: str
    settings:
      description: The settings that are not as asked for.
      type: list
      elements: str
plan:
  description: One line for each step, in order.
  returned: always, unless the input is refused
  type: list
  elements: str
  sample: ["create server server-fsn-1 (cpx22, ubuntu-22.04, fsn1)"]
unfinished:
  description: The servers that could not be completed. The next run goes on with them.
  returned: on failure, once steps have been taken
  type: list
  elements: dict
  contains:
    name:
      description: Name of the server.
      type: str
    reason:
      description: Why it could not be completed.
      type: str
    done:
      description: The steps that were taken.
      type: list
      elements: str
    not_done:
      description: The steps that were not, beginning with the one that failed.
      type: list
      elements: str
"""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule, env_fallback, missing_required_lib

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import Catalog, moving, preview, view
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_apply import (
    Outcome,
    apply,
    by_name,
    read_settled,
    read_state,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_checks import (
    PlannedNetwork,
    check_offers,
    check_parents,
    parse,
    parse_names,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_plan import (
    Fleet,
    disruptions,
    plan,
    warnings,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._hcloud import HCLOUD_IMPORT_ERROR, Cloud, CloudError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, diff, summary

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import Raw

ARGUMENT_SPEC: dict[str, Any] = {
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "servers": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "options": {
            "name": {"type": "str", "required": True},
            "server_type": {"type": "str"},
            "image": {"type": "str"},
            "location": {"type": "str"},
            "labels": {"type": "dict"},
            "ssh_keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "firewalls": {"type": "list", "elements": "str"},
            "placement_group": {"type": "str"},
            "private_networks": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"network": {"type": "str", "required": True}, "ip": {"type": "str"}},
            },
            "user_data": {"type": "str", "default": ""},
            "enable_ipv4": {"type": "bool", "default": True},
            "enable_ipv6": {"type": "bool", "default": True},
            "status": {"type": "str", "choices": ["running", "off"], "default": "running"},
            "backups": {"type": "bool"},
            "protection": {"type": "bool"},
            "alternatives": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"server_type": {"type": "str"}, "location": {"type": "str"}},
            },
        },
    },
    "on_drift": {"type": "str", "choices": ["refuse", "restart", "replace"], "default": "refuse"},
    "prune": {"type": "str", "default": ""},
    "networks": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "subnets": {"type": "list", "elements": "str", "required": True},
            "ip_range": {"type": "str"},
        },
    },
    "concurrency": {"type": "int", "default": 10},
    "timeout": {"type": "int", "default": 600},
    "api_token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["HCLOUD_TOKEN"])},
    "api_endpoint": {
        "type": "str",
        "default": "https://api.hetzner.cloud/v1",
        "fallback": (env_fallback, ["HCLOUD_ENDPOINT"]),
    },
}


def converge(cloud: Cloud, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """All that is asked for is so; returns the module's result."""
    fleet, catalog, actual = read(cloud, params, check_mode)
    planner = partial(plan, fleet, catalog=catalog)
    steps = [step for its_steps in planner(actual).values() for step in its_steps]
    disrupted = disruptions(fleet, actual, catalog) if params["state"] == "present" else []
    result: dict[str, Any] = {
        "changed": bool(steps),
        "plan": summary(steps),
        "diff": diff(steps),
        "disrupted": [asdict(one) for one in disrupted],
        "warnings": warnings(fleet, actual, catalog),
    }
    if check_mode:
        return result | {"servers": _planned(fleet, catalog, actual)}
    alone = [one.name for one in disrupted]
    waves = [[name for name in fleet.names if name not in alone], *([name] for name in alone)]
    outcomes, after = apply(cloud, planner, actual, waves, params["concurrency"])
    result["warnings"] += [outcome.note for outcome in outcomes if outcome.note]
    made = {name for name in after if name not in actual or after[name]["id"] != actual[name]["id"]}
    servers = [view(after[name], catalog, name in made) for name in fleet.names if name in after]
    return result | {"servers": servers} | _failure(outcomes)


def read(cloud: Cloud, params: Mapping[str, Any], check_mode: bool) -> tuple[Fleet, Catalog, dict[str, Raw]]:
    """What is asked for, what the project offers, and its servers by name.

    Raises ``Refused`` with every problem that can be told before anything is changed.
    """
    present = params["state"] == "present"
    networks = [PlannedNetwork.from_options(one) for one in params["networks"]]
    wanted = parse(params["servers"]) if present else []
    names = [server.name for server in wanted] or parse_names(params["servers"])
    catalog, actual = read_state(cloud, wanted)
    listed = set(names)
    matching = cloud.read("servers", label_selector=params["prune"]) if params["prune"] else []
    fleet = Fleet(
        servers=wanted,
        gone=[*([] if present else names), *sorted(by_name(matching).keys() - listed)],
        on_drift=params["on_drift"],
        owner={} if present else {entry["name"]: entry["labels"] or {} for entry in params["servers"]},
    )
    if not check_mode:
        check_parents(wanted, catalog)
        actual = read_settled(cloud, fleet.names) if moving(actual.values(), fleet.names) else actual
    check_offers(wanted, actual, catalog, networks)
    return fleet, catalog, actual


def _planned(fleet: Fleet, catalog: Catalog, actual: Mapping[str, Raw]) -> list[dict[str, Any]]:
    """The servers as they would be listed after a real run."""
    return [
        view(actual[one.name], catalog, created=False) if one.name in actual else preview(one) for one in fleet.servers
    ]


def _failure(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """What a failed run adds to its result; nothing when all went well."""
    unfinished = [outcome for outcome in outcomes if outcome.reason]
    if not unfinished:
        return {}
    reasons = " ".join(
        f"{outcome.name}: {summary(outcome.not_done[:1])[0]}: {outcome.reason}"
        if outcome.not_done
        else f"{outcome.name}: {outcome.reason}"
        for outcome in unfinished
    )
    return {
        "msg": f"{len(unfinished)} of {len(outcomes)} servers are unfinished. {reasons} Run it again to go on.",
        "changed": any(outcome.done for outcome in outcomes),
        "unfinished": [
            {
                "name": outcome.name,
                "reason": outcome.reason,
                "done": summary(outcome.done),
                "not_done": summary(outcome.not_done),
            }
            for outcome in unfinished
        ],
    }


def main() -> None:
    module = AnsibleModule(argument_spec=ARGUMENT_SPEC, supports_check_mode=True)
    if HCLOUD_IMPORT_ERROR:
        module.fail_json(msg=missing_required_lib("hcloud >= 2.10"), exception=HCLOUD_IMPORT_ERROR)
    params = module.params
    try:
        with Cloud(params["api_token"] or "", params["api_endpoint"], params["timeout"]) as cloud:
            result = converge(cloud, params, module.check_mode)
    except (Refused, CloudError) as exc:
        module.fail_json(msg=str(exc))
    for warning in result.pop("warnings"):
        module.warn(warning)
    if "unfinished" in result:
        module.fail_json(**result)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
