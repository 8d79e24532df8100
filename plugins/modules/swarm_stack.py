#!/usr/bin/python

# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack
short_description: Deploy a Compose file on a Docker Swarm and wait until it really runs
description:
  - Brings a stack to what its Compose file says. C(docker stack deploy) stays the tool that turns the file into
    services; this module adds a plan, a record of what was deployed, and an honest answer.
  - The plan compares the file with the last release and with the services as they are, so a service that was changed or
    removed by hand is noticed and repaired. Where nothing differs, nothing is sent to the engine.
  - Whatever would fail half-way is refused before anything is created. Placement constraints that no active node
    satisfies, published ports that another service has, external objects that do not exist, images that do not resolve.
  - It succeeds only when every service runs its tasks of the new spec, healthy where there is a health check, for the
    monitor period of C(update_config). It fails as soon as it is clear that this will not happen, and says why.
  - Each success is recorded in the Swarm as a release, the config C(<stack>.release.<number>); the last five are kept.
    A release holds the normalised file with its plain C(environment), as C(docker service inspect) shows it as well.
    Put passwords into O(secrets).
  - Works on any Swarm. Run it on one manager.
author: Triad contributors (@triad)
extends_documentation_fragment: triad.hetzner_swarm.docker
attributes:
  check_mode:
    description: Reads the Swarm and resolves images, plans, and changes nothing.
    support: full
  diff_mode:
    description: Shows the fields that change, by service. Values that look like passwords are hidden.
    support: full
  idempotent:
    description: A stack that is as its file says is left alone.
    support: full
options:
  name:
    description: Name of the stack.
    type: str
    required: true
  state:
    description:
      - V(present) deploys the Compose file.
      - V(absent) removes services, networks, secrets, configs and releases of the stack, and waits until its tasks are
        gone. Volumes are never removed.
    type: str
    choices: [present, absent]
    default: present
  compose:
    description:
      - The Compose file, as text. Relative paths in it are seen from V(/).
      - O(compose) or O(compose_path) is required if O(state=present).
    type: str
  compose_path:
    description: Path of the Compose file on the manager. Relative paths in it are seen from its folder.
    type: path
  variables:
    description:
      - Values for C(${NAME}) in the Compose file. The environment of the manager is not used.
      - They end up in the release, so they are no place for secrets.
    type: dict
    default: {}
  secrets:
    description:
      - Secrets that the module makes. The Compose file declares each as C(external) and refers to it by its name here;
        the module sets the name in the Swarm. An old secret is removed once no kept release names it.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The key under C(secrets) in the Compose file.
        type: str
        required: true
      value:
        description: The value. The name has a keyed hash of it, so another value replaces the tasks that use it.
        type: str
      generate:
        description: Make a random value of letters and digits on the manager, which it never leaves.
        type: dict
        suboptions:
          length:
            description: Number of characters.
            type: int
            default: 32
          generation:
            description: Raise it to get a new value, in a new secret named C(<stack>_<name>_v<generation>).
            type: int
            default: 1
  configs:
    description:
      - Configs that the module makes, named by their content. The Compose file declares each as C(external) and refers
        to it by its name here.
      - Configs and secrets that come from files (C(file) in the Compose file) are named by their content as well.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The key under C(configs) in the Compose file.
        type: str
        required: true
      content:
        description: The content.
        type: str
        required: true
  resolve_image:
    description:
      - When to ask the registry which digest an image has. A resolved image is deployed as C(name:tag@digest).
      - V(changed) asks for references that the last release does not have, and keeps the digests of all others.
      - V(always) asks for every reference, so that a tag that was pushed again is deployed.
      - V(never) deploys references as they are, for images that every engine has loaded.
    type: str
    choices: [changed, always, never]
    default: changed
  prune:
    description: Remove services, networks, secrets and configs of the stack that the Compose file no longer has.
    type: bool
    default: true
  registry_auth:
    description: Give the nodes the registry logins of the user that runs the module, so that they can pull.
    type: bool
    default: false
  timeout:
    description: Seconds until the stack has to run, or to be gone. What is missing then is named.
    type: int
    default: 300
requirements:
  - Docker's command line 23.0 or newer on the manager
  - PyYAML (package C(python3-yaml)) on the manager
seealso:
  - module: triad.hetzner_swarm.swarm_nodes
  - module: community.docker.docker_stack
"""

EXAMPLES = r"""
- name: Deploy a stack from a template, with a generated password
  triad.hetzner_swarm.swarm_stack:
    name: voteapp
    compose: "{{ lookup('ansible.builtin.template', 'docker-stack.yml.j2') }}"
    secrets:
      # In the file: secrets: {db_password: {external: true}}
      - name: db_password
        generate:
          length: 40

- name: Show what a file on the manager would change
  triad.hetzner_swarm.swarm_stack:
    name: voteapp
    compose_path: /voting-app/docker-stack.yml
    variables:
      REPLICAS: 3
  check_mode: true
  diff: true

