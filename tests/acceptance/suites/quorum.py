# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Membership and hardening that hold through replacement, reboots, partitions and mistakes."""

from __future__ import annotations

from functools import partial

from tests.acceptance.membership import (
    again,
    autolock,
    by_hand,
    estate,
    losses,
    partitions,
    ports,
    reboots,
    recovery,
    refusals,
    scaling,
    strangers,
)
from tests.acceptance.rows import Row
from tests.acceptance.stage import Setting, Stage

# What becomes of a node that alone has the votes is a part of the story.
SETTING = Setting(variables={"voting_app_data": "single"})

ROWS = {
    "losses": losses,
    "strangers": strangers,
    "refusals": refusals,
    "autolock": autolock,
    "reboots": reboots,
    "partition": partitions,
    "ports": ports,
    "again": again,
    "recovery": recovery,
    "scaling": scaling,
    "estate": estate,
    "by-hand": by_hand,
}


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [Row(group, module.NAME, partial(module.judge, stage)) for group, module in ROWS.items()]
