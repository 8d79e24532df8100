# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for a condition, with a bound.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from time import monotonic, sleep
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

INTERVAL = 0.5
"""Seconds between two looks at a condition."""


def holds_within(seconds: float, condition: Callable[[], bool]) -> bool:
    """Whether ``condition`` becomes true within ``seconds``. It is asked at least once, and once more at the end."""
    deadline = monotonic() + seconds
    while not condition():
        left = deadline - monotonic()
        if left <= 0:
            return False
        sleep(min(INTERVAL, left))
    return True
