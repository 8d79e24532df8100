# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the figures of suites into the documentation: ``python -m tests.acceptance.figures``.

With ``--check`` it only tells which files show others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lab.config import PROJECT
from tests.acceptance import scale

RESULTS = PROJECT / "bench" / "results"
PAGE = PROJECT / "docs" / "benchmarks.md"
PLOT = PROJECT / "docs" / "images" / "cloud-scale.svg"
# The suites whose figures the page shows, between marks of their own.
SHOWN = ("cloud", "machines", "quorum", "stack")

Row = Mapping[str, Any]


def publish() -> None:
    """Write the sections of the page, and the plot that it shows."""
    documents = _documents()
    PAGE.write_text(page(documents), encoding="utf-8")
    for row in _scale_row(documents):
        draw(row, PLOT)


def out_of_date() -> list[Path]:
    """The files that show other figures than the last ones."""
    documents = _documents()
    old = [] if PAGE.read_text(encoding="utf-8") == page(documents) else [PAGE]
    plot = PLOT.read_text(encoding="utf-8") if PLOT.exists() else ""
    return old + [PLOT for row in _scale_row(documents) if row["at"]["date"] not in plot]


def _documents() -> dict[str, Any]:
    """The last figures of each suite that has been measured."""
    files = {suite: RESULTS / f"{suite}.json" for suite in SHOWN}
    return {suite: json.loads(file.read_text(encoding="utf-8")) for suite, file in files.items() if file.exists()}


def _scale_row(documents: Mapping[str, Any]) -> list[Row]:
    return [row for document in documents.values() for row in document["rows"] if row["row"] == scale.NAME]


def page(documents: Mapping[str, Any]) -> str:
    """The page as it is, with these figures in it."""
    text = PAGE.read_text(encoding="utf-8")
    for suite, document in documents.items():
        begin, end = (f"<!-- figures of {suite}.json: {mark} -->" for mark in ("begin", "end"))
        head, _, rest = text.partition(begin)
        text = f"{head}{begin}\n{section(document)}\n{end}{rest.partition(end)[2]}"
    return text


def section(document: Mapping[str, Any]) -> str:
    """The figures as Markdown; tables of rows that have not been measured yet are left out."""
    machine, rows = document["machine"], {row["row"]: row for row in document["rows"]}
    parts = [
        [f"Measured on {machine['system']}, {machine['cores']} cores, {machine['memory_gib']} GiB of memory."],
        list(_scale(rows[scale.NAME])) if scale.NAME in rows else [],
        *(list(_grid(row)) for row in rows.values() if "grid" in row["data"]),
        [
            "| what | figure | verdict | measured |",
            "|---|---|---|---|",
            *(f"| {name} | {row['figure']} | {row['verdict']} | {_when(row)} |" for name, row in rows.items()),
        ],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _when(row: Row) -> str:
    return f"{row['at']['date'][:10]}, `{row['at']['commit']}`"


def draw(row: Row, path: Path) -> None:
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
    figure.savefig(path, metadata={"Date": None, "Description": f"figures of {row['at']['date']}"})


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
    columns = list(next(iter(grid.values())))
    yield f"| {row['row']} | {' | '.join(columns)} |"
    yield f"|{'---|' * (len(columns) + 1)}"
    for line, outcomes in grid.items():
        yield f"| {line} | {' | '.join(outcomes[column] for column in columns)} |"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        publish()
    elif old := out_of_date():
        sys.exit(f"{', '.join(map(str, old))}: not the figures in {RESULTS}. Run python -m tests.acceptance.figures.")
