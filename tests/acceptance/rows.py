# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of a suite: what is to be shown, what was found, and the verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """What a row comes to. The last two make the suite fail."""

    HOLDS = "holds"
    DOES_NOT_APPLY = "does not apply here"
    SHORT_OF_AIM = "short of the aim"
    FALLS_SHORT = "falls short"
    NOT_JUDGED = "could not be judged"

    @property
    def fails(self) -> bool:
        return self in (Verdict.FALLS_SHORT, Verdict.NOT_JUDGED)


class DoesNotApply(Exception):
    """What a row is about cannot occur on this machine; the message says why."""


@dataclass(frozen=True)
class Finding:
    """What a row found.

    figure: what was measured, in a line. problems: what must hold and does not. missed: aims that were not reached.
    data: the figures themselves, as JSON can hold them. grid: outcomes by line and column, to be shown as a table.
    """

    figure: str
    problems: Sequence[str] = ()
    missed: Sequence[str] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        if self.problems:
            return Verdict.FALLS_SHORT
        return Verdict.SHORT_OF_AIM if self.missed else Verdict.HOLDS


@dataclass(frozen=True)
class Row:
    """group: the word that chooses this row, and others like it, on the command line.

    only_named: it is left out unless its group is named there.
    """

    group: str
    name: str
    judge: Callable[[], Finding]
    only_named: bool = False


@dataclass(frozen=True)
class Result:
    row: Row
    verdict: Verdict
    finding: Finding
    seconds: float


def unmet(conditions: Mapping[str, bool]) -> list[str]:
    """The conditions, in words, that are not met."""
    return [words for words, met in conditions.items() if not met]


def judge(row: Row) -> Result:
    """Judge a row. Whatever goes wrong with that is its result, so that the rows after it are still judged."""
    began = time.monotonic()
    try:
        finding = row.judge()
        verdict = finding.verdict
    except DoesNotApply as reason:
        finding, verdict = Finding(str(reason)), Verdict.DOES_NOT_APPLY
    except Exception as error:
        finding, verdict = Finding(f"{type(error).__name__}: {error}"), Verdict.NOT_JUDGED
    return Result(row, verdict, finding, time.monotonic() - began)
