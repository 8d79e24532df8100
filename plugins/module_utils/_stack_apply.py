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
from http import HTTPStatus
from time import monotonic
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import escaped
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import Baseline, Reading, Verdict, wait
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import is_up
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_masking import without_passwords
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired, deploys, records
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    IMAGE_LABEL,
    KEY_LABEL,
    NAMESPACE,
    RELEASE_LABEL,
    STACK_LABEL,
    State,
    image_of,
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
_ELECTION_SECONDS = 30
_NETWORK_SECONDS = 30
"""How long the tasks of a network may take to leave it once they are told to stop."""


class NotConvergedError(Exception):
    """The stack was deployed and did not become what was asked.

    failures: one {service, reason, logs} for each service that is not there.
    """

    def __init__(self, message: str, failures: list[dict[str, Any]]) -> None:
        super().__init__(message)
        self.failures = failures


@dataclass(frozen=True)
class _Sent:
    """baseline: what was there before. specs: by service, the digests of its spec as the engine took it.

    What somebody changes while the stack converges is therefore no part of the release.
    """

    baseline: Baseline
    specs: Mapping[str, Mapping[str, str]]


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
            sent = self._send(desired, state, registry_auth)
            self._converge(steps, desired, state, sent)
            self._record(desired, state, sent.specs)
        elif state.release and records(steps):
            left = state.release.specs
            self._record(desired, state, {name: left[name] for name in desired.compose["services"]})
        for step in steps:
            if step.verb == "remove" and step.kind != "service":
                self.tell(str(step))
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
        self.done.append("made the key that contents are named with")

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

    def _send(self, desired: Desired, state: State, registry_auth: bool) -> _Sent:
        stack = desired.stack
        self.tell("sends the Compose file")
        baseline = Baseline.of(reading(self.client, stack))
        for name, service in state.services.items():
            spec = service["Spec"]
            image = desired.compose["services"].get(name, {}).get("image")
            if spec["Labels"].get(IMAGE_LABEL) == image and image_of(spec) != image:
                self.cli.forget_image(spec["Name"])
                self.done.append(f"took the label {IMAGE_LABEL} from {spec['Name']}")
        text = escaped(desired.compose)
        self.cli.stack_deploy(stack, text, prune=desired.prune, registry_auth=registry_auth, done=self.done)
        specs = {item["Spec"]["Name"][len(stack) + 1 :]: item["Spec"] for item in reading(self.client, stack).services}
        others = [
            f"{name} has {image_of(specs[name])}"
            for name, service in desired.compose["services"].items()
            if name in specs and image_of(specs[name]) != service["image"]
        ]
        if others:
            raise EngineError(
                f"The engine has not taken the images of the Compose file: {', '.join(others)}. Run this again."
            )
        return _Sent(
            baseline, {name: spec_digests(specs[name]) for name in desired.compose["services"] if name in specs}
        )

    def _converge(self, steps: list[Step], desired: Desired, state: State, sent: _Sent) -> None:
        stack = desired.stack
        touched = {f"{stack}_{step.name}" for step in steps if step.kind == "service" and step.verb != "remove"}
        expected = frozenset(f"{stack}_{name}" for name in desired.compose["services"])
        verdicts = wait(
            lambda: reading(self.client, stack),
            expected,
            sent.baseline,
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
                "logs": [without_passwords(line) for line in self._logs(verdict)],
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

    def _logs(self, verdict: Verdict) -> list[str]:
        return self.cli.task_logs(verdict.task, _LOG_LINES) if verdict.task else []

    def _record(self, desired: Desired, state: State, specs: Mapping[str, Mapping[str, str]]) -> None:
        """Keep the release in the Swarm, also where managers are just electing a leader."""
        self.tell("records the release")
        release = Release(
            number=state.release.number + 1 if state.release else 1,
            deployed_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            compose=desired.compose,
            images=desired.images,
            specs=specs,
            deployed_by=self.deployed_by,
            restores=desired.restores,
            complete=desired.complete,
        )
        name = release.name(desired.stack)
        labels = {STACK_LABEL: desired.stack, RELEASE_LABEL: str(release.number)}

        def record() -> None:
            with engine_errors(f"record the release as the config {name}"):
                self.client.create_config(name, release.encoded(), labels=labels)

        patiently(record)
        self.done.append(f"recorded release {release.number}" + ("" if release.complete else ", a step"))

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


def patiently(action: Callable[[], None]) -> None:
    """Do what must not fail for an election of the managers. Raises EngineError as the engine's last word."""
    errors: list[EngineError] = []

    def done() -> bool:
        errors.clear()
        try:
            action()
        except EngineError as error:
            # What is there already will not change by waiting.
            if error.status == HTTPStatus.CONFLICT:
                raise
            errors.append(error)
        return not errors

    if not holds_within(_ELECTION_SECONDS, done):
        raise errors[0]


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
                "image": image_of(view.service["Spec"]),
            }
        )
    return sorted(facts, key=lambda fact: fact["name"])


def _random(length: int) -> bytes:
    """Letters and digits, which need no quoting in any connection string."""
    alphabet = string.ascii_letters + string.digits
    return "".join(secrets.choice(alphabet) for _index in range(length)).encode()
