# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _poll
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._convergence import Verdict
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_apply import patiently, progress
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock

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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_poll, "monotonic", clock.monotonic)
    monkeypatch.setattr(_poll, "sleep", clock.sleep)
    return clock


NO_LEADER = EngineError("Cannot record: the swarm does not have a leader.", "the swarm does not have a leader", 500)
THERE_ALREADY = EngineError("Cannot record: it already exists.", "it already exists", 409)


@pytest.mark.parametrize(
    ("answers", "raised", "seconds"),
    [
        ([None], None, 0),
        ([NO_LEADER] * 4 + [None], None, 2),
        ([NO_LEADER] * 100, NO_LEADER, 30),
        ([THERE_ALREADY, None], THERE_ALREADY, 0),
        ([NO_LEADER, THERE_ALREADY, None], THERE_ALREADY, 0.5),
    ],
)
def test_an_election_is_sat_out_and_what_will_not_change_is_not(
    clock: Clock, answers: list[EngineError | None], raised: EngineError | None, seconds: float
) -> None:
    coming: Iterator[EngineError | None] = iter(answers)

    def ask() -> None:
        answer = next(coming)
        if answer is not None:
            raise answer

    if raised is None:
        patiently(ask)
    else:
        with pytest.raises(EngineError) as error:
            patiently(ask)
        assert error.value is raised
    assert clock.now == 100 + seconds
