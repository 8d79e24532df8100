# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Tells of a suite while it runs, in a closing table, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lab.config import PROJECT
from tests.acceptance.rows import Result, Row, Verdict

STYLES = {
    Verdict.HOLDS: "green",
    Verdict.DOES_NOT_APPLY: "dim",
    Verdict.SHORT_OF_AIM: "yellow",
    Verdict.FALLS_SHORT: "bold red",
    Verdict.NOT_JUDGED: "bold red",
}
PACKAGES = ("ansible-core", "hcloud", "docker")

console = Console(highlight=False, soft_wrap=True)
# For tables: as wide as they need to be where nobody has a terminal.
wide = Console(highlight=False, width=None if console.is_terminal else 200)


def say(text: str) -> None:
    """A line about what goes on within a row."""
    console.print(f"  {text}", markup=False, style="dim")


def begin(row: Row) -> None:
    console.print(f"\n{row.name}", markup=False, style="bold")


def tell(result: Result) -> None:
    if result.finding.grid:
        wide.print(grid(result.finding.grid))
    for line in (*result.finding.problems, *result.finding.missed):
        console.print(f"  not so: {line}", markup=False)
    console.print(f"  {result.finding.figure}", markup=False)
    console.print(f"  {result.verdict}, {result.seconds:.1f} s", style=STYLES[result.verdict])


def grid(outcomes: Mapping[str, Mapping[str, str]]) -> Table:
    """Outcomes by line and column."""
    shown = Table("", *next(iter(outcomes.values())), box=None, pad_edge=False)
    for line, columns in outcomes.items():
        shown.add_row(line, *columns.values())
    return shown


def table(results: Sequence[Result]) -> Table:
    """Row, figure, verdict and time of every row."""
    shown = Table("row", "figure", "verdict", "s", box=None, pad_edge=False)
    for result in results:
        shown.add_row(
            result.row.name,
            result.finding.figure,
            f"[{STYLES[result.verdict]}]{result.verdict}[/]",
            f"{result.seconds:.0f}",
        )
    return shown


def close(results: Sequence[Result]) -> None:
    wide.print("\n", table(results), sep="")


def save(results: Sequence[Result], path: Path, order: Sequence[Row]) -> None:
    """Write the figures, and the machine they were taken on. Rows that were not measured now keep their figures.

    order: all rows of the suite.
    """
    now = machine()
    rows = {row["row"]: row for row in json.loads(path.read_text(encoding="utf-8"))["rows"]} if path.exists() else {}
    for result in results:
        rows[result.row.name] = {
            "row": result.row.name,
            "figure": result.finding.figure,
            "verdict": str(result.verdict),
            "seconds": round(result.seconds, 1),
            "problems": list(result.finding.problems),
            "missed": list(result.finding.missed),
            "at": {"date": now["date"], "commit": now["commit"]},
            "data": result.finding.data,
        }
    document = {
        "suite": path.stem,
        "machine": now,
        "rows": [rows[row.name] for row in order if row.name in rows],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(document, indent=2)}\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What figures depend on: the machine, its load, the versions of what was measured and of what it ran on."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1),
        "load_1min": round(os.getloadavg()[0], 1),
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "kernel": platform.release(),
        "commit": _git("describe", "--always", "--dirty"),
        "python": platform.python_version(),
        **{package: metadata.version(package) for package in PACKAGES},
    }


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, check=False, text=True, stdout=subprocess.PIPE).stdout.strip() or "unknown"
