# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import Verdict
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_apply import progress

THERE = Verdict("app_a", "converged", 2, 2)


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ([], "all services have converged"),
        ([THERE], "all services have converged"),
        ([THERE, Verdict("app_b", "waiting", 0, 1)], "app_b 0/1"),
        (
            [Verdict("app_b", "waiting", 1, 3, "the update is in progress"), Verdict("app_c", "failed", 0, 1, "why")],
            "app_b 1/3 (the update is in progress); app_c 0/1 (why)",
        ),
    ],
)
def test_progress_tells_what_is_missing(verdicts: list[Verdict], told: str) -> None:
    assert progress(verdicts) == told
