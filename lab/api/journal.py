# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What was asked of the API: counters and a short log. Neither bodies nor headers are kept."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

LOG_LENGTH = 1000
_READS = frozenset({"GET", "HEAD", "OPTIONS"})


class Journal:
    """Counts requests by endpoint; a write is any method but GET, HEAD and OPTIONS."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._endpoints: Counter[tuple[str, str]] = Counter()
        self._log: deque[dict[str, Any]] = deque(maxlen=LOG_LENGTH)

    def record(self, method: str, endpoint: str, path: str, status: int, seconds: float) -> None:
        """endpoint: the path with its ids left open ("/servers/{id}"). status: 0 where a fault left no answer."""
        self._endpoints[method, endpoint] += 1
        self._log.append({"method": method, "path": path, "status": status, "milliseconds": round(seconds * 1000, 1)})

    def describe(self) -> dict[str, Any]:
        writes = sum(count for (method, _), count in self._endpoints.items() if method not in _READS)
        return {
            "reads": self._endpoints.total() - writes,
            "writes": writes,
            "endpoints": [
                {"method": method, "endpoint": endpoint, "count": count}
                for (method, endpoint), count in sorted(self._endpoints.items())
            ],
            "log": list(self._log),
        }
