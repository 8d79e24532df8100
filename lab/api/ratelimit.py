# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud's rate limit: a bucket that holds an hour's requests and refills evenly."""

from __future__ import annotations

import time
from collections.abc import Callable


class RateLimit:
    """limit: requests an hour. clock: seconds, only for differences."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._clock = clock
        self._left = float(limit)
        self._at = clock()

    def take(self) -> bool:
        """Whether one more request may pass."""
        now = self._clock()
        self._left = min(self._limit, self._left + (now - self._at) * self._limit / 3600)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def headers(self) -> dict[str, str]:
        full_in = (self._limit - self._left) * 3600 / self._limit
        return {
            "RateLimit-Limit": str(self._limit),
            "RateLimit-Remaining": str(int(self._left)),
            "RateLimit-Reset": str(int(time.time() + full_in)),
        }
