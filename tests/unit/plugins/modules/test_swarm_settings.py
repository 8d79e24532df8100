# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_settings against a swarm in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_settings
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine, refusal

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add("server-1", "manager", Description={"TLSInfo": {"CertIssuerPublicKey": "root-0"}})
    cluster.add("server-2")
    return cluster


@pytest.fixture
def engine(cluster: Cluster) -> Engine:
    return Engine("server-1", cluster)


@pytest.fixture
def autolocked(cluster: Cluster) -> Cluster:
    cluster.spec["EncryptionConfig"] = {"AutoLockManagers": True}
    cluster.unlock_key = "SWMKEY-1-first"
    return cluster


def test_check_do_again(run: Run, engine: Engine, cluster: Cluster) -> None:
    options = {"dispatcher_heartbeat": 2, "node_cert_expiry": 720}
    planned = run(swarm_settings, engine, check=True, **options)
    assert (planned["changed"], engine.calls) == (True, [])
    assert planned["diff"][0]["before"] == {"dispatcher_heartbeat": 5, "node_cert_expiry": 2160}
    assert planned["settings"]["dispatcher_heartbeat"] == 5
    done = run(swarm_settings, engine, **options)
    assert done["plan"] == planned["plan"] == ["update swarm C1 (dispatcher_heartbeat 2; node_cert_expiry 720)"]
    assert (done["settings"]["dispatcher_heartbeat"], done["settings"]["node_cert_expiry"]) == (2, 720)
    assert cluster.spec["Raft"]["ElectionTick"] == 10
    again = run(swarm_settings, engine, **options)
    assert (again["changed"], len(engine.calls)) == (False, 1)
    assert "unlock_key" not in planned.keys() | done.keys() | again.keys()


def test_what_is_not_asked_for_is_not_rotated(run: Run, engine: Engine) -> None:
    run(swarm_settings, engine, keep_old_snapshots=1)
    [(_name, request)] = engine.calls
    assert not any(value for key, value in request.items() if key.startswith("rotate"))


def test_another_writer_is_given_way(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.conflicts = 2
    result = run(swarm_settings, engine, task_history_limit=3, rotate=["worker_join_token"])
    assert (result["settings"]["task_history_limit"], len(engine.calls)) == (3, 3)
    cluster.conflicts = 100
    result = run(swarm_settings, engine, task_history_limit=4)
    assert (result["msg"], result["changed"]) == (
        "Cannot update the swarm: something else keeps changing it; run this again.",
        False,
    )


@pytest.mark.parametrize(
    ("rotate", "flag"),
    [("worker_join_token", "rotate_worker_token"), ("manager_join_token", "rotate_manager_token")],
)
def test_tokens_are_rotated_every_time(run: Run, engine: Engine, rotate: str, flag: str) -> None:
    assert run(swarm_settings, engine, check=True, rotate=[rotate])["changed"] is True
    for calls in (1, 2):
        result = run(swarm_settings, engine, rotate=[rotate])
        assert (result["changed"], len(engine.calls)) == (True, calls)
        assert [key for key, value in engine.calls[-1][1].items() if value is True] == [flag]
        assert "token-" not in str(result)


def test_autolock_check_do_again_change_off(run: Run, engine: Engine, cluster: Cluster) -> None:
    planned = run(swarm_settings, engine, check=True, autolock=True)
    assert (planned["changed"], planned["unlock_key"]) == (True, None)
    done = run(swarm_settings, engine, autolock=True)
    assert done["unlock_key"] == cluster.unlock_key
    assert done["settings"]["autolock"] is True
    assert "SWMKEY" not in str(done["plan"]) + str(done["diff"])
    again = run(swarm_settings, engine, autolock=True)
    assert (again["changed"], "unlock_key" in again) == (False, False)
    asked = run(swarm_settings, engine, autolock=True, include_unlock_key=True)
    assert (asked["changed"], asked["unlock_key"]) == (False, done["unlock_key"])
    rotated = run(swarm_settings, engine, rotate=["unlock_key"])
    assert rotated["unlock_key"] == cluster.unlock_key != done["unlock_key"]
    off = run(swarm_settings, engine, autolock=False, include_unlock_key=True)
    assert (off["changed"], off["unlock_key"], off["settings"]["autolock"]) == (True, None, False)


def test_no_key_is_read_in_check_mode(run: Run, engine: Engine, autolocked: Cluster) -> None:
    planned = run(swarm_settings, engine, check=True, rotate=["unlock_key"], include_unlock_key=True)
    assert (planned["changed"], planned["unlock_key"], engine.asked) == (True, None, [])


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (refusal("context deadline exceeded"), "comes back (docker swarm unlock-key on a manager tells it"),
        ({"UnlockKey": ""}, "gives no unlock key although autolock is on; docker swarm unlock-key on a manager"),
    ],
)
def test_a_key_that_cannot_be_read(
    run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch, answer: Any, message: str
) -> None:
    def get_unlock_key(_engine: Engine) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(Engine, "get_unlock_key", get_unlock_key)
    result = run(swarm_settings, engine, autolock=True)
    assert (result["failed"], result["changed"]) == (True, True)
    assert result["done"] == ["update swarm C1 (autolock true)"]
    assert message in result["msg"]


