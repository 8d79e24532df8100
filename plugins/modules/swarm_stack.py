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
  - Each success is recorded in the Swarm as a release, the config C(<stack>.release.<number>). So O(release) can go
    back to it from any manager, secrets and configs included. A release holds the normalised file with its plain
    C(environment), as C(docker service inspect) shows it as well. Put passwords into O(secrets).
  - Two runs for one stack exclude each other, on whichever managers. What a run that died has begun is finished by the
    next one, through any manager.
  - A service whose file names no C(deploy.update_config.order) is updated start-first where it is replicated, mounts
    nothing that it could write to, publishes no port in mode C(host) and has no C(max_replicas_per_node); else
    stop-first, as by the engine's default. The same holds for C(rollback_config).
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
        gone. Volumes stay, but for those that O(remove_volumes) names.
    type: str
    choices: [present, absent]
    default: present
  compose:
    description:
      - The Compose file, as text. Relative paths in it are seen from V(/).
      - One of O(compose), O(compose_path), O(compose_files) and O(release) is required if O(state=present).
    type: str
  compose_path:
    description: Path of the Compose file on the manager. Relative paths in it are seen from its folder.
    type: path
  compose_files:
    description:
      - Several Compose files, each merged over those before it. Relative paths in all of them are seen from the folder
        of the first one, or from V(/) where that is text.
    type: list
    elements: dict
    suboptions:
      content:
        description: The file, as text.
        type: str
      path:
        description: Its path on the manager.
        type: path
  release:
    description:
      - Deploy once more what a release has recorded, as the next release. A number, as
        M(triad.hetzner_swarm.swarm_stack_info) lists them, or V(previous) for the newest complete one before the newest
        of all. After a step that is where the steps began. A step goes by its number, and is one again.
      - After a deployment that failed, the newest release is what ran before; the error message tells its number.
        V(previous) is refused while the stack is not as its newest release left it, and both numbers are named; and
        where the newest release is a return itself, which V(previous) would undo. A step on the way back to the same
        release is continued.
    type: str
  services:
    description:
      - Deploy only these services of the file, or of the release. All others stay as the newest release has them, with
        their images, secrets and configs. So the members of a replicated store are updated one at a time.
      - One that the file no longer has is removed, if O(prune). One that neither has is refused, as is any name where
        there is no release yet.
      - While services that stay are not as the file says, the release that is recorded is a step. The deployment after
        which all are as the file says records a complete one, whichever services it names.
      - Services that stay are refused where they are not as the newest release left them, as the whole stack is sent.
      - Refused where a service that is deployed and one that stays refer to one secret, config, network or volume that
        the file and the newest release declare differently.
    type: list
    elements: str
    default: []
  variables:
    description:
      - Values for C(${NAME}) in the Compose file. The environment of the manager is not used. A name that is not here,
        and has no default in the file, is refused; write C($$) where a dollar sign is meant.
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
      file:
        description: Path of a file on the manager that has the value. Named like O(secrets[].value).
        type: path
      generate: &generate
        description: Make a random value of letters and digits on the manager, which it never leaves.
        type: dict
        suboptions:
          length:
            description: Number of characters. Another one takes effect with the next generation.
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
      file:
        description: Path of a file on the manager that has the content.
        type: path
      generate: *generate
  resolve_image:
    description:
      - When to ask the registry which digest an image has. A resolved image is deployed as C(name:tag@digest).
      - V(changed) asks for references that the last release does not have, and keeps the digests of all others.
      - V(always) asks for every reference, so that a tag that was pushed again is deployed.
      - With O(services) only theirs are asked for.
      - V(never) deploys references as they are, for images that every engine has loaded.
    type: str
    choices: [changed, always, never]
    default: changed
  prune:
    description:
      - Remove services, networks, secrets and configs of the stack that the Compose file no longer has. A secret or
        config that a kept release names stays.
    type: bool
    default: true
  keep_releases:
    description:
      - How many complete releases are kept, the newest included. What only older ones name is removed.
      - Steps are kept until a complete release is recorded, the newest of them as many.
    type: int
    default: 5
  on_drift:
    description:
      - What to do about a service that was changed or removed by hand since the last release. V(repair) makes it what
        the Compose file says. V(refuse) changes nothing and names the difference.
      - A deployment that failed leaves a difference as well, which V(refuse) takes for one by hand. With O(release) it
        is repaired in any case.
    type: str
    choices: [repair, refuse]
    default: repair
  remove_volumes:
    description:
      - Volumes to remove with the stack, with all their data, by their names in the Swarm (V(voteapp_db-data)). Only
        with O(state=absent), and only on the engine that the module runs on, as no manager can remove another node's.
    type: list
    elements: str
    default: []
  remove_volumes_confirm:
    description: The name of the stack once more. Without it O(remove_volumes) is refused.
    type: str
  deployed_by:
    description: Who deploys, for the list of releases. Without it the user that the module runs for, at its manager.
    type: str
  registry_auth:
    description: Give the nodes the registry logins of the user that runs the module, so that they can pull.
    type: bool
    default: false
  timeout:
    description:
      - Seconds until the stack has to run, or to be gone. What is missing then is named. Another run for the same stack
        is waited for as long.
      - How far a run is stands in the manager's journal (C(journalctl --follow --grep 'swarm_stack NAME')), and
        M(triad.hetzner_swarm.swarm_stack_info) tells it on any manager.
    type: int
    default: 300
