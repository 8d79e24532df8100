# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Puts the figures of suites into the documentation: ``python -m tests.acceptance.figures``.

With ``--check`` it only tells which files show others.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lab.config import PROJECT
from tests.acceptance import scale
from tests.acceptance.data import hour, losses, losses_single
from tests.acceptance.updates import broken, broken_edge, cut_off, drill, edge, killed, rolling, rotation, scaling

# Takes a second to load, and only plots need it.
if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

RESULTS = PROJECT / "bench" / "results"
PAGE = PROJECT / "docs" / "benchmarks.md"
IMAGES = PROJECT / "docs" / "images"
# The suites whose figures the page shows, between marks of their own.
SHOWN = ("cloud", "machines", "quorum", "stack", "data", "updates")
ACCEPTED, REFUSED = "tab:blue", "tab:orange"
SECONDS_SHOWN = 150
BIN_SECONDS = 10
UPDATES = tuple(module.NAME for module in (rolling, scaling, rotation, broken, killed, cut_off, edge, broken_edge))
COLUMNS = 3

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Plot:
    """rows: names of the rows whose figures it shows. It is drawn once all of them have some. size: in inches."""

    name: str
    rows: Sequence[str]
    size: tuple[float, float]
    draw: Callable[[Figure, Sequence[Row]], None]

    @property
    def path(self) -> Path:
        return IMAGES / f"{self.name}.svg"

    def description(self, rows: Sequence[Row]) -> str:
        """Names the figures, by when they were taken."""
        return f"figures of {', '.join(row['at']['date'] for row in rows)}"


def publish() -> None:
    """Write the sections of the page, and the plots that it shows."""
    documents = _documents()
    PAGE.write_text(page(documents), encoding="utf-8")
    for plot, rows in _plots(documents):
        draw(plot, rows)


def out_of_date() -> list[Path]:
    """The files that show other figures than the last ones."""
    documents = _documents()
    old = [] if PAGE.read_text(encoding="utf-8") == page(documents) else [PAGE]
    for plot, rows in _plots(documents):
        drawn = plot.path.read_text(encoding="utf-8") if plot.path.exists() else ""
        if plot.description(rows) not in drawn:
            old.append(plot.path)
    return old


def _documents() -> dict[str, Any]:
    """The last figures of each suite that has been measured."""
    files = {suite: RESULTS / f"{suite}.json" for suite in SHOWN}
    return {suite: json.loads(file.read_text(encoding="utf-8")) for suite, file in files.items() if file.exists()}


def _plots(documents: Mapping[str, Any]) -> Iterator[tuple[Plot, list[Row]]]:
    """The plots whose rows have been measured, each with these."""
    measured = {row["row"]: row for document in documents.values() for row in document["rows"] if row["data"]}
    for plot in PLOTS:
        if measured.keys() >= set(plot.rows):
            yield plot, [measured[name] for name in plot.rows]


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
        list(_drills([told for row in rows.values() for told in row["data"].get("drills", [])])),
        [
            "| what | figure | verdict | measured |",
            "|---|---|---|---|",
            *(f"| {name} | {row['figure']} | {row['verdict']} | {_when(row)} |" for name, row in rows.items()),
        ],
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines)


def _when(row: Row) -> str:
    return f"{row['at']['date'][:10]}, `{row['at']['commit']}`"


def draw(plot: Plot, rows: Sequence[Row]) -> None:
    """The same figures give the same file."""
    import matplotlib as mpl  # noqa: PLC0415
    from matplotlib.figure import Figure  # noqa: PLC0415

    mpl.rcParams |= {"svg.hashsalt": "cloud", "font.size": 11}
    figure = Figure(figsize=plot.size, layout="constrained")
    plot.draw(figure, rows)
    plot.path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(plot.path, metadata={"Date": None, "Description": plot.description(rows)})


def _draw_scale(figure: Figure, rows: Sequence[Row]) -> None:
    """Seconds over the number of servers."""
    (row,) = rows
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
    _dress(axes)
    axes.legend(frameon=False)


def _draw_losses(figure: Figure, rows: Sequence[Row]) -> None:
    """Votes a second around each death, the replicated stores on the left, a single server's data on the right."""
    columns = [row["data"]["deaths"] for row in rows]
    grid = figure.subplots(max(map(len, columns)), len(columns), sharex=True, sharey=True, squeeze=False)
    for deaths, drawn, title in zip(
        columns, grid.T, ("stores on three servers", "all data on one server"), strict=True
    ):
        for death, axes in zip(deaths, drawn[: len(deaths)], strict=True):
            seconds = range(-death["seconds_before"], SECONDS_SHOWN)
            lines = {name: _numbers(line)[: len(seconds)] for name, line in death["timeline"].items()}
            for name, colour in (("acknowledged", ACCEPTED), ("refused", REFUSED)):
                axes.step(seconds[: len(lines[name])], lines[name], where="post", color=colour, lw=1.2, label=name)
            axes.axvspan(0, death["power_back"], color="black", alpha=0.06, lw=0)
            axes.set_title(f"{title}: {', '.join(death['held']) or 'no leader'}", fontsize=10)
            _dress(axes)
        for axes in drawn[len(deaths) :]:
            axes.set_visible(False)
        drawn[len(deaths) - 1].tick_params(labelbottom=True)
        drawn[len(deaths) - 1].set_xlabel("seconds since the server was killed; grey: it is off")
    for axes in grid[:, 0]:
        axes.set_ylabel("votes a second")
    grid[0, 0].set(ylim=(0, None), xlim=(None, SECONDS_SHOWN))
    grid[0, 0].legend(frameon=False, loc="lower right", fontsize=9)