def test_a_new_root_is_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    assert run(swarm_settings, engine, rotate=["ca_certificate"])["changed"] is True
    assert (cluster.rotating, cluster.spec["CAConfig"]["ForceRotate"]) == (False, 1)
    assert run(swarm_settings, engine, rotate=["ca_certificate"])["changed"] is True
    assert cluster.spec["CAConfig"]["ForceRotate"] == 2


def test_an_election_during_a_rotation_is_no_end_of_it(
    run: Run, engine: Engine, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    update = engine.update_swarm

    def update_and_lose_the_leader(*arguments: Any, **options: Any) -> bool:
        taken = update(*arguments, **options)
        cluster.later.insert(0, (1, lambda: setattr(cluster, "error", "The swarm does not have a leader")))
        cluster.later.append((5, lambda: setattr(cluster, "error", "")))
        return taken

    monkeypatch.setattr(engine, "update_swarm", update_and_lose_the_leader)
    assert run(swarm_settings, engine, rotate=["ca_certificate"])["changed"] is True
    assert (cluster.rotating, cluster.error) == (False, "")


@pytest.mark.parametrize(("options", "told"), [({}, False), ({"autolock": True}, True)])
def test_a_new_root_that_does_not_reach_all(
    run: Run, engine: Engine, cluster: Cluster, options: dict[str, Any], told: bool
) -> None:
    cluster.delay = 10_000
    cluster.nodes["id-server-1"]["Description"]["TLSInfo"]["CertIssuerPublicKey"] = f"root-{cluster.version + 1}"
    result = run(swarm_settings, engine, rotate=["ca_certificate"], wait_timeout=5, **options)
    assert (result["failed"], result["changed"]) == (True, True)
    assert "not every node has its new one: server-2." in result["msg"]
    assert ("The unlock key is new and was not returned: docker swarm unlock-key" in result["msg"]) is told
    assert "SWMKEY" not in str(result)


def test_a_node_that_is_down_would_hold_up_a_new_root(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.nodes["id-server-2"]["Status"]["State"] = "down"
    result = run(swarm_settings, engine, rotate=["ca_certificate"])
    assert (result["failed"], engine.calls) == (True, [])
    assert "server-2 is down" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_what_no_swarm_can_work_with_is_refused(run: Run, engine: Engine, check: bool) -> None:
    result = run(swarm_settings, engine, check=check, dispatcher_heartbeat=0, task_history_limit=3)
    assert (result["failed"], engine.calls) == (True, [])
    assert result["msg"].startswith("dispatcher_heartbeat is 0 and must be at least 1")


def test_an_election_is_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.error = "The swarm does not have a leader"
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    assert run(swarm_settings, engine, dispatcher_heartbeat=5)["changed"] is False


def test_only_a_manager_with_a_leader_is_asked(run: Run, engine: Engine, cluster: Cluster) -> None:
    assert "is a worker" in run(swarm_settings, Engine("server-2", cluster), autolock=True)["msg"]
    assert "is in no swarm" in run(swarm_settings, Engine("server-3"), autolock=True)["msg"]
    cluster.error = "The swarm does not have a leader"
    assert "The managers have no leader" in run(swarm_settings, engine, autolock=True)["msg"]
    assert engine.calls == []