- name: Deploy images that were pushed again under the same tag
  triad.hetzner_swarm.swarm_stack:
    name: voteapp
    compose_path: /voting-app/docker-stack.yml
    resolve_image: always
    registry_auth: true
    timeout: 600

- name: Remove the stack, but not its volumes
  triad.hetzner_swarm.swarm_stack:
    name: voteapp
    state: absent
"""

RETURN = r"""
plan:
  description: What was to be done, one line for a step, and what the Compose file says in vain.
  returned: always
  type: list
  elements: str
  sample: ["update service vote (replaces its tasks)", "note: deploying ignores services.db.shm_size"]
services:
  description: The services of the stack in the end.
  returned: when O(state=present)
  type: list
  elements: dict
  contains:
    name:
      description: Name in the Compose file.
      type: str
    full_name:
      description: Name in the Swarm.
      type: str
    mode:
      description: V(Replicated), V(Global), V(ReplicatedJob) or V(GlobalJob).
      type: str
    replicas_running:
      description: Tasks of the present spec that run, or that completed in the case of a job.
      type: int
    replicas_desired:
      description: Tasks that shall run, or complete.
      type: int
    image:
      description: The image of its tasks.
      type: str
release:
  description: Number of the newest release; null where there is none.
  returned: when O(state=present)
  type: int
applied:
  description: What was done, one line each, in order. After a failure, what had been done until then.
  returned: always
  type: list
  elements: str
failures:
  description: The services that did not become what was asked.
  returned: when the stack did not converge
  type: list
  elements: dict
  contains:
    service:
      description: Name in the Swarm.
      type: str
    reason:
      description: Why, with task, node and exit code where there are any.
      type: str
    logs:
      description: The last lines that the task in question printed.
      type: list
      elements: str
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import DOCKER_ARGUMENTS, EngineError, connect
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_apply import (
    Engine,
    NotConvergedError,
    service_facts,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import DockerCLI
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_desired import desired_stack
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import deploys, notes, plan, plan_absent
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_preflight import problems, unchangeable
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import read

_REQUEST_SECONDS = 60
_STACK_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?")

ARGUMENTS: dict[str, Any] = {
    "docker_host": DOCKER_ARGUMENTS["docker_host"],
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "compose": {"type": "str"},
    "compose_path": {"type": "path"},
    "variables": {"type": "dict", "default": {}},
    "secrets": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            "value": {"type": "str", "no_log": True},
            "generate": {
                "type": "dict",
                "options": {"length": {"type": "int", "default": 32}, "generation": {"type": "int", "default": 1}},
            },
        },
        "mutually_exclusive": [("value", "generate")],
        "required_one_of": [("value", "generate")],
    },
    "configs": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {"name": {"type": "str", "required": True}, "content": {"type": "str", "required": True}},
    },
    "resolve_image": {"type": "str", "choices": ["changed", "always", "never"], "default": "changed"},
    "prune": {"type": "bool", "default": True},
    "registry_auth": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
}


def converge(module: AnsibleModule, engine: Engine, result: dict[str, Any]) -> None:
    """Bring the stack to the state that is asked for; fills ``result`` on the way, so that a failure can report it."""
    params, stack = module.params, module.params["name"]
    if not _STACK_NAME.fullmatch(stack):
        raise Refused(f"name: {stack!r} is no name for a stack: use letters, digits, - and _")
    state = read(engine.client, stack)
    if params["state"] == "absent":
        steps = plan_absent(state)
        result.update(changed=bool(steps), plan=summary(steps), diff=diff(steps))
        if not module.check_mode:
            engine.remove(steps, state)
        return

    desired = desired_stack(params, state, engine.client, engine.cli)
    steps = plan(desired, state)
    found = [*unchangeable(desired, state), *(problems(desired, state) if deploys(steps) else ())]
    if found:
        raise Refused(". ".join(found))
    result.update(changed=bool(steps), plan=summary(steps) + notes(desired, state), diff=diff(steps))
    if not module.check_mode:
        for warning in engine.deploy(steps, desired, state, params["registry_auth"]):
            module.warn(warning)
    recorded = deploys(steps) and not module.check_mode
    number = state.release.number if state.release else 0
    result.update(
        release=number + recorded or None,
        services=service_facts(engine.reading(stack), stack),
    )


def main() -> None:
    module = AnsibleModule(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("compose", "compose_path")],
        required_if=[("state", "present", ("compose", "compose_path"), True)],
    )
    result: dict[str, Any] = {"changed": False, "plan": [], "diff": []}
    done: list[str] = []
    try:
        host = module.params["docker_host"]
        client = connect({"docker_host": host, "timeout": _REQUEST_SECONDS})
        cli = DockerCLI(module.run_command, module.get_bin_path("docker", required=True), host)
        converge(module, Engine(client, cli, module.params["timeout"], done), result)
    except NotConvergedError as error:
        module.fail_json(str(error), **{**result, "changed": bool(done), "applied": done, "failures": error.failures})
    except (Refused, EngineError) as error:
        module.fail_json(str(error), **{**result, "changed": bool(done), "applied": done})
    module.exit_json(**result, applied=done)


if __name__ == "__main__":
    main()
