# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a suite: ``python -m tests.acceptance main``; groups of rows named after it choose those rows alone."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from tests.acceptance import figures, report
from tests.acceptance.rows import Result, Row, judge
from tests.acceptance.stage import Setting, Stage

SUITES = Path(__file__).parent / "suites"


def load(suite: str) -> Any:
    """The module of a suite: rows(stage), and SETTING where its stage is a special one. Exits where there is none."""
    suites = sorted(path.stem for path in SUITES.glob("*.py") if path.stem != "__init__")
    if suite not in suites:
        sys.exit(f"No such suite: {suite}. There are: {', '.join(suites)}.")
    return importlib.import_module(f"tests.acceptance.suites.{suite}")


def choose(suite: str, groups: Sequence[str], rows: list[Row]) -> list[Row]:
    """The rows to judge: those of the groups, else all but the ones that have to be named.

    Exits with what there is where a name is unknown.
    """
    known = dict.fromkeys(row.group for row in rows)
    if unknown := set(groups) - known.keys():
        sys.exit(f"No such rows in {suite}: {', '.join(sorted(unknown))}. There are: {', '.join(known)}.")
    return [row for row in rows if (row.group in groups if groups else not row.only_named)]


def run(rows: Sequence[Row], results: list[Result]) -> None:
    for row in rows:
        report.begin(row)
        results.append(judge(row))
        report.tell(results[-1])


def main(suite: str, *groups: str) -> int:
    """Returns the exit code: 1 when a row falls short or could not be judged, 130 when stopped."""

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    module = load(suite)
    stage = Stage(report.say, getattr(module, "SETTING", Setting()))
    rows: list[Row] = module.rows(stage)
    chosen = choose(suite, groups, rows)
    results: list[Result] = []
    stopped = False
    try:
        with stage:
            run(chosen, results)
    except KeyboardInterrupt:
        stopped = True
    report.close(results)
    report.save(results, figures.RESULTS / f"{suite}.json", rows)
    figures.publish()
    if stopped:
        print("stopped before the end")
        return 128 + signal.SIGINT
    failing = sum(result.verdict.fails for result in results)
    print(f"\n{len(results) - failing} of {len(results)} rows hold")
    return 1 if failing else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
