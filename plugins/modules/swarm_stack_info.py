#!/usr/bin/python
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, Triad contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)

"""What a swarm tells of one stack: its releases, services, tasks, and the deployment that is under way."""

from __future__ import annotations

DOCUMENTATION = r"""
module: swarm_stack_info
short_description: Tell the releases, drift and tasks of a stack on a Docker Swarm
description:
  - Reports what was deployed of a stack and by whom, what was changed by hand since, where its tasks are and why they
    ended, and how far a deployment is that is under way.
  - What M(triad.hetzner_swarm.swarm_stack) keeps in the Swarm is read, so any manager tells the same. Of a stack that
    was deployed otherwise there are services and tasks alone.
  - Values of secrets, contents of configs and the environment of services are never returned.
  - A stack that is not there is no error. Its lists are empty.
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
  name:
    description: Name of the stack.
    type: str
    required: true
seealso:
  - module: triad.hetzner_swarm.swarm_stack
  - module: triad.hetzner_swarm.swarm_info
"""

EXAMPLES = r"""
- name: See what was deployed, and what became of it
  triad.hetzner_swarm.swarm_stack_info:
    name: voteapp
  register: stack

- name: Require that nobody changed it by hand
  ansible.builtin.assert:
    that: stack.drift | length == 0
    fail_msg: "{{ stack.drift | join('; ') }}"

- name: Show why tasks ended
  ansible.builtin.debug:
    msg: "{{ item.service }} on {{ item.node }}, {{ item.since }}: {{ item.error }} (exit code {{ item.exit_code }})"
  loop: "{{ stack.tasks | selectattr('error') }}"
  loop_control:
    label: "{{ item.id }}"

- name: Wait until nobody deploys it
  triad.hetzner_swarm.swarm_stack_info:
    name: voteapp
  register: stack
  until: stack.deployment is none
  retries: 60
  delay: 5
"""

RETURN = r"""
release:
  description: Number of the newest release. None where there is none.
  returned: success
  type: int
  sample: 7
releases:
  description: The releases that are kept, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    number:
      description: Its number, for O(triad.hetzner_swarm.swarm_stack#module:release).
      type: int
      sample: 7
    deployed_at:
      description: When it had converged, in UTC.
      type: str
      sample: "2026-11-23T19:00:00+00:00"
    deployed_by:
      description: Who deployed it. Empty where the record does not tell.
      type: str
      sample: anna
    restores:
      description: Number of the release that it is a return to. None where it came from a file.
      type: int
      sample: 5
    complete:
      description:
        - Whether all services were as the Compose file said. If not, it is a step, of a deployment with
          O(triad.hetzner_swarm.swarm_stack#module:services).
      type: bool
      sample: true
    services:
      description: Its services, by their names in the Compose file.
      type: list
      elements: str
      sample: [db, vote]
    images:
      description: The image of each service, pinned by its digest where it was resolved.
      type: dict
      sample: {db: "postgres:15-alpine@sha256:8d7c...", vote: "shop/vote:2@sha256:1f0a..."}
    secrets:
      description: The secrets that it names, as the Swarm knows them.
      type: list
      elements: str
      sample: [voteapp_db_password_v1]
    configs:
      description: The configs that it names, as the Swarm knows them.
      type: list
      elements: str
      sample: [voteapp_edge_5f1c0d3a9b2e]
    networks:
      description: The networks that it declares, by their keys in the Compose file, with their options.
      type: dict
      sample: {backend: {driver: overlay, internal: true}}
services:
  description: The services of the stack as they are.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name in the Compose file.
      type: str
      sample: vote
    full_name:
      description: Name in the Swarm.
      type: str
      sample: voteapp_vote
    mode:
      description: V(Replicated), V(Global), V(ReplicatedJob) or V(GlobalJob).
      type: str
      sample: Replicated
    replicas_running:
      description: Tasks of the present spec that run, or that completed in the case of a job.
      type: int
      sample: 2
    replicas_desired:
      description: Tasks that shall run, or complete.
      type: int
      sample: 2
    image:
      description: The image of its tasks.
      type: str
      sample: shop/vote:2@sha256:1f0a...
    drift:
      description: The parts of its spec that are not as the newest release left them, by path. Empty where that has no
        such service.
      type: list
      elements: str
      sample: [Mode.Replicated.Replicas]
drift:
  description:
    - How the services differ from the newest release, one line each, with those that are gone and those that it does
      not have. Empty where nothing differs, and where there is no release.
    - What a deployment that is under way or has failed has changed until now is among it.
  returned: success
  type: list
  elements: str
  sample: [vote differs in Mode.Replicated.Replicas, worker is gone, test is not in release 7]
tasks:
  description:
    - The tasks of the services, by service and newest first, the ended ones included that the Swarm still keeps
      (O(triad.hetzner_swarm.swarm_settings#module:task_history_limit) of each slot).
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its ID, as for C(docker service logs).
      type: str
      sample: 0i2n7sjkbcgk1gl6w3kf1zzhg
    service:
      description: Name of its service in the Compose file.
      type: str
      sample: vote
    slot:
      description: Which of the replicas it is. None for a task of a global service.
      type: int
      sample: 1
    node:
      description: Host name of its node. None where it has no node yet, or one that is no member any more.
      type: str
      sample: server-fsn-1
    node_id:
      description: ID of its node. None where it has none yet.
      type: str
      sample: wrv7v9pzmhq0ah0prxhk7opn1
    state:
      description: What it does, as V(running), V(pending) or V(failed).
      type: str
      sample: failed
    desired_state:
      description: What it shall do, as V(running) or V(shutdown).
      type: str
      sample: shutdown
    error:
      description: Why it is not what it shall be, as its node or the scheduler says. Empty where all is well.
      type: str
      sample: "task: non-zero exit (1)"
    exit_code:
      description: Exit code of its container. None where that runs, or never did.
      type: int
      sample: 1
    image:
      description: Its image.
      type: str
      sample: shop/vote:2@sha256:1f0a...
    since:
      description: Since when it is in its state, by the clock of whoever put it there.
      type: str
      sample: "2026-11-23T19:00:03.482913021Z"
    current:
      description: Whether it is of the present spec of its service.
      type: bool
      sample: true
deployment:
  description: The deployment or removal that is under way. None where there is none.
  returned: success
  type: dict
  contains:
    holder:
      description: Who deploys.
      type: str
      sample: anna
    progress:
      description: How far it is. The services that have not converged, with what they wait for.
      type: str
      sample: voteapp_vote 1/2 (1 of 2 tasks running)
    since:
      description: When it began, by the clock of the managers' leader.
      type: str
      sample: "2026-11-23T19:00:00.120312Z"
    renewed:
      description: Its last sign of life, by the same clock. One that lives gives one every few seconds. A dead one is
        taken over by the next deployment.
      type: str
      sample: "2026-11-23T19:00:39.801244Z"
"""

