# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both pages promise from the moment they are told to stop until they do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

from lab.daemons import wait_for

LEAVE_SECONDS = 3

Status = Callable[[str], int | None]
"""Of a path; None where nobody answers."""


def leave(process: subprocess.Popen[bytes], status: Status, meanwhile: Callable[[], None]) -> None:
    """The page says that it leaves, and answers everything until nobody is there. ``meanwhile`` is called in between.

    Only what must not come too early is timed: on a slow machine all of it comes late.
    """
    begun = time.monotonic()
    process.terminate()
    assert wait_for(lambda: status("/healthz") == 503, seconds=LEAVE_SECONDS, interval=0.01)
    meanwhile()
    assert set(_answers(status)) == {("/", 200), ("/healthz", 503)}
    assert time.monotonic() - begun >= LEAVE_SECONDS


def _answers(status: Status) -> Iterator[tuple[str, int]]:
    """Until one is missing."""
    while True:
        for path in ("/", "/healthz"):
            answer = status(path)
            if answer is None:
                return
            yield path, answer
        time.sleep(0.05)
