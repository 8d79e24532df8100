# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asynchronous actions: each is a task that drives the machines, and a record from which it can be run again."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from lab.api.faults import Faults
from lab.api.models.action import Action, ActionError, Ref
from lab.api.project import Project, now
from lab.api.settings import Settings
from lab.balancers.base import BalancerError
from lab.machines.base import MachineError

Handler = Callable[[Action], Awaitable[None]]

_log = logging.getLogger("lab.api")
_PROGRESS_STEPS = 10


class FailedActionError(Exception):
    """Ends an action in error with a code of the API."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Actions:
    """Starts actions, holds their locks, and carries on after a restart with those that were running.

    A handler must be safe to run twice: it may have been interrupted anywhere.
    """

    def __init__(self, project: Project, settings: Settings, faults: Faults) -> None:
        self._project = project
        self._settings = settings
        self._faults = faults
        self._handlers: dict[tuple[str, str], tuple[Handler, Handler]] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._locks: Counter[Ref] = Counter()
        self._late: set[asyncio.Task[None]] = set()

    def handle(self, resource: str, command: str, run: Handler, undo: Handler) -> None:
        """Run actions of this command, on this type of first resource, by ``run``; by ``undo`` when they fail."""
        self._handlers[resource, command] = (run, undo)

    def begin(
        self,
        command: str,
        resources: Iterable[Ref],
        *,
        arguments: Mapping[str, Any] | None = None,
        after: Action | None = None,
        locks: Iterable[Ref] = (),
    ) -> Action:
        """Record an action and start it; with ``after``, once that one has ended, well or not."""
        action = self._project.actions.put(
            Action(
                id=self._project.new_id(),
                command=command,
                started=now(),
                resources=list(resources),
                arguments=dict(arguments or {}),
                after=after.id if after else None,
                locks=list(locks),
            )
        )
        self._spawn(action)
        return action

    def later(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        """Do what no action waits for any more, some seconds from now; a stop of the API forgets it."""

        async def wait_and_work() -> None:
            await asyncio.sleep(seconds)
            await work()

        task = asyncio.create_task(wait_and_work())
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    def locked(self, resource: Ref) -> bool:
        """Whether a running action holds this resource."""
        return self._locks[resource] > 0

    def resume(self) -> None:
        """Run again what a stop of the API has interrupted."""
        for action in self._project.actions:
            if action.status == "running":
                _log.info("resuming action %s (%s)", action.id, action.command)
                self._spawn(action)

    async def close(self) -> None:
        """Interrupt all actions; they stay recorded as running."""
        tasks = [*self._tasks.values(), *self._late]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _spawn(self, action: Action) -> None:
        self._locks.update(action.locks)
        task = asyncio.create_task(self._run(action), name=f"{action.command} {action.id}")
        self._tasks[action.id] = task
        task.add_done_callback(lambda _: self._release(action))

    def _release(self, action: Action) -> None:
        del self._tasks[action.id]
        self._locks.subtract(action.locks)

    async def _run(self, action: Action) -> None:
        run, undo = self._handlers[action.resources[0].type, action.command]
        if before := self._tasks.get(action.after or 0):
            await asyncio.wait({before})
        try:
            await self._hesitate(action)
            await run(action)
        except FailedActionError as error:
            await self._fail(action, undo, ActionError(code=error.code, message=error.message))
        except (MachineError, BalancerError) as error:
            await self._fail(action, undo, ActionError(code="action_failed", message=str(error)))
        except Exception:
            _log.exception("action %s (%s) failed", action.id, action.command)
            await self._fail(action, undo, ActionError(code="server_error", message="the lab failed; see its log"))
        else:
            self._project.actions.update(action.id, status="success", progress=100, finished=now())

    async def _hesitate(self, action: Action) -> None:
        """Take the time that the settings and the faults ask for, and fail if a fault asks for that."""
        fault = self._faults.for_action(action.command)
        seconds = self._settings.latency(action.command) + (fault.delay if fault else 0)
        if seconds:
            for step in range(_PROGRESS_STEPS):
                await asyncio.sleep(seconds / _PROGRESS_STEPS)
                self._project.actions.update(action.id, progress=(step + 1) * 90 // _PROGRESS_STEPS)
        if fault and fault.code:
            raise FailedActionError(fault.code, fault.message)

    async def _fail(self, action: Action, undo: Handler, error: ActionError) -> None:
        try:
            await undo(action)
        except Exception:
            _log.exception("cleaning up after action %s (%s) failed", action.id, action.command)
        self._project.actions.update(action.id, status="error", finished=now(), error=error)
