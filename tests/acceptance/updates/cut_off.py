# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on which everything runs on, and that nobody reaches any more."""

from __future__ import annotations

from tests.acceptance.data.losses import CUT_OFF
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage
from tests.acceptance.updates import lost

NAME = "a server cut off under load: the pages through the others"


def judge(stage: Stage) -> Finding:
    return lost.judge(stage, CUT_OFF)
