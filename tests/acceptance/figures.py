# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the figures of the suite ``cloud`` into the documentation: ``python -m tests.acceptance.figures``."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.config import PROJECT

RESULTS = PROJECT / "bench" / "results" / "cloud.json"
PAGE = PROJECT / "docs" / "benchmarks.md"
PLOT = PROJECT / "docs" / "images" / "cloud-scale.svg"
BEGIN, END = "<!-- figures of cloud.json: begin -->", "<!-- figures of cloud.json: end -->"

Row = Mapping[str, Any]


def publish() -> None:
    """Write the section of the page, and the plot beside it."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(f"{head}{BEGIN}\n{section(document)}\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    draw(_row(document, "servers at once"), document["machine"]["date"], PLOT)


def section(document: Mapping[str, Any]) -> str:
    """The figures as Markdown."""
    machine = document["machine"]
    computer = f"{machine['system']}, {machine['cores']} cores, {machine['memory_gib']} GiB"
    lines = [
        f"Measured on {machine['date'][:10]} ({computer}) at commit `{machine['commit']}`.",
        "",
        *_scale(_row(document, "servers at once")),
        "",
        *_grid(_row(document, "faults")),
        "",
        "| what | figure | verdict |",
        "|---|---|---|",
        *(f"| {row['row']} | {row['figure']} | {row['verdict']} |" for row in document["rows"]),
    ]
    return "\n".join(lines)


def draw(row: Row, date: str, path: Path) -> None:
    """Plot seconds over the number of servers. The same figures give the same file."""
    # Takes a second to load, and nothing else here needs it.
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": "cloud", "font.size": 11}
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for (name, curve), marker in zip(row["data"]["curves"].items(), "os^", strict=True):
        sizes = [int(size) for size in curve]
        medians = [told["median"] for told in curve.values()]
        spread = [
            [told["median"] - told["fastest"] for told in curve.values()],
            [told["slowest"] - told["median"] for told in curve.values()],
        ]
        axes.errorbar(sizes, medians, yerr=spread, marker=marker, capsize=3, label=name)
    axes.set(xlabel="servers", ylabel="seconds until all of them run", ylim=(0, None), xlim=(0, None))
    axes.set_xticks(sorted({int(size) for curve in row["data"]["curves"].values() for size in curve}))
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None, "Description": f"figures of {date}"})


def _row(document: Mapping[str, Any], words: str) -> Row:
    return next(row for row in document["rows"] if words in row["row"])


def _scale(row: Row) -> Iterator[str]:
    curves: Mapping[str, Any] = row["data"]["curves"]
    yield f"| servers | {' | '.join(curves)} |"
    yield f"|{'---|' * (len(curves) + 1)}"
    for size in next(iter(curves.values())):
        cells = [_seconds(curve[size]) if size in curve else "not measured" for curve in curves.values()]
        yield f"| {size} | {' | '.join(cells)} |"


def _seconds(told: Mapping[str, Any]) -> str:
    runs = len(told["runs"])
    if runs == 1:
        return f"{told['median']:.1f} s (one run)"
    return f"{told['median']:.1f} s ({told['fastest']:.1f} to {told['slowest']:.1f}, {runs} runs)"


def _grid(row: Row) -> Iterator[str]:
    grid: Mapping[str, Mapping[str, str]] = row["data"]["grid"]
    phases = list(next(iter(grid.values())))
    yield f"| fault | {' | '.join(phases)} |"
    yield f"|{'---|' * (len(phases) + 1)}"
    for fault, outcomes in grid.items():
        yield f"| {fault} | {' | '.join(outcomes[phase] for phase in phases)} |"


if __name__ == "__main__":
    publish()
