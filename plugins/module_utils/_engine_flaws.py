# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is known of releases of the engine: how old is too old, and which have mistakes that a swarm suffers from.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OLDEST, OLDEST_API = (20, 10, 0), (1, 41, 0)


def is_too_old(version: str, api_version: str) -> bool:
    """Whether an engine lacks what this collection asks of it. A build without a number is known by its API only."""
    own = numbers(version)
    return own < OLDEST if any(own) else numbers(api_version) < OLDEST_API


def numbers(version: str) -> tuple[int, int, int]:
    """The numbers that a version begins with; zeros for one without."""
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", version)
    major, minor, patch = found.groups(default="0") if found else ("0", "0", "0")
    return int(major), int(minor), int(patch)


@dataclass(frozen=True)
class Flaw:
    """A mistake that releases of the engine have.

    first: the oldest release with it. fixed: the first one that is not known to have it. only: what it matters for, an
    attribute of _preflight.Wanted; empty where it always does. breaks: whether it is worth a refusal, which takes data
    at stake.
    """

    first: tuple[int, int, int]
    fixed: tuple[int, int, int]
    what: str
    remedy: str
    only: str = ""
    breaks: bool = False

    def is_in(self, version: str) -> bool:
        """Whether a release has it."""
        return self.first <= numbers(version) < self.fixed


EXPOSED = (
    "data may pass encrypted overlay networks without encryption, or get in without it (CVE-2023-28840, "
    "CVE-2023-28841, CVE-2023-28842)"
)
FLAWS = (
    Flaw((20, 10, 0), (20, 10, 24), EXPOSED, "Install 20.10.24 or newer", "encrypted", breaks=True),
    Flaw((23, 0, 0), (23, 0, 3), EXPOSED, "Install 23.0.3 or newer", "encrypted", breaks=True),
    Flaw(
        (28, 0, 0),
        (28, 0, 1),
        "ports that are published through the routing mesh may not answer, as rules of the packet filter are in the "
        "wrong order (moby#49538)",
        "Install 28.0.1 or newer",
        "mesh",
    ),
    Flaw(
        (28, 2, 0),
        (28, 3, 0),
        "services on other nodes may be missing from DNS or not be reached over overlay networks (moby#50129)",
        "Install 28.3.0 or newer",
    ),
    Flaw(
        (29, 0, 0),
        (29, 0, 1),
        "containers on networks outside the swarm are not found by name once the node is in a swarm (moby#51515)",
        "Install 29.0.1 or newer",
    ),
    Flaw(
        (29, 0, 0),
        (29, 7, 0),
        "names of services may stay unknown after a node was cut off for some seconds (moby#53141, seen with 29.0 to "
        "29.6.2)",
        "Install another release, or run docker service update --force on services that are not found after a node was "
        "lost",
    ),
    Flaw(
        (29, 0, 0),
        (29, 6, 0),
        "tasks may become unreachable from some nodes while they run (moby#52661, seen with 29.1.3 to 29.5.0)",
        "Install another release, or test the paths between nodes and tasks after each change",
    ),
    Flaw(
        (29, 8, 0),
        (29, 8, 1),
        "a task cannot reach ports published on its own node at the node's address (moby#53713)",
        "Install another release, or let services reach each other over a network of their own",
    ),
)
"""Releases that are known to be bad for a swarm, with where that is written."""