requirements:
  - Docker's command line 23.0 or newer on the manager
  - PyYAML (package C(python3-yaml)) on the manager
seealso:
  - module: triad.hetzner_swarm.swarm_stack_info
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

- name: Merge what is different in production over the file for all
  triad.hetzner_swarm.swarm_stack:
    name: shop
    compose_files:
      - path: /srv/shop/compose.yml
      - content: "{{ lookup('ansible.builtin.template', 'production.yml.j2') }}"

- name: Go back to what ran before the last deployment, secrets and configs included
  triad.hetzner_swarm.swarm_stack:
    name: voteapp
    release: previous

- name: Update the members of a replicated store one at a time
  triad.hetzner_swarm.swarm_stack:
    name: store
    compose_path: /srv/store/compose.yml
    services: ["{{ item }}"]
  loop: [db1, db2, db3]

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

import getpass
import os
import re
import secrets
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import DOCKER_ARGUMENTS, EngineError, connect
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_apply import (
    Engine,
    NotConvergedError,
    patiently,
    reading,
    service_facts,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import DockerCLI
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_desired import desired_stack
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_lock import (
    REQUEST_SECONDS as LOCK_REQUEST_SECONDS,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_lock import Lock
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import (
    Desired,
    deploys,
    drifts,
    notes,
    plan,
    plan_absent,
    records,
    strangers,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_preflight import problems, unchangeable
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import chosen
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    State,
    lock_name,
    read,
    volumes_here,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import APIClient

_REQUEST_SECONDS = 60
_LONGEST_NAME = 48
"""The Swarm allows 64 for a config, of which a release takes the rest."""

_STACK_NAME = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9_-]*[a-zA-Z0-9])?")

_GENERATE: dict[str, Any] = {
    "type": "dict",
    "options": {"length": {"type": "int", "default": 32}, "generation": {"type": "int", "default": 1}},
}


def _contents(content: str, **spec: Any) -> dict[str, Any]:
    """The option for secrets or configs, which name what they hold ``content``."""
    sources = (content, "file", "generate")
    return {
        "type": "list",
        "elements": "dict",
        "default": [],
        "no_log": False,
        "options": {
            "name": {"type": "str", "required": True},
            content: {"type": "str", **spec},
            "file": {"type": "path"},
            "generate": _GENERATE,
        },
        "mutually_exclusive": [sources],
        "required_one_of": [sources],
    }


ARGUMENTS: dict[str, Any] = {
    "docker_host": DOCKER_ARGUMENTS["docker_host"],
    "name": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "compose": {"type": "str"},
    "compose_path": {"type": "path"},
    "compose_files": {
        "type": "list",
        "elements": "dict",
        "options": {"content": {"type": "str"}, "path": {"type": "path"}},
        "mutually_exclusive": [("content", "path")],
        "required_one_of": [("content", "path")],
    },
    "release": {"type": "str"},
    "services": {"type": "list", "elements": "str", "default": []},
    "variables": {"type": "dict", "default": {}},
    "secrets": _contents("value", no_log=True),
    "configs": _contents("content"),
    "resolve_image": {"type": "str", "choices": ["changed", "always", "never"], "default": "changed"},
    "prune": {"type": "bool", "default": True},
    "keep_releases": {"type": "int", "default": 5},
    "on_drift": {"type": "str", "choices": ["repair", "refuse"], "default": "repair"},
    "remove_volumes": {"type": "list", "elements": "str", "default": []},
    "remove_volumes_confirm": {"type": "str"},
    "deployed_by": {"type": "str"},
    "registry_auth": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 300},
}
_SOURCES = ("compose", "compose_path", "compose_files", "release")


