# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs that want the lock of one stack, on a manager in memory. Nothing sleeps: a clock is moved on instead."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_lock
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_lock import (
    RENEWED_EVERY,
    STALE_AFTER,
    Lock,
    deployment,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import labels_of
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import refusal
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock, FakeSwarm

Want = Callable[..., Lock]


class Rounds(threading.Event):
    """Lets the loop that renews a lock go round ``left`` more times, without a pause."""

    left = 0

    def wait(self, timeout: float | None = None) -> bool:
        self.left -= 1
        return self.left < 0


def beat(lock: Lock, times: int = 1) -> None:
    """The signs of life that the thread of the lock's holder would give."""
    assert isinstance(lock._ended, Rounds)
    lock._ended.left = times
    lock._renew()


@pytest.fixture
def swarm() -> FakeSwarm:
    return FakeSwarm()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_stack_lock, "monotonic", clock.monotonic)
    monkeypatch.setattr(_stack_lock, "sleep", clock.sleep)
    return clock


@pytest.fixture
def want(swarm: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Want:
    """Locks whose holders live only by ``beat``."""

    def still(target: Callable[[], None], daemon: bool) -> Any:
        return SimpleNamespace(start=lambda: None, join=lambda: None)

    monkeypatch.setattr(_stack_lock, "threading", SimpleNamespace(Event=Rounds, Lock=threading.Lock, Thread=still))
    return lambda holder, wait=30.0: Lock(lambda: swarm, "app", holder, wait)


def holder_of(swarm: FakeSwarm) -> str:
    return deployment(swarm.stores["config"]["app.lock"])["holder"]


def test_a_lock_tells_its_holder_and_how_far_the_work_is(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    with want("ann@m1") as lock:
        held = swarm.stores["config"]["app.lock"]
        assert deployment(held) == {"holder": "ann@m1", "progress": "begins", "since": "2026-11-23T19:00:00Z"}
        lock.tell("app_web 0/1")
        beat(lock, 2)
        assert deployment(held)["progress"] == "app_web 0/1"
        assert labels_of(held)["triad.hetzner_swarm.stack"] == "app"
        assert labels_of(held)["triad.hetzner_swarm.lock.renewals"] == "2"
    assert swarm.calls == ["create config app.lock", "remove config app.lock"]
    assert clock.now == 100


def test_a_holder_who_lives_is_waited_for_and_named(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    with want("ann@m1") as ann:
        ann.tell("app_web 0/1")
        clock.meanwhile = lambda: beat(ann)
        words = r"^The stack app is being deployed by ann@m1 \(app_web 0/1\), .* the 40 s .* Nothing was changed\."
        with pytest.raises(Refused, match=words), want("bob@m2", wait=40):
            pass
        assert (clock.now, swarm.calls) == (140, ["create config app.lock"])
        ann.tell("all services have converged")


def test_nobody_waits_longer_than_for_the_holder(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    ann = want("ann@m1")
    ann.__enter__()
    clock.meanwhile = lambda: ann.__exit__(None, None, None) if clock.now == 103 else None
    with want("bob@m2"):
        assert (clock.now, holder_of(swarm)) == (103, "bob@m2")


@pytest.mark.parametrize(
    ("last_sign", "taken"),
    [(0, STALE_AFTER), (2 * RENEWED_EVERY, 2 * RENEWED_EVERY + STALE_AFTER)],
)
def test_a_holder_who_died_loses_the_lock(
    want: Want, swarm: FakeSwarm, clock: Clock, last_sign: float, taken: float
) -> None:
    swarm.create_config("app.lock-of-mine", b"", labels={})
    ann = want("ann@m1")
    ann.__enter__()
    clock.meanwhile = lambda: beat(ann) if clock.now <= 100 + last_sign else None
    with want("bob@m2"):
        assert taken <= clock.now - 100 <= taken + 1
        assert holder_of(swarm) == "bob@m2"
        beat(ann)
        with pytest.raises(EngineError, match="Another run has taken over the deployment of the stack app"):
            ann.tell("app_web 0/1")
        ann.__exit__(None, None, None)
        assert holder_of(swarm) == "bob@m2"
    assert list(swarm.stores["config"]) == ["app.lock-of-mine"]


def test_the_time_without_a_leader_does_not_count(
    want: Want, swarm: FakeSwarm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = swarm.configs

    def slow_once(filters: dict[str, str]) -> list[dict[str, Any]]:
        if clock.now == 105:
            clock.now += 20
        return listed(filters)

    monkeypatch.setattr(swarm, "configs", slow_once)
    with want("ann@m1"), want("bob@m2", wait=60):
        assert clock.now >= 125 + STALE_AFTER


def test_of_two_who_take_over_one_gets_the_lock(
    want: Want, swarm: FakeSwarm, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = swarm.remove_config
    cid = want("cid@m3")

    def too_late(key: str) -> None:
        monkeypatch.undo()
        remove(key)
        cid.__enter__()
        remove(key)

    with want("ann@m1"):
        monkeypatch.setattr(swarm, "remove_config", too_late)
        with pytest.raises(Refused, match="deployed by cid@m3"), want("bob@m2", wait=20):
            pass
    assert holder_of(swarm) == "cid@m3"


def test_a_renewal_that_fails_is_no_loss(want: Want, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_leader(_key: str) -> None:
        raise refusal("the swarm does not have a leader")

    with want("ann@m1") as lock:
        with monkeypatch.context() as broken:
            broken.setattr(swarm, "inspect_config", no_leader)
            beat(lock)
        lock.tell("app_web 0/1")
        beat(lock)
        assert deployment(swarm.stores["config"]["app.lock"])["progress"] == "app_web 0/1"
        # What cannot be given back is taken over.
        monkeypatch.setattr(swarm, "remove_config", no_leader)


def test_telling_after_a_long_silence_renews_the_lock_at_once(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    with want("ann@m1") as lock:
        held = swarm.stores["config"]["app.lock"]
        clock.now += STALE_AFTER / 2
        lock.tell("app_web 0/3")
        assert deployment(held)["progress"] == "begins"
        clock.now += 1
        lock.tell("app_web 1/3")
        assert deployment(held)["progress"] == "app_web 1/3"
        clock.now += STALE_AFTER / 2
        lock.tell("app_web 2/3")
        assert deployment(held)["progress"] == "app_web 1/3"


def test_telling_after_a_long_silence_ends_a_run_whose_lock_is_gone(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    with want("ann@m1") as lock:
        swarm.remove_config(swarm.stores["config"]["app.lock"]["ID"])
        lock.tell("nobody has looked yet")
        clock.now += STALE_AFTER / 2 + 1
        with pytest.raises(EngineError, match="Another run has taken over the deployment of the stack app"):
            lock.tell("sends the Compose file")


def test_a_manager_that_makes_no_lock_is_no_holder(
    want: Want, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_leader(*_arguments: Any, **_labels: Any) -> None:
        raise refusal("the swarm does not have a leader")

    monkeypatch.setattr(swarm, "create_config", no_leader)
    with pytest.raises(EngineError, match="Cannot lock the stack app: the swarm does not have a leader"), want("ann"):
        pass


def test_a_config_that_only_has_the_name_of_the_lock_stays(want: Want, swarm: FakeSwarm, clock: Clock) -> None:
    swarm.create_config("app.lock", b"theirs", labels={})
    with pytest.raises(Refused, match=r"a config app\.lock that this module has not made"), want("ann@m1"):
        pass
    assert (clock.now, swarm.calls) == (100, ["create config app.lock"])


def test_the_holder_renews_the_lock_for_as_long_as_it_is_held(swarm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed, post = threading.Semaphore(0), swarm.post

    def counted(*arguments: Any, **options: Any) -> Any:
        renewed.release()
        return post(*arguments, **options)

    monkeypatch.setattr(_stack_lock, "RENEWED_EVERY", 0.001)
    monkeypatch.setattr(swarm, "post", counted)
    before = threading.active_count()
    with Lock(lambda: swarm, "app", "ann@m1", 0):
        assert all(renewed.acquire(timeout=10) for _renewal in range(3))
    assert threading.active_count() == before
    assert swarm.stores["config"] == {}
