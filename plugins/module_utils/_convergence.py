# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the services of a stack have become what was asked, and if not, whether they still can.

Note that this is private to the collection: other collections must not import it.

``judge`` is pure: it looks at one reading of services, tasks and nodes, and at a ``Watch`` that remembers since when
facts have held. Time is the observer's own, so the clocks of the nodes do not matter. ``wait`` is the loop around it.
Swarm reports a task as running only once its health check, where it has one, passed.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic, sleep
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import is_up
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_tasks import (
    ENDED,
    Progress,
    View,
    cause_of,
    is_stopping,
    slot_of,
)

INTERVAL = 0.25
PATIENCE = 5.0
"""Seconds a task may be refused by the scheduler, or a slot stay empty, before that counts as the end of the matter."""

READYING = 10.0
"""Seconds that services which run are given to become of use to those that end without them."""

Object = Mapping[str, Any]


@dataclass(frozen=True)
class Reading:
    """The stack's services and tasks and the Swarm's nodes, as the engine lists them."""

    services: tuple[Object, ...]
    tasks: tuple[Object, ...]
    nodes: tuple[Object, ...]


@dataclass(frozen=True)
class Baseline:
    """What was there before, so that it is not taken for an effect of this deployment.

    updates: by service ID, when its last update began. tasks: the IDs of all tasks.
    """

    updates: Mapping[str, str] = field(default_factory=dict)
    tasks: frozenset[str] = frozenset()

    @classmethod
    def of(cls, reading: Reading) -> Baseline:
        started = {item["ID"]: (item.get("UpdateStatus") or {}).get("StartedAt", "") for item in reading.services}
        return cls(started, frozenset(task["ID"] for task in reading.tasks))


class Watch:
    """Since when facts have been seen. A fact that is missing from one round is forgotten, an event never is."""

    def __init__(self) -> None:
        self.began: float | None = None
        self._now = 0.0
        self._held: dict[Hashable, float] = {}
        self._seen: set[Hashable] = set()
        self._events: dict[Hashable, dict[Hashable, float]] = {}

    def next_round(self, now: float) -> None:
        self._held = {fact: since for fact, since in self._held.items() if fact in self._seen}
        self._seen, self._now = set(), now
        self.began = now if self.began is None else self.began

    def since(self, fact: Hashable) -> float:
        """When the fact was first seen of all the rounds it has been seen in without a gap."""
        self._seen.add(fact)
        return self._held.setdefault(fact, self._now)

    def held(self, fact: Hashable) -> float:
        """For how many seconds the fact has been seen."""
        return self._now - self.since(fact)

    def events(self, kind: Hashable, new: Iterable[Hashable]) -> list[float]:
        """When each event of the kind was first seen, ``new`` ones included."""
        known = self._events.setdefault(kind, {})
        for event in new:
            known.setdefault(event, self._now)
        return sorted(known.values())


@dataclass(frozen=True)
class Verdict:
    """Of one service. state: "converged", "waiting" or "failed"; task: the ID of the one that explains a failure.

    due: seconds until its monitor period is over, where that alone is waited for.
    """

    service: str
    state: str
    running: int
    desired: int
    reason: str = ""
    task: str = ""
    due: float = INTERVAL


@dataclass(frozen=True)
class _Look:
    """One service in one round, before what its neighbours do is taken into account.

    suspicion: a verdict that becomes final once the services it may depend on have arrived.
    """

    verdict: Verdict
    arrived_since: float | None = None
    suspicion: Verdict | None = None
    failures: tuple[float, ...] = ()
    needed_after: int = 0


def judge(reading: Reading, baseline: Baseline, touched: frozenset[str], watch: Watch) -> list[Verdict]:
    """One verdict for each service, in the order of the reading.

    touched: full names of the services that the deployment created or changed; they have to hold for their monitor
    period. A crash loop is final only when it goes on after everything else runs: Swarm has no start order, and a
    service that ends because another is not there yet is retrying, as it should.
    """
    nodes = {node["ID"]: node for node in reading.nodes}
    stopping = any(
        is_stopping(task) and task["Status"]["State"] not in ENDED and is_up(nodes.get(task.get("NodeID", ""), {}))
        for task in reading.tasks
    )
    views = [View.of(service, reading.tasks, nodes) for service in reading.services]
    looks = [_look(view, stopping, baseline, touched, watch) for view in views]
    return [_final(look, [other for other in looks if other is not look], watch.began or 0.0) for look in looks]


def _final(look: _Look, others: list[_Look], began: float) -> Verdict:
    """The suspicion, where failures went on after every service that is not itself failing had arrived."""
    if look.suspicion is None:
        return look.verdict
    if not look.needed_after:
        return look.suspicion
    arrivals = [other.arrived_since for other in others if other.suspicion is None and other.verdict.state != "failed"]
    if None in arrivals:
        return look.verdict
    last = max((arrival for arrival in arrivals if arrival is not None), default=began)
    after = [moment for moment in look.failures if moment >= last]
    goes_on = len(after) >= look.needed_after and after[-1] >= last + READYING
    return look.suspicion if goes_on else look.verdict