@dataclass(frozen=True)
class Work:
    """What is to be done. desired: None where the stack shall be gone. notes: what the steps do not say."""

    state: State
    desired: Desired | None
    steps: list[Step]
    notes: list[str]

    def told(self) -> dict[str, Any]:
        """The part of the result that a dry run has, too."""
        return {"changed": bool(self.steps), "plan": summary(self.steps) + self.notes, "diff": diff(self.steps)}


def check(params: Mapping[str, Any]) -> None:
    """Refuse what the options alone tell to be wrong."""
    stack = params["name"]
    if not _STACK_NAME.fullmatch(stack):
        raise Refused(f"name: {stack!r} is no name for a stack: use letters, digits, - and _")
    if len(stack) > _LONGEST_NAME:
        raise Refused(f"name: {stack} has {len(stack)} characters, and its records in the Swarm allow {_LONGEST_NAME}")
    if params["state"] == "present" and not any(params[source] for source in _SOURCES):
        raise Refused(f"{', '.join(_SOURCES)}: all of them are empty, and one has to say what to deploy")
    given = [option for option in ("variables", "secrets", "configs") if params[option]]
    if params["release"] and given:
        raise Refused(f"release: a release has all it needs in its record, so leave out {', '.join(given)}")
    if params["keep_releases"] < 1:
        raise Refused(f"keep_releases is {params['keep_releases']}: keep at least 1, which tells what is deployed")
    if params["services"] and params["state"] == "absent":
        raise Refused("services is for state: present; to remove some, deploy a file without them")
    if params["remove_volumes"] and params["state"] != "absent":
        raise Refused("remove_volumes is for state: absent; a volume that no service mounts stays")
    if params["remove_volumes"] and params["remove_volumes_confirm"] != stack:
        raise Refused(
            f"remove_volumes would delete the data in {', '.join(params['remove_volumes'])} for good: if that is "
            f"meant, set remove_volumes_confirm to {stack}"
        )


def work_out(params: Mapping[str, Any], client: APIClient, cli: DockerCLI, new_key: str) -> Work:
    """Read the Swarm and plan. Raises Refused where the plan cannot be carried out."""
    state = read(client, params["name"])
    if params["state"] == "absent":
        here = volumes_here(client, params["remove_volumes"])
        elsewhere = sorted(set(params["remove_volumes"]) - set(here))
        told = [f"note: this engine has no volume {name}; volumes of other nodes stay" for name in elsewhere]
        return Work(state, None, plan_absent(state, here), told)
    desired = desired_stack(params, state, client, cli, new_key)
    steps = plan(desired, state)
    found = [*unchangeable(desired, state), *(problems(desired, state) if deploys(steps) else ())]
    found += drift_refusal(params, state)
    if found:
        raise Refused(". ".join(found))
    return Work(state, desired, steps, notes(desired, state))


