# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows of the acceptance suites that are short enough to be run with every change, on the lab of those suites."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from tests.acceptance.membership import refusals
from tests.acceptance.stack import drill
from tests.acceptance.stage import Setting, Stage


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with Stage(print, Setting()) as stage:
        yield stage


@pytest.mark.parametrize("row", [drill, refusals], ids=lambda row: row.NAME)
def test_row(stage: Stage, row: ModuleType) -> None:
    finding = row.judge(stage)
    assert not finding.problems
