# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""An API that dies in the middle of something, and comes up again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Protocol

from lab.daemons import wait_for

LONGEST_WAIT = 120


class Mortal(Protocol):
    """An API whose process can be killed at once, and started again with the state it left."""

    def kill_api(self) -> None: ...

    def start_api(self) -> None: ...


@contextmanager
def outage(mortal: Mortal, seconds: float, when: Callable[[], bool]) -> Iterator[Event]:
    """Once something has happened, the API is killed, and started again after some seconds.

    Yields what is set when it has been killed. It is up again when the context is left.
    """
    killed, over = Event(), Event()

    def go_down() -> None:
        if wait_for(lambda: over.is_set() or when(), seconds=LONGEST_WAIT) and not over.is_set():
            mortal.kill_api()
            killed.set()
            time.sleep(seconds)
            mortal.start_api()

    thread = Thread(target=go_down)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()