def drift_refusal(params: Mapping[str, Any], state: State) -> Iterator[str]:
    """Why what differs from the newest release stands in the way, where it does."""
    names = params["services"]
    drift, beside = drifts(state), drifts(state, but=names)
    # Without prune they stay, and stand in nobody's way.
    if params["prune"] or params["release"] == "previous":
        drift += strangers(state)
        beside += strangers(state, but=names)
    if not drift or state.release is None:
        return
    left = f"The stack is not as release {state.release.number} left it"
    difference = f"{left}: {'; '.join(drift)}"
    if params["release"] == "previous":
        yield (
            f"{difference}. So a deployment has failed since, or somebody has changed it, and 'previous' may mean two "
            f"releases: set release to {state.release.number} for what the last success left, or to "
            f"{chosen(state.releases, 'previous').number} for the one before"
        )
    elif names and beside:
        yield (
            f"{left}: {'; '.join(beside)}. Only {', '.join(names)} shall change, and sending the stack would change "
            "that as well: deploy it first, or leave services empty"
        )
    elif params["on_drift"] == "refuse" and not params["release"]:
        yield (
            f"{difference}. Take over what was changed by hand, or set on_drift to repair, which makes it what the "
            "Compose file says"
        )


def converge(module: AnsibleModule, client: APIClient, cli: DockerCLI, result: dict[str, Any]) -> None:
    """Bring the stack to the state that is asked for; fills ``result`` on the way, so that a failure can report it."""
    params = module.params
    check(params)
    stack = params["name"]
    by = params["deployed_by"] or f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"
    key = "" if module.check_mode else secrets.token_hex(16)
    work = work_out(params, client, cli, key)
    # A run that died before its last step has left nothing to do but its lock.
    if (work.steps or lock_name(stack) in work.state.configs) and not module.check_mode:
        with Lock(lambda: asked(params, LOCK_REQUEST_SECONDS), stack, by, params["timeout"]) as lock:
            # What was read before the lock was held may be what another run has changed since.
            work = work_out(params, client, cli, key)
            result.update(work.told())
            engine = Engine(client, cli, params["timeout"], by, told_to(module, lock), result["applied"])
            apply(module, engine, work)
    result.update(work.told())
    if work.desired:
        number = work.state.release.number if work.state.release else 0
        recorded = records(work.steps) and not module.check_mode
        result["release"] = number + recorded or None
        patiently(lambda: result.update(services=service_facts(reading(client, stack), stack)))


def asked(params: Mapping[str, Any], seconds: int) -> APIClient:
    """A client of the engine that the options name, and how long each of its questions may take."""
    return connect({"docker_host": params["docker_host"], "timeout": seconds})


def apply(module: AnsibleModule, engine: Engine, work: Work) -> None:
    if work.desired is None:
        engine.remove(work.steps, work.state)
        return
    for warning in engine.deploy(work.steps, work.desired, work.state, module.params["registry_auth"]):
        module.warn(warning)


def told_to(module: AnsibleModule, lock: Lock) -> Callable[[str], None]:
    """What tells of progress: the journal of the manager, once for each change, and the lock."""
    told: list[str] = []

    def tell(progress: str) -> None:
        if told != [progress]:
            told[:] = [progress]
            module.log(f"swarm_stack {module.params['name']}: {progress}")
        lock.tell(progress)

    return tell


class Module(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """One that does not log what it was called with: files and values of secrets would be in the journal."""

    def _log_invocation(self) -> None:
        pass


def main() -> None:
    module = Module(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[_SOURCES],
        required_if=[("state", "present", _SOURCES, True)],
    )
    result: dict[str, Any] = {"changed": False, "plan": [], "diff": [], "applied": []}
    try:
        client = asked(module.params, _REQUEST_SECONDS)
        binary = module.get_bin_path("docker", required=True)
        cli = DockerCLI(module.run_command, binary, module.params["docker_host"], module.params["timeout"])
        converge(module, client, cli, result)
    except NotConvergedError as error:
        module.fail_json(str(error), **{**result, "changed": bool(result["applied"]), "failures": error.failures})
    except (Refused, EngineError) as error:
        module.fail_json(str(error), **{**result, "changed": bool(result["applied"])})
    module.exit_json(**result)


if __name__ == "__main__":
    main()
