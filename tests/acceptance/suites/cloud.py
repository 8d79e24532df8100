# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud layer: module hcloud_fleet and role hetzner against the lab's API, at scale, broken off and faulty."""

from __future__ import annotations

from functools import partial

from tests.acceptance import breaking_off, faults, restarts, scale
from tests.acceptance.rows import Row
from tests.acceptance.stage import Stage


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [
        Row("scale", f"{', '.join(map(str, scale.SIZES))} servers at once", partial(scale.judge, stage)),
        Row("faults", "faults of the API in each phase", partial(faults.judge, stage)),
        Row("kill", "kill -9 of provision.yml, then again", partial(breaking_off.judge, stage)),
        Row("restart", "kill -9 of the API while servers are made", partial(restarts.judge, stage)),
    ]