from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _engine_module, _swarm
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import full_name
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import Reading
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import connect, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._nodes import check_manager
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import hostname
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_apply import service_facts
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_lock import deployment
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import drifted, drifts, strangers
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    LOCK_LABEL,
    NAMESPACE,
    State,
    labels_of,
    lock_name,
    read,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_tasks import ENDED, View

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ansible.module_utils.basic import AnsibleModule

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release

ARGUMENTS: dict[str, dict[str, Any]] = {"name": {"type": "str", "required": True}}


def collect(module: AnsibleModule, _done: list[Step]) -> dict[str, Any]:
    """The return values. Raises Refused on an engine that does not speak for a swarm."""
    api = connect(module.params)
    check_manager(_swarm.read(api))
    stack = module.params["name"]
    state = read(api, stack)
    with engine_errors(f"list the tasks of the stack {stack}"):
        tasks = api.tasks(filters={"label": f"{NAMESPACE}={stack}"})
    return {"changed": False, **report(state, Reading(tuple(state.services.values()), tuple(tasks), state.nodes))}


def report(state: State, now: Reading) -> dict[str, Any]:
    parts = drift_by_service(state)
    nodes = {node["ID"]: node for node in now.nodes}
    views = [View.of(service, now.tasks, nodes) for service in now.services]
    return {
        "release": state.release.number if state.release else None,
        "releases": [release_fact(release, state.stack) for release in reversed(state.releases)],
        "services": [{**fact, "drift": parts.get(fact["name"], [])} for fact in service_facts(now, state.stack)],
        "drift": [*drifts(state), *strangers(state)],
        "tasks": [
            task_fact(task, view, state.stack)
            for view in sorted(views, key=lambda view: view.name)
            for task in reversed(view.tasks)
        ],
        "deployment": deployment_fact(state),
    }


def release_fact(release: Release, stack: str) -> dict[str, Any]:
    compose = release.compose
    names = {
        kind: sorted(full_name(compose, stack, kind, key) for key in compose.get(kind, {}))
        for kind in ("secrets", "configs")
    }
    return {
        "number": release.number,
        "deployed_at": release.deployed_at,
        "deployed_by": release.deployed_by,
        "restores": release.restores,
        "complete": release.complete,
        "services": sorted(compose["services"]),
        "images": {name: service["image"] for name, service in compose["services"].items()},
        **names,
        "networks": {key: options or {} for key, options in compose.get("networks", {}).items()},
    }


def drift_by_service(state: State) -> dict[str, list[str]]:
    """By service that is there and in the newest release, the parts of its spec that differ."""
    release = state.release
    if release is None:
        return {}
    there = [name for name in release.compose["services"] if name in state.services]
    return {name: drifted(release.specs.get(name, {}), state.services[name]["Spec"]) for name in there}


def task_fact(task: Mapping[str, Any], view: View, stack: str) -> dict[str, Any]:
    status, node = task["Status"], view.nodes.get(task.get("NodeID", ""))
    container = status.get("ContainerStatus") or {}
    # One that never started has no ID, and 0 for an exit code.
    ended = status["State"] in ENDED and container.get("ContainerID")
    return {
        "id": task["ID"],
        "service": view.name[len(stack) + 1 :],
        "slot": task.get("Slot"),
        "node": hostname(node) if node else None,
        "node_id": task.get("NodeID"),
        "state": status["State"],
        "desired_state": task["DesiredState"],
        "error": status.get("Err", ""),
        "exit_code": container.get("ExitCode", 0) if ended else None,
        "image": task["Spec"].get("ContainerSpec", {}).get("Image", ""),
        "since": status["Timestamp"],
        "current": task in view.current,
    }


def deployment_fact(state: State) -> dict[str, Any] | None:
    config = state.configs.get(lock_name(state.stack), {})
    if LOCK_LABEL not in labels_of(config):
        return None
    return {**deployment(config), "renewed": config["UpdatedAt"]}


def main() -> None:
    _engine_module.run(ARGUMENTS, collect)


if __name__ == "__main__":
    main()
