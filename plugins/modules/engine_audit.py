#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""A node against the CIS Docker Benchmark."""

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_audit
short_description: Compare a node with the CIS Docker Benchmark, point by point
description:
  - Looks at the host, the Docker Engine, its files, images, running containers and the swarm, and judges every point of
    the benchmark, in the numbers of its versions 1.6 and 1.7. Nothing is changed.
  - Every point is in the result. Those that no program can judge are V(manual), and say what to look at.
  - What the swarm as a whole is like is judged on managers, and not applicable on workers.
  - Containers are named by their service. Values of variables, arguments of processes and tokens are not looked at any
    further than their names, and are never returned.
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
  accepted:
    description:
      - Deviations that someone has decided on, as the number of the point and the reason.
      - A point that would be V(fail) becomes V(accepted). On other points an entry has no effect.
      - Write the number in quotes, since YAML reads C(2.10) as C(2.1).
    type: dict
    default: {}
  fail_on:
    description:
      - V(failed) fails the task where a point fails, with one message that names each with its remedy. V(never) only
        returns what was found.
    type: str
    choices: [never, failed]
    default: never
notes:
  - Run it as root on the node itself, as it reads files and tables that other users may not.
  - Options of the daemon are read from its configuration file and its command line. What was written to the file after
    the daemon started is taken for what holds.
seealso:
  - name: CIS Docker Benchmark
    description: The benchmark itself, with the reasons for each point.
    link: https://www.cisecurity.org/benchmark/docker
  - module: triad.hetzner_swarm.swarm_info
"""

EXAMPLES = r"""
- name: Compare the node with the benchmark
  triad.hetzner_swarm.engine_audit:
    accepted:
      "2.9": The images run as users of their own.
      "2.12": Only root and its keys reach the socket.
  register: audit

- name: Fail where a point fails that nobody has decided on
  triad.hetzner_swarm.engine_audit:
    fail_on: failed
"""

RETURN = r"""
points:
  description: Every point of the benchmark, in its order.
  returned: always, once the node could be read
  type: list
  elements: dict
  contains:
    id:
      description: The number of the point.
      type: str
      sample: "2.13"
    section:
      description: What it is about.
      type: str
      sample: Daemon
    title:
      description: What should be so.
      type: str
      sample: Logs are kept in a central place
    level:
      description: The benchmark's level, 1 for everybody, 2 for more where it is worth it.
      type: int
      sample: 2
    status:
      description:
        - V(pass) and V(fail), V(accepted) for what would fail and is in O(accepted), V(manual) for what a person must
          look at, V(not_applicable).
      type: str
      sample: fail
    found:
      description: What was seen.
      type: str
      sample: the log driver is json-file, which keeps logs on this node
    reason:
      description: Why the deviation is accepted, or why the point is not applicable.
      type: str
      sample: ""
    remedy:
      description: What to do, or for V(manual) what to look at. Empty where there is nothing to do.
      type: str
      sample: Set a log driver that sends elsewhere (gelf, fluentd, syslog over TLS), or collect the log files.
failures:
  description: What fails, one line a point with what was found and the remedy.
  returned: always, once the node could be read
  type: list
  elements: str
  sample: ["2.18 Experimental features are off: experimental is true. Take \"experimental\": true out of daemon.json."]
counts:
  description: How many points have each status.
  returned: always, once the node could be read
  type: dict
  sample: {pass: 71, fail: 4, accepted: 9, manual: 21, not_applicable: 12}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _audit, _audit_state
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import (
    DOCKER_ARGUMENTS,
    EngineError,
    connect,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

ARGUMENTS: dict[str, dict[str, Any]] = {
    "accepted": {"type": "dict", "default": {}},
    "fail_on": {"type": "str", "choices": ["never", "failed"], "default": "never"},
}


def loaded_rules(module: AnsibleModule) -> str | None:
    """The rules that auditd has loaded, as auditctl lists them; None where it cannot, as in a container."""
    code, listed, _errors = module.run_command(["auditctl", "-l"])
    return listed if code == 0 else None


def look(module: AnsibleModule) -> tuple[str, list[dict[str, Any]]]:
    """The node's name, and its points as they are returned."""
    accepted = _audit.decisions(module.params["accepted"])
    auditd = module.get_bin_path("auditctl") is not None
    rules = loaded_rules(module) if auditd else None
    state = _audit_state.read(connect(module.params), rules, auditd)
    return state.info["Name"], _audit.judge(state, accepted)


def main() -> None:
    module = AnsibleModule(argument_spec={**DOCKER_ARGUMENTS, **ARGUMENTS}, supports_check_mode=True)
    try:
        node, points = look(module)
    except (EngineError, Refused) as error:
        module.fail_json(msg=str(error))
    failures = _audit.failures(points)
    result = {"points": points, "failures": failures, "counts": _audit.counts(points)}
    if failures and module.params["fail_on"] == "failed":
        total = f"{node}: {len(failures)} of {len(points)} points of the CIS Docker Benchmark fail."
        module.fail_json(msg=" ".join([total, *failures]), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
