# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One deployment of a stack at a time, on whichever manager: a lock that is kept in the Swarm.

Note that this is private to the collection: other collections must not import it.

The lock is the config ``<stack>.lock``: of two that make it at once, the Swarm lets one. Its labels tell who holds it
and how far the work is. The holder renews them every few seconds, so a lock that stays as it is belongs to nobody any
more and is taken over. Only the observer's own clock counts, as those of managers may differ.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from http import HTTPStatus
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    LOCK_LABEL,
    STACK_LABEL,
    labels_of,
    lock_name,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from docker import APIClient

RENEWED_EVERY = 3.0
"""Seconds between two signs of life of a holder."""

STALE_AFTER = 15.0
"""Seconds without one after which the lock is nobody's. An election of managers does not count, as none can be seen."""

_INTERVAL = 1.0
_PROGRESS_LABEL = f"{LOCK_LABEL}.progress"
_RENEWALS_LABEL = f"{LOCK_LABEL}.renewals"
REQUEST_SECONDS = 10
"""How long an engine may take to answer about the lock: less than a lock takes to be stale."""


class Lock:
    """The lock of a stack, held while it is used as a context.

    connect: gives another client of the same manager, which asks with little patience. holder: who, in words.
    wait: seconds to wait for a holder that is alive. Raises Refused when that was not enough.
    """

    def __init__(self, connect: Callable[[], APIClient], stack: str, holder: str, wait: float) -> None:
        self._client = connect()
        self._stack = stack
        self._holder = holder
        self._wait = wait
        self._id = ""
        self._progress = "begins"
        self._renewed_at = 0.0
        self._renewals = 0
        self._renewing = threading.Lock()
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> Lock:
        deadline, watch = monotonic() + self._wait, _Watch()
        while not self._take(watch):
            held = self._held_by_another(watch)
            if held is not None and watch.silent_for(held["ID"], held["Version"]["Index"]) >= STALE_AFTER:
                self._remove(held["ID"])
            elif monotonic() >= deadline:
                raise Refused(
                    f"The stack {self._stack} is being deployed by {watch.holder}, and was for the {self._wait:g} s "
                    "that were waited (option timeout). Nothing was changed. Run this again when that is done; what "
                    f"died is noticed {STALE_AFTER:g} s after its last sign of life."
                )
            elif held is not None or watch.holder:
                sleep(_INTERVAL)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        # One that cannot be given back is taken over in its time.
        with suppress(EngineError):
            self._remove(self._id)

    def tell(self, progress: str) -> None:
        """Say how far the work is, for whoever looks at the lock. Raises EngineError where it has been taken over."""
        self._progress = progress
        # Not heard of for so long, by a pause of this machine or of the engine, it may be somebody else's by now.
        if monotonic() - self._renewed_at > STALE_AFTER / 2:
            self._renew_once()
        if self._lost.is_set():
            raise EngineError(
                f"Another run has taken over the deployment of the stack {self._stack}, as this one was not heard of "
                f"for {STALE_AFTER:g} s. Run this again."
            )

    def _labels(self, renewals: int) -> dict[str, str]:
        return {
            STACK_LABEL: self._stack,
            LOCK_LABEL: self._holder,
            _PROGRESS_LABEL: self._progress,
            _RENEWALS_LABEL: str(renewals),
        }

    def _take(self, watch: _Watch) -> bool:
        try:
            with engine_errors(f"lock the stack {self._stack}"):
                made = self._client.create_config(lock_name(self._stack), b"lock", labels=self._labels(0))
        except EngineError as error:
            # Once a holder has been seen, managers that elect a leader are waited for like the holder.
            if error.status != HTTPStatus.CONFLICT and not watch.holder:
                raise
            return False
        self._id, self._renewed_at = made["ID"], monotonic()
        return True

    def _held_by_another(self, watch: _Watch) -> Any:
        try:
            with engine_errors(f"read the lock of the stack {self._stack}"):
                found = self._client.configs(filters={"name": lock_name(self._stack)})
        except EngineError:
            if not watch.holder:
                raise
            return None
        # The filter finds longer names, too.
        held = next((item for item in found if item["Spec"]["Name"] == lock_name(self._stack)), None)
        if held is not None and LOCK_LABEL not in labels_of(held):
            raise Refused(
                f"There is a config {lock_name(self._stack)} that this module has not made, and it needs that name for "
                "its lock: remove the config, or give the stack another name"
            )
        if held is not None:
            labels = labels_of(held)
            watch.holder = f"{labels[LOCK_LABEL]} ({labels.get(_PROGRESS_LABEL, '')})"
        return held

    def _remove(self, key: str) -> None:
        try:
            with engine_errors(f"unlock the stack {self._stack}"):
                self._client.remove_config(key)
        except EngineError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_EVERY):
            self._renew_once()

    def _renew_once(self) -> None:
        with self._renewing:
            self._renewals += 1
            try:
                with engine_errors(f"renew the lock of the stack {self._stack}"):
                    item = self._client.inspect_config(self._id)
                    # The SDK has no method for this.
                    answer = self._client.post(
                        f"{self._client.base_url}/v{self._client.api_version}/configs/{self._id}/update",
                        params={"version": item["Version"]["Index"]},
                        json={**item["Spec"], "Labels": self._labels(self._renewals)},
                        timeout=REQUEST_SECONDS,
                    )
                    answer.raise_for_status()
            except EngineError as error:
                if error.status == HTTPStatus.NOT_FOUND:
                    self._lost.set()
            else:
                self._renewed_at = monotonic()


class _Watch:
    """For how long a lock has shown no sign of life, seen at least every few seconds.

    holder: who had it when it was last seen, in words; empty while nobody has.
    """

    def __init__(self) -> None:
        self.holder = ""
        self._seen: tuple[str, int] | None = None
        self._since = 0.0
        self._last = 0.0

    def silent_for(self, key: str, version: int) -> float:
        now = monotonic()
        # While managers elect a leader nobody could have renewed anything.
        if self._seen != (key, version) or now - self._last > RENEWED_EVERY:
            self._since = now
        self._seen, self._last = (key, version), now
        return now - self._since


def deployment(config: Mapping[str, Any]) -> dict[str, str]:
    """What a lock tells: its holder, and how far the work is."""
    labels = labels_of(config)
    return {"holder": labels[LOCK_LABEL], "progress": labels.get(_PROGRESS_LABEL, ""), "since": config["CreatedAt"]}
