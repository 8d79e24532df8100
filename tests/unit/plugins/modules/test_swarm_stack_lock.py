# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of swarm_stack that exclude each other, on a manager in memory. Nothing sleeps: a clock is moved on instead."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_lock
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import LOCK_LABEL, STACK_LABEL
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock, FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import FILE, Deploy, scale_by_hand


def lock(swarm: FakeSwarm, holder: str) -> None:
    """The lock of a run on another manager."""
    swarm.create_config("app.lock", b"lock", labels={STACK_LABEL: "app", LOCK_LABEL: holder})


def test_another_run_is_waited_for_and_named(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    lock(swarm, "ann@m2")
    sign_of_life = swarm.stores["config"]["app.lock"]["Version"]
    clock.meanwhile = lambda: sign_of_life.update(Index=sign_of_life["Index"] + 1)
    swarm.calls.clear()
    result = deploy(timeout=40)
    assert "is being deployed by ann@m2" in result["msg"]
    assert (result["failed"], result["changed"], result["applied"]) == (True, False, [])
    assert (clock.now, swarm.calls) == (140, [])


@pytest.mark.parametrize("options", [{}, {"compose": FILE.replace("5$", "6$")}])
def test_a_dry_run_waits_for_nobody(deploy: Deploy, swarm: FakeSwarm, clock: Clock, options: dict[str, Any]) -> None:
    deploy()
    lock(swarm, "ann@m2")
    before = clock.now
    swarm.calls.clear()
    result = deploy(check=True, **options)
    assert (result.get("failed"), result["changed"]) == (None, bool(options))
    assert (clock.now, swarm.calls) == (before, [])


def test_the_lock_that_a_run_left_goes_though_nothing_else_is_to_be_done(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    for options in ({}, {"state": "absent"}, {"state": "absent"}):
        lock(swarm, "ann@m2")
        result = deploy(**options)
        assert "app.lock" not in swarm.stores["config"]
    assert (result["changed"], result["plan"], result["applied"]) == (False, [], [])


def test_nothing_to_do_waits_for_whom_is_at_work(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    deploy()
    lock(swarm, "ann@m2")
    sign_of_life = swarm.stores["config"]["app.lock"]["Version"]
    clock.meanwhile = lambda: sign_of_life.update(Index=sign_of_life["Index"] + 1)
    result = deploy(timeout=40)
    assert "is being deployed by ann@m2" in result["msg"]
    assert (result["failed"], result["changed"]) == (True, False)

    ends = clock.now + 20

    def works_and_ends() -> None:
        sign_of_life["Index"] += 1
        if clock.now >= ends:
            swarm.stores["config"].pop("app.lock", None)

    clock.meanwhile = works_and_ends
    result = deploy(timeout=40)
    assert (result["changed"], result["release"], clock.now) == (False, 1, ends)


def test_what_another_run_did_meanwhile_is_not_done_again(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    deploy()
    scale_by_hand(swarm, 7)
    lock(swarm, "ann@m2")
    swarm.calls.clear()

    def other() -> None:
        if "app.lock" in swarm.stores["config"]:
            scale_by_hand(swarm, 1)
            del swarm.stores["config"]["app.lock"]

    clock.meanwhile = other
    result = deploy()
    assert (result["changed"], result["plan"], result["release"]) == (False, [], 1)
    assert swarm.calls == ["create config app.lock", "remove config app.lock"]


def test_the_lock_of_a_run_that_died_is_taken_over(deploy: Deploy, swarm: FakeSwarm) -> None:
    lock(swarm, "ann@m2")
    assert deploy()["release"] == 1
    assert list(swarm.stores["config"]) == ["app.release.1"]


def test_a_run_that_lost_its_lock_ends(deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_lock: Any, _progress: str) -> None:
        raise EngineError("Another run has taken over")

    monkeypatch.setattr(_stack_lock.Lock, "tell", lost)
    result = deploy()
    assert (result["failed"], result["changed"], result["msg"]) == (True, False, "Another run has taken over")
    assert swarm.stores["config"] == {}
