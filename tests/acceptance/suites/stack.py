# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments: what is planned, what they come to, and how to get back."""

from __future__ import annotations

from functools import partial

from tests.acceptance.rows import Row
from tests.acceptance.stack import corpus, drill, failures, outages, rollback, unchanged
from tests.acceptance.stage import Stage

ROWS = {
    "corpus": corpus,
    "failures": failures,
    "outages": outages,
    "drill": drill,
    "unchanged": unchanged,
    "rollback": rollback,
}


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [Row(group, module.NAME, partial(module.judge, stage)) for group, module in ROWS.items()]
