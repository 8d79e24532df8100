# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of the app while people use it: versions, broken ones, a server lost, more tasks, other passwords."""

from __future__ import annotations

from functools import partial

from tests.acceptance.rows import Row
from tests.acceptance.stage import Setting, Stage
from tests.acceptance.updates import (
    broken,
    broken_edge,
    cut_off,
    edge,
    killed,
    rolling,
    rotation,
    scaling,
    side_by_side,
)

SETTING = Setting(variables={"voting_app_images": "built", "voting_app_data": "replicated"})
# Those behind a load balancer come after the others, and the one on machines of its own last.
ROWS = {
    "rolling": rolling,
    "scaling": scaling,
    "rotation": rotation,
    "broken": broken,
    "killed": killed,
    "cut-off": cut_off,
    "edge": edge,
    "broken-edge": broken_edge,
    "mesh": side_by_side,
}


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [Row(group, module.NAME, partial(module.judge, stage)) for group, module in ROWS.items()]