def _look(view: View, stopping: bool, baseline: Baseline, touched: frozenset[str], watch: Watch) -> _Look:
    progress = Progress.of(view)
    verdict = Verdict(view.name, "waiting", len(progress.reached), progress.desired)
    update = view.service.get("UpdateStatus") or {}
    if update.get("StartedAt", "") == baseline.updates.get(view.service["ID"], ""):
        update = {}

    if update.get("State") == "paused" or update.get("State", "").startswith("rollback"):
        return _Look(_failed(verdict, *_stopped_update(update, view, baseline)))
    if progress.complete:
        since = watch.since(("arrived", view.name))
        held = watch.held(("settled", view.name, progress.reached))
        watched = view.name in touched and not view.is_job and progress.reached
        if update.get("State") == "updating" or (watched and held < view.monitor_seconds):
            due = view.monitor_seconds - held if update.get("State") != "updating" else INTERVAL
            waiting = replace(verdict, reason="its tasks run, their monitor period is not over", due=due)
            return _Look(waiting, arrived_since=since)
        return _Look(replace(verdict, state="converged"), arrived_since=since)

    hopeless = _hopeless(view, progress, stopping, watch)
    if hopeless:
        return _Look(_failed(verdict, *hopeless))
    return _suspect(replace(verdict, reason=_missing(view, progress, update)), view, baseline, watch)


def _failed(verdict: Verdict, reason: str, task: str) -> Verdict:
    return replace(verdict, state="failed", reason=reason, task=task)


def _stopped_update(update: Object, view: View, baseline: Baseline) -> tuple[str, str]:
    """Swarm gave the update up: paused it, or went back to the previous spec, by which this is no success."""
    what = {
        "paused": "the update is paused",
        "rollback_started": "the update failed and is being rolled back",
        "rollback_completed": "the update failed and was rolled back",
        "rollback_paused": "the update failed and its rollback is paused",
    }.get(update["State"], update["State"])
    failures = [task for task in view.tasks if task["ID"] not in baseline.tasks and view.is_failure(task)]
    if not failures:
        return f"{what}: {update.get('Message', 'no reason given')}", ""
    return f"{what}: {_told(failures[-1], view)}", failures[-1]["ID"]


def _hopeless(view: View, progress: Progress, stopping: bool, watch: Watch) -> tuple[str, str] | None:
    """A task no node takes, or a slot that Swarm does not fill again. Patient while tasks of the stack still stop."""
    done = len(progress.reached) if view.is_job else 0
    unfilled = progress.live + done < progress.desired
    for slot, task in view.newest().items():
        error = task["Status"].get("Err", "")
        if task["Status"]["State"] == "pending" and error and not is_stopping(task):
            # What a task that has just ended held is free for the scheduler only a moment later.
            if not stopping and watch.held(("refused", view.name, slot, error)) >= PATIENCE:
                return f"{view.task_name(task)} finds no node: {error}", task["ID"]
        elif unfilled and view.is_failure(task) and watch.held(("given up", view.name, task["ID"])) >= PATIENCE:
            return f"{_told(task, view)}; its restart_policy does not start it again", task["ID"]
    return None


def _suspect(verdict: Verdict, view: View, baseline: Baseline, watch: Watch) -> _Look:
    """Count failures by slot; with enough of them the service is suspected of never getting there."""
    by_slot: dict[str, list[Object]] = {}
    for task in view.failures(baseline.tasks):
        by_slot.setdefault(slot_of(task), []).append(task)
    for slot, failures in by_slot.items():
        moments = watch.events(("failures", view.name, slot), (task["ID"] for task in failures))
        cause = cause_of(failures[-1])
        if len(moments) >= cause.times:
            failed = _failed(verdict, f"{_told(failures[-1], view)} ({len(moments)} times)", failures[-1]["ID"])
            return _Look(verdict, suspicion=failed, failures=tuple(moments), needed_after=cause.times_after)
    return _Look(verdict)


def _missing(view: View, progress: Progress, update: Object) -> str:
    """What a service waits for, in words."""
    what = "completed" if view.is_job else "running"
    parts = [f"{len(progress.reached)} of {progress.desired} tasks {what}"]
    if progress.surplus:
        parts.append(f"{progress.surplus} more than there shall be still run")
    if update.get("State") == "updating":
        parts.append("the update is in progress")
    for task in view.tasks:
        state, error = task["Status"]["State"], task["Status"].get("Err", "")
        if view.is_live(task) and state != "running":
            parts.append(f"{view.task_name(task)} is {state}" + (f" ({error})" if error else ""))
    return ", ".join(parts[:5])


def _told(task: Object, view: View) -> str:
    return f"{view.task_name(task)}: {cause_of(task).words}"


def wait(
    read: Callable[[], Reading],
    expected: frozenset[str],
    baseline: Baseline,
    touched: frozenset[str],
    timeout: float,
    tell: Callable[[list[Verdict]], None],
    clock: Callable[[], float] = monotonic,
    pause: Callable[[float], None] = sleep,
) -> list[Verdict]:
    """Read and judge until every service converged, one failed, or ``timeout`` seconds are over.

    expected: full names of the services to judge; one that is not listed is waited for. An engine that does not answer
    for a while (restarted, electing a leader) is asked again. What is not "converged" in the end did not make it.
    tell: is given the verdicts of every round.
    """
    start, watch = clock(), Watch()
    verdicts = [Verdict(name, "waiting", 0, 0, "the engine does not list it yet") for name in sorted(expected)]
    while True:
        watch.next_round(clock())
        try:
            reading = read()
        except EngineError as error:
            reason = f"the engine cannot be asked: {error}"
            verdicts = [replace(verdict, state="waiting", reason=reason, due=INTERVAL) for verdict in verdicts]
        else:
            services = tuple(item for item in reading.services if item["Spec"]["Name"] in expected)
            latest = judge(replace(reading, services=services), baseline, touched, watch)
            judged = {verdict.service: verdict for verdict in latest}
            verdicts = [judged.get(verdict.service, verdict) for verdict in verdicts]
        tell(verdicts)
        if any(verdict.state == "failed" for verdict in verdicts):
            return verdicts
        if all(verdict.state == "converged" for verdict in verdicts) or clock() - start >= timeout:
            return verdicts
        due = (verdict.due for verdict in verdicts if verdict.state == "waiting")
        pause(min(INTERVAL, max(0.0, start + timeout - clock()), *due))
