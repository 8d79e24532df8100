# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Votes on the app with its stores on three servers: none that was acknowledged is lost, whatever fails."""

from __future__ import annotations

from functools import partial

from tests.acceptance.data import (
    hour,
    kills,
    losses,
    losses_single,
    replaced,
    silent_dns,
    throughput,
    upstream_client,
)
from tests.acceptance.rows import Row
from tests.acceptance.stage import Setting, Stage

SETTING = Setting(variables={"voting_app_images": "built", "voting_app_data": "replicated"})
ROWS = {
    "upstream-client": upstream_client,
    "throughput": throughput,
    "kills": kills,
    "losses": losses,
    "silent-dns": silent_dns,
    "replaced": replaced,
    "losses-single": losses_single,
    "hour": hour,
}
LONG = ("hour",)


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [
        Row(group, module.NAME, partial(module.judge, stage), only_named=group in LONG)
        for group, module in ROWS.items()
    ]