def _draw_hour(figure: Figure, rows: Sequence[Row]) -> None:
    """Votes a second over the time, and the faults above them."""
    (row,) = rows
    above, axes = figure.subplots(2, 1, sharex=True, height_ratios=(1, 2))
    for name, colour in (("acknowledged", ACCEPTED), ("refused", REFUSED)):
        numbers = _numbers(row["data"]["timeline"][name])
        bins = [numbers[first : first + BIN_SECONDS] for first in range(0, len(numbers), BIN_SECONDS)]
        minutes = [number * BIN_SECONDS / 60 for number in range(len(bins))]
        means = [sum(numbers) / len(numbers) for numbers in bins]
        axes.step(minutes, means, where="post", color=colour, lw=1.2, label=name)
    kinds = list(hour.FAULTS)
    for fault in row["data"]["faults"]:
        began = fault["at"] / 60
        above.plot([began, began + fault["whole_after"] / 60], [kinds.index(fault["what"])] * 2, color="black", lw=3)
    above.set_yticks(range(len(kinds)), kinds)
    above.set(ylim=(len(kinds) - 0.5, -0.5), title="from each fault until all is whole again")
    axes.set(xlabel="minutes", ylabel=f"votes a second, mean of {BIN_SECONDS} s", ylim=(0, None), xlim=(0, None))
    axes.legend(frameon=False, ncols=2, loc="lower right", bbox_to_anchor=(1, 1))
    _dress(axes)
    _dress(above)


def _draw_updates(figure: Figure, rows: Sequence[Row]) -> None:
    """Requests a second around each drill, row by row."""
    drills = [told for row in rows for told in row["data"]["drills"]]
    lines = -(-len(drills) // COLUMNS)
    panels = list(figure.subplots(lines, COLUMNS, sharey=True, squeeze=False).flat)
    for told, axes in zip(drills, panels, strict=False):
        for name, colour, words in (("acknowledged", ACCEPTED, "answered"), ("refused", REFUSED, "failed")):
            numbers = _numbers(told["timeline"][name])
            seconds = range(-told["seconds_before"], len(numbers) - told["seconds_before"])
            axes.step(seconds, numbers, where="post", color=colour, lw=1.2, label=words)
        axes.axvspan(0, told["seconds"], color="black", alpha=0.06, lw=0)
        axes.set_title(f"{told['drill']}: {told['failed']} of {told['requests']} failed", fontsize=9)
        _dress(axes)
    for axes in panels[len(drills) :]:
        axes.set_visible(False)
    for axes in panels[::COLUMNS]:
        axes.set_ylabel("requests a second")
    figure.supxlabel("seconds since it began; grey: until it was over", fontsize=11)
    panels[0].set_ylim(0, None)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower right", ncols=2, frameon=False)


def _numbers(line: str) -> list[int]:
    return [int(word) for word in line.split()]


def _dress(axes: Axes) -> None:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


PLOTS = (
    Plot("cloud-scale", (scale.NAME,), (8, 4.5), _draw_scale),
    Plot("data-losses", (losses.NAME, losses_single.NAME), (11, 7.5), _draw_losses),
    Plot("data-hour", (hour.NAME,), (11, 5), _draw_hour),
    Plot("updates", UPDATES, (11, 13), _draw_updates),
)


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
    return _table(row["row"], row["data"]["grid"])


def _drills(told: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """All drills of a suite as one table; nothing where there are none."""
    if told:
        yield from _table("while people use the app", drill.grid(told))


def _table(title: str, grid: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    columns = list(next(iter(grid.values())))
    yield f"| {title} | {' | '.join(columns)} |"
    yield f"|{'---|' * (len(columns) + 1)}"
    for line, outcomes in grid.items():
        yield f"| {line} | {' | '.join(outcomes[column] for column in columns)} |"


if __name__ == "__main__":
    if "--check" not in sys.argv:
        publish()
    elif old := out_of_date():
        sys.exit(f"{', '.join(map(str, old))}: not the figures in {RESULTS}. Run python -m tests.acceptance.figures.")
