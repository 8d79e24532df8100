# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server without power: nothing of it answers any more."""

from __future__ import annotations

from tests.acceptance.data.losses import KILLED
from tests.acceptance.rows import Finding
from tests.acceptance.stage import Stage
from tests.acceptance.updates import lost

NAME = "a server killed under load: the pages through the others"


def judge(stage: Stage) -> Finding:
    return lost.judge(stage, KILLED)
