# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes of the app while people use it: versions, broken ones, a server's death, more tasks, other passwords."""

from __future__ import annotations

from functools import partial

from tests.acceptance.rows import Row
from tests.acceptance.stage import Setting, Stage
from tests.acceptance.updates import broken, broken_edge, edge, killed, rolling, rotation, scaling, side_by_side

SETTING = Setting(variables={"voting_app_images": "built", "voting_app_data": "replicated"})
# Those behind a load balancer come last.
ROWS = {
    "rolling": rolling,
    "scaling": scaling,
    "rotation": rotation,
    "broken": broken,
    "killed": killed,
    "edge": edge,
    "broken-edge": broken_edge,
    "mesh": side_by_side,
}
LONG = ("mesh",)


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [
        Row(group, module.NAME, partial(module.judge, stage), only_named=group in LONG)
        for group, module in ROWS.items()
    ]
