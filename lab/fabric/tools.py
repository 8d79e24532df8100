# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The tools that shape networks: ``ip``, ``nft``, ``sysctl``, each inside a network namespace or on the host.

A place is None (the host), the name of a namespace, or the id of a process whose namespace is meant.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from typing import Any

Place = str | int | None


class FabricError(Exception):
    """What could not be wired, in one sentence."""


def run(command: list[str], *, stdin: str = "") -> str:
    """Standard output of a command; FabricError with its own words when it fails."""
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise FabricError(f"{command[0]} is not installed; scripts/setup installs what the lab needs") from None
    if done.returncode:
        raise FabricError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def inside(place: Place) -> list[str]:
    """The prefix that runs a command in a place."""
    if place is None:
        return []
    if isinstance(place, int):
        return ["nsenter", "--target", str(place), "--net", "--"]
    return ["ip", "netns", "exec", place]


def ip(place: Place, lines: Iterable[str]) -> None:
    """Run a batch of ``ip`` sub-commands in order; stops at the first that fails."""
    run([*inside(place), "ip", "-batch", "-"], stdin="\n".join(lines))


def ip_query(place: Place, *query: str) -> list[dict[str, Any]]:
    """What ``ip -json QUERY`` lists."""
    answer: list[dict[str, Any]] = json.loads(run([*inside(place), "ip", "-json", *query]) or "[]")
    return [entry for entry in answer if entry]


def nft(place: Place, ruleset: str) -> None:
    """Load a ruleset as one transaction."""
    run([*inside(place), "nft", "-f", "-"], stdin=ruleset)


def sysctl(place: Place, **values: int) -> None:
    """Set kernel parameters of a place; ``__`` stands for a dot."""
    run([*inside(place), "sysctl", "-qw", *(f"{key.replace('__', '.')}={value}" for key, value in values.items())])


def namespaces(prefix: str) -> list[str]:
    """Names of the namespaces that begin with a prefix."""
    names = (entry["name"] for entry in ip_query(None, "netns", "list"))
    return [name for name in names if name.startswith(prefix)]


def links(place: Place) -> set[str]:
    """Names of the interfaces in a place."""
    return {entry["ifname"] for entry in ip_query(place, "link", "show")}
