# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What both pages promise from the moment they are told to stop until they do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator

LEAVE_SECONDS = 3
SECONDS_UNTIL_IT_SAYS_SO = 0.5

Status = Callable[[str], int | None]
"""Of a path; None where nobody answers."""


def leave(process: subprocess.Popen[bytes], status: Status, meanwhile: Callable[[], None]) -> float:
    """The page says that it leaves, and answers everything until nobody is there. ``meanwhile`` is called in between.

    Returns time.monotonic() of when it was told to. A tester that is slow does not make the page late.
    """
    begun = time.monotonic()
    process.terminate()
    asked = begun
    while (answer := status("/healthz")) == 200 and asked - begun < SECONDS_UNTIL_IT_SAYS_SO:
        time.sleep(0.01)
        asked = time.monotonic()
    assert answer == 503
    meanwhile()
    assert set(_answers(status)) == {("/", 200), ("/healthz", 503)}
    assert time.monotonic() - begun >= LEAVE_SECONDS
    return begun


def _answers(status: Status) -> Iterator[tuple[str, int]]:
    """Until one is missing."""
    while True:
        for path in ("/", "/healthz"):
            answer = status(path)
            if answer is None:
                return
            yield path, answer
        time.sleep(0.05)
