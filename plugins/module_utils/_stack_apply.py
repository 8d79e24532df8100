# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carrying out the steps of a stack's plan.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass, field
from datetime import datetime, timezone
from time import monotonic
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import escaped
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import Baseline, Reading, Verdict, wait
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import is_up
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired, deploys
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    KEY_LABEL,
    NAMESPACE,
    RELEASE_LABEL,
    STACK_LABEL,
    State,
    key_name,
    spec_digests,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_tasks import ENDED, Progress, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from docker import APIClient

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import DockerCLI
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import Made

_LOG_LINES = 10
_NETWORK_SECONDS = 30
"""How long the tasks of a network may take to leave it once they are told to stop."""


class NotConvergedError(Exception):
    """The stack was deployed and did not become what was asked.

    failures: one {service, reason, logs} for each service that is not there.
    """

    def __init__(self, message: str, failures: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.failures = failures


@dataclass
class Engine:
    """A manager, by its API and by the command line, and the time the whole work may take.

    done: what has been changed so far, one line each: what a failure reports. timeout: seconds. deployed_by: who, for
    the release. tell: is given how far the work is, in words; may raise EngineError to end it.
    """

    client: APIClient
    cli: DockerCLI
    timeout: int
    deployed_by: str
    tell: Callable[[str], None]
    done: list[str] = field(default_factory=list)

    def deploy(self, steps: list[Step], desired: Desired, state: State, registry_auth: bool) -> list[str]:
        """Take the steps and record the release; returns warnings. Raises EngineError and NotConvergedError."""
        warnings = []
        if deploys(steps):
            if desired.uses_key and not state.hash_key:
                self._keep_key(desired)
            self._make(steps, desired.stack)
            self._converge(steps, desired, state, registry_auth)
            self._record(desired, state)
        for step in steps:
            if step.verb == "remove" and step.kind != "service":
                warnings += self._clear(step, state, min(_NETWORK_SECONDS, self.timeout))
        return warnings

    def remove(self, steps: list[Step], state: State) -> None:
        """Take the steps that remove a stack. Raises EngineError."""
        deadline = monotonic() + self.timeout
        self.tell("removes the stack")
        for step in steps:
            if step.kind == "service":
                self._delete(step, state)
        if not holds_within(self.timeout, lambda: not self._running(state.stack)):
            names = ", ".join(sorted({task["ID"] for task in self._running(state.stack)}))
            raise EngineError(
                f"Tasks of the stack {state.stack} still run {self.timeout} s after their services were removed: "
                f"{names}. Look at their nodes, or raise the option timeout, and run this again."
            )
        for step in steps:
            if step.kind != "service":
                refusals = self._clear(step, state, max(1.0, deadline - monotonic()))
                if refusals:
                    raise EngineError(" ".join(refusals))

    def _keep_key(self, desired: Desired) -> None:
        """First of all, so that a run that fails later leaves names that the next one uses again."""
        labels = {STACK_LABEL: desired.stack, KEY_LABEL: "names"}
        with engine_errors(f"keep the key of the stack {desired.stack} in a config"):
            self.client.create_config(key_name(desired.stack), desired.hash_key.encode(), labels=labels)

    def _make(self, steps: list[Step], stack: str) -> None:
        for step in steps:
            made: Made | None = step.payload.get("made")
            if made is None:
                continue
            content = made.content if made.content is not None else _random(made.length)
            create = self.client.create_secret if made.kind == "secret" else self.client.create_config
            with engine_errors(f"create the {made.kind} {made.name}"):
                create(made.name, content, labels={STACK_LABEL: stack})
            self.done.append(str(step))

    def _converge(self, steps: list[Step], desired: Desired, state: State, registry_auth: bool) -> None:
        stack = desired.stack
        self.tell("sends the Compose file")
        baseline = Baseline.of(reading(self.client, stack))
        text = escaped(desired.compose)
        self.done += self.cli.stack_deploy(stack, text, prune=desired.prune, registry_auth=registry_auth)
        touched = {f"{stack}_{step.name}" for step in steps if step.kind == "service" and step.verb != "remove"}
        expected = frozenset(f"{stack}_{name}" for name in desired.compose["services"])
        verdicts = wait(
            lambda: reading(self.client, stack),
            expected,
            baseline,
            frozenset(touched),
            self.timeout,
            tell=lambda verdicts: self.tell(progress(verdicts)),
        )
        if any(verdict.state != "converged" for verdict in verdicts):
            raise self._not_converged(state, verdicts)

    def _not_converged(self, state: State, verdicts: list[Verdict]) -> NotConvergedError:
        failed = [verdict for verdict in verdicts if verdict.state == "failed"]
        missing = failed or [verdict for verdict in verdicts if verdict.state != "converged"]
        failures = [
            {
                "service": verdict.service,
                "reason": verdict.reason,
                "logs": self.cli.task_logs(verdict.task, _LOG_LINES) if verdict.task else [],
            }
            for verdict in missing
        ]
        told = [
            f"{failure['service']}: {failure['reason']}"
            + (f" (it printed: {' | '.join(failure['logs'][-3:])})" if failure["logs"] else "")
            for failure in failures
        ]
        how = "cannot converge" if failed else f"did not converge within {self.timeout} s (option timeout)"
        back = f", or go back to what ran before (release: {state.release.number})" if state.release else ""
        message = (
            f"The stack {state.stack} {how}. {'; '.join(told)}. Its services are left as they are; "
            f"correct the cause and run this again{back}."
        )
        return NotConvergedError(message, failures)

    def _record(self, desired: Desired, state: State) -> None:
        """Keep the release in the Swarm."""
        services = reading(self.client, desired.stack).services
        prefix = len(desired.stack) + 1
        release = Release(
            number=state.release.number + 1 if state.release else 1,
            deployed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            compose=desired.compose,
            images=desired.images,
            specs={item["Spec"]["Name"][prefix:]: spec_digests(item["Spec"]) for item in services},
            deployed_by=self.deployed_by,
            restores=desired.restores,
        )
        name = release.name(desired.stack)
        labels = {STACK_LABEL: desired.stack, RELEASE_LABEL: str(release.number)}
        with engine_errors(f"record the release as the config {name}"):
            self.client.create_config(name, release.encoded(), labels=labels)
        self.done.append(f"recorded release {release.number}")

    def _clear(self, step: Step, state: State, seconds: float) -> list[str]:
        """Remove what nothing needs any more; returns why it is still there, if it is."""
        refusals: list[str] = []

        def gone() -> bool:
            refusals.clear()
            try:
                self._delete(step, state)
            except EngineError as error:
                if "in use" not in error.reason and "active endpoints" not in error.reason:
                    raise
                refusals.append(f"{error} The next run tries again.")
            return not refusals

        holds_within(seconds if step.kind in ("network", "volume") else 0, gone)
        return refusals

    def _delete(self, step: Step, state: State) -> None:
        verbs: dict[str, tuple[Mapping[str, Any], Callable[[str], object]]] = {
            "service": (state.services, self.client.remove_service),
            "network": (state.networks, self.client.remove_network),
            "secret": (state.secrets, self.client.remove_secret),
            "config": (state.configs, self.client.remove_config),
            "key": (state.configs, self.client.remove_config),
            "release": (state.configs, self.client.remove_config),
            "volume": ({step.name: {"ID": step.name}}, self.client.remove_volume),
        }
        objects, remove = verbs[step.kind]
        item = objects[step.name]
        try:
            with engine_errors(f"remove the {step.kind} {step.name}"):
                remove(item.get("ID") or item["Id"])
        except EngineError as error:
            if error.status != 404:
                raise
        self.done.append(str(step))

    def _running(self, stack: str) -> list[Any]:
        """The stack's tasks that a living node has not ended yet."""
        now = reading(self.client, stack)
        nodes = {node["ID"]: node for node in now.nodes}
        return [
            task
            for task in now.tasks
            if task["Status"]["State"] not in ENDED and is_up(nodes.get(task.get("NodeID", ""), {}))
        ]


def reading(client: APIClient, stack: str) -> Reading:
    """The stack's services and tasks, and the nodes. Raises EngineError."""
    labelled = {"label": f"{NAMESPACE}={stack}"}
    with engine_errors(f"read the tasks of the stack {stack}"):
        services, tasks = client.services(filters=labelled), client.tasks(filters=labelled)
        return Reading(tuple(services), tuple(tasks), tuple(client.nodes()))


def progress(verdicts: Iterable[Verdict]) -> str:
    """How far a deployment is, in one line: what is not there yet, or that all is."""
    waiting = [verdict for verdict in verdicts if verdict.state != "converged"]
    told = [
        f"{one.service} {one.running}/{one.desired}" + (f" ({one.reason})" if one.reason else "") for one in waiting
    ]
    return "; ".join(told) or "all services have converged"


def service_facts(now: Reading, stack: str) -> list[dict[str, Any]]:
    """The module's return value ``services``."""
    nodes = {node["ID"]: node for node in now.nodes}
    views: Iterable[View] = (View.of(service, now.tasks, nodes) for service in now.services)
    facts = []
    for view in views:
        progress = Progress.of(view)
        facts.append(
            {
                "name": view.name[len(stack) + 1 :],
                "full_name": view.name,
                "mode": next((key for key in view.mode), ""),
                "replicas_running": len(progress.reached),
                "replicas_desired": progress.desired,
                "image": view.service["Spec"]["TaskTemplate"].get("ContainerSpec", {}).get("Image", ""),
            }
        )
    return sorted(facts, key=lambda fact: fact["name"])


def _random(length: int) -> bytes:
    """Letters and digits, which need no quoting in any connection string."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _index in range(length)).encode()
