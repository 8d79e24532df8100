# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_member against engines in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests

from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_member
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine, refusal

Run = Callable[..., dict[str, Any]]
FIRST = {"role": "manager", "initialize": True, "advertise_addr": "10.0.0.2"}
SECOND = {"role": "manager", "advertise_addr": "10.0.0.3", "remote_addrs": ["10.0.0.2:2377"]}


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add("server-1", "manager")
    return cluster


@pytest.fixture
def newcomer(cluster: Cluster) -> Engine:
    engine = Engine("server-2")
    engine.known["10.0.0.2:2377"] = cluster
    return engine


def names(engine: Engine) -> list[str]:
    return [name for name, _options in engine.calls]


def test_initialise_check_do_again(run: Run) -> None:
    engine = Engine("server-1")
    options = {**FIRST, "default_addr_pool": ["10.128.0.0/10"], "subnet_size": 24, "data_path_addr": "10.0.0.2"}
    planned = run(swarm_member, engine, check=True, **options)
    assert (planned["changed"], engine.calls, planned["member"]["state"]) == (True, [], "inactive")
    done = run(swarm_member, engine, **options)
    assert (done["changed"], done["plan"]) == (True, planned["plan"])
    assert (done["member"]["role"], done["member"]["cluster_id"]) == ("manager", "C-new")
    assert engine.calls == [
        (
            "init_swarm",
            {
                "advertise_addr": "10.0.0.2",
                "listen_addr": "0.0.0.0:2377",
                "data_path_addr": "10.0.0.2",
                "default_addr_pool": ["10.128.0.0/10"],
                "subnet_size": 24,
            },
        )
    ]
    assert run(swarm_member, engine, **options)["changed"] is False


def test_join_waits_until_the_others_reach_it(run: Run, newcomer: Engine) -> None:
    result = run(swarm_member, newcomer, **SECOND, join_token="token-manager", cluster_id="C1")
    assert result["changed"] is True
    assert result["plan"] == ["join swarm C1 (as manager, through 10.0.0.2:2377)"]
    assert [node["status"] for node in result["member"]["nodes"]] == ["ready", "ready"]
    assert "token-manager" not in str({key: value for key, value in result.items() if key != "invocation"})
    assert run(swarm_member, newcomer, **SECOND, cluster_id="C1")["changed"] is False


def test_join_in_check_mode_needs_no_token(run: Run, newcomer: Engine) -> None:
    result = run(swarm_member, newcomer, check=True, **SECOND)
    assert (result["changed"], newcomer.calls) == (True, [])
    assert result["diff"][0]["after"] == {"state": "active", "role": "manager", "advertise_addr": "10.0.0.3"}


@pytest.mark.parametrize(
    ("token", "message", "changed"),
    [
        (None, "join_token is missing: set it to the managers' token", False),
        ("nonsense", "Cannot join the swarm of 10.0.0.2:2377: invalid join token.", False),
        ("token-worker", "has joined as worker, but role asks for manager", True),
    ],
)
def test_join_with_the_wrong_token(run: Run, newcomer: Engine, token: str | None, message: str, changed: bool) -> None:
    result = run(swarm_member, newcomer, **SECOND, join_token=token)
    assert (result["failed"], result["changed"], bool(result["done"])) == (True, changed, changed)
    assert message in result["msg"]


def test_join_that_goes_on_in_the_background(run: Run, newcomer: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    joins = Engine.join_swarm

    def slow(engine: Engine, **options: Any) -> None:
        joins(engine, **options)
        raise refusal("Timeout was reached before node joined. The attempt to join will continue in the background.")

    monkeypatch.setattr(Engine, "join_swarm", slow)
    assert run(swarm_member, newcomer, **SECOND, join_token="token-manager")["changed"] is True


def test_join_that_is_never_reached(run: Run, newcomer: Engine, cluster: Cluster) -> None:
    cluster.delay = 10_000
    result = run(swarm_member, newcomer, **SECOND, join_token="token-manager", wait_timeout=5)
    assert (result["failed"], len(result["done"])) == (True, 1)
    assert "does not take part in the swarm 5 s after it began to join" in result["msg"]


def test_an_election_is_waited_for(run: Run, cluster: Cluster) -> None:
    cluster.error = "The swarm does not have a leader"
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    assert run(swarm_member, Engine("server-1", cluster), **FIRST)["changed"] is False


@pytest.mark.parametrize("check", [True, False])
def test_a_lost_quorum_is_refused(run: Run, cluster: Cluster, check: bool) -> None:
    cluster.error = "The swarm does not have a leader"
    engine = Engine("server-1", cluster)
    result = run(swarm_member, engine, check=check, **FIRST)
    assert (result["failed"], engine.calls) == (True, [])
    assert "force_new_cluster" in result["msg"]


def test_a_node_of_another_cluster_is_left_alone(run: Run, cluster: Cluster) -> None:
    engine = Engine("server-1", cluster)
    result = run(swarm_member, engine, **FIRST, cluster_id="C2")
    assert (result["failed"], engine.calls) == (True, [])
    assert "in cluster C1, not C2" in result["msg"]


def test_a_pool_that_cannot_change_is_a_warning(run: Run, cluster: Cluster) -> None:
    result = run(swarm_member, Engine("server-1", cluster), **FIRST, default_addr_pool=["10.128.0.0/10"])
    assert result["changed"] is False
    assert "default_addr_pool is 10.128.0.0/10" in str(result["warnings"])


def test_a_manager_leaves_after_its_demotion(run: Run, cluster: Cluster) -> None:
    cluster.add("server-2", "manager")
    engine = Engine("server-2", cluster)
    result = run(swarm_member, engine, state="absent")
    assert result["plan"] == ["demote node server-2 (1 manager, 0 may fail)", "leave swarm C1"]
    assert names(engine) == ["update_node", "leave_swarm"]
    assert engine.calls[1] == ("leave_swarm", {"force": False})
    assert result["member"]["state"] == "inactive"
    assert run(swarm_member, engine, state="absent")["changed"] is False


def test_a_manager_that_is_not_let_go_does_not_leave(run: Run, cluster: Cluster) -> None:
    cluster.add("server-2", "manager")
    cluster.delay = 10_000
    engine = Engine("server-2", cluster)
    result = run(swarm_member, engine, state="absent", wait_timeout=5)
    assert (result["failed"], names(engine)) == (True, ["update_node"])
    assert "still a manager 5 s after it was demoted" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_the_last_manager_stays(run: Run, cluster: Cluster, check: bool) -> None:
    engine = Engine("server-1", cluster)
    result = run(swarm_member, engine, check=check, state="absent")
    assert (result["failed"], engine.calls) == (True, [])
    assert "set force: true" in result["msg"]
    assert run(swarm_member, engine, state="absent", force=True)["member"]["state"] == "inactive"


@pytest.fixture
def locked(cluster: Cluster) -> Engine:
    cluster.unlock_key = "SWMKEY-1-right"
    engine = Engine("server-1", cluster)
    engine.state = "locked"
    return engine


def test_locked_is_not_without_a_swarm(run: Run, locked: Engine) -> None:
    result = run(swarm_member, locked, **FIRST)
    assert (result["failed"], locked.calls) == (True, [])
    assert "set unlock_key" in result["msg"]


def test_unlock_check_do_again(run: Run, locked: Engine) -> None:
    options = {**FIRST, "unlock_key": "SWMKEY-1-right"}
    planned = run(swarm_member, locked, check=True, **options)
    assert (planned["changed"], planned["plan"], locked.calls) == (True, ["unlock swarm of server-1"], [])
    done = run(swarm_member, locked, **options)
    assert (done["plan"], done["member"]["role"]) == (planned["plan"], "manager")
    assert "SWMKEY" not in str(planned) + str(done)
    assert run(swarm_member, locked, **options)["changed"] is False


def test_what_follows_an_unlock_is_planned_then(run: Run, locked: Engine, cluster: Cluster) -> None:
    cluster.vote("id-server-1", Leader=False)
    cluster.add("server-2", "manager")
    result = run(swarm_member, locked, state="absent", unlock_key="SWMKEY-1-right")
    assert result["plan"] == [
        "unlock swarm of server-1",
        "demote node server-1 (1 manager, 0 may fail)",
        "leave swarm C1",
    ]
    assert names(locked) == ["unlock_swarm", "update_node", "leave_swarm"]


def test_a_member_of_another_cluster_shows_when_it_is_unlocked(run: Run, locked: Engine) -> None:
    result = run(swarm_member, locked, **FIRST, cluster_id="C2", unlock_key="SWMKEY-1-right")
    assert (result["failed"], result["done"]) == (True, ["unlock swarm of server-1"])
    assert "in cluster C1, not C2" in result["msg"]


def test_a_manager_that_was_demoted_while_it_was_locked(run: Run, locked: Engine, cluster: Cluster) -> None:
    cluster.add("server-2", "manager")
    del cluster.nodes["id-server-1"]["ManagerStatus"]
    result = run(swarm_member, locked, **FIRST, unlock_key="SWMKEY-1-right")
    assert (result["failed"], result["done"]) == (True, ["unlock swarm of server-1"])
    assert "server-1 is a worker of its swarm and the option role asks for manager" in result["msg"]


def test_a_wrong_key_changes_nothing(run: Run, locked: Engine) -> None:
    result = run(swarm_member, locked, **FIRST, unlock_key="SWMKEY-1-wrong")
    assert (result["failed"], result["changed"], result["done"], locked.state) == (True, False, [], "locked")
    assert "unlock_key does not unlock the swarm on server-1, and nothing was changed" in result["msg"]


def unanswered(state: str) -> Callable[..., bool]:
    """An engine's way to be unlocked that gives no answer in time and leaves it in the state."""

    def unlock(engine: Engine, key: str) -> bool:
        engine.calls.append(("unlock_swarm", {"key": key}))
        engine.state = state
        raise requests.exceptions.ReadTimeout

    return unlock


def test_the_first_of_several_locked_managers_waits_for_the_others(
    run: Run, locked: Engine, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Engine, "unlock_swarm", unanswered("pending"))
    cluster.happen_later(lambda: setattr(locked, "state", "active"))
    assert run(swarm_member, locked, **FIRST, unlock_key="SWMKEY-1-right")["plan"] == ["unlock swarm of server-1"]


@pytest.mark.parametrize(
    ("state", "done", "message"),
    [
        ("pending", ["unlock swarm of server-1"], "It waits for a majority of the managers: unlock the others"),
        ("locked", [], "Cannot unlock the swarm on server-1: the engine did not answer in time"),
    ],
)
def test_an_unlock_without_an_answer(
    run: Run, locked: Engine, monkeypatch: pytest.MonkeyPatch, state: str, done: list[str], message: str
) -> None:
    monkeypatch.setattr(Engine, "unlock_swarm", unanswered(state))
    result = run(swarm_member, locked, **FIRST, unlock_key="SWMKEY-1-right", wait_timeout=5)
    assert (result["failed"], result["done"]) == (True, done)
    assert message in result["msg"]


REBUILD = {**FIRST, "initialize": False, "force_new_cluster": True, "listen_addr": "10.0.0.2:2377", "cluster_id": "C1"}


@pytest.fixture
def survivor(cluster: Cluster) -> Engine:
    cluster.add("server-2", "manager")
    cluster.error = "The swarm does not have a leader"
    return Engine("server-1", cluster)


def test_rebuild_check_do_again(run: Run, survivor: Engine) -> None:
    planned = run(swarm_member, survivor, check=True, **REBUILD)
    assert (planned["changed"], survivor.calls) == (True, [])
    assert planned["diff"][0]["after"] == {"leader": "server-1", "managers": 1}
    done = run(swarm_member, survivor, **REBUILD)
    assert done["plan"] == planned["plan"] == ["recover swarm C1 (from server-1 alone, on 10.0.0.2)"]
    assert done["member"]["managers"] == {"total": 1, "reachable": 1, "quorum": 1, "leader": "server-1"}
    addresses = {"advertise_addr": "10.0.0.2", "listen_addr": "10.0.0.2:2377", "data_path_addr": None}
    assert survivor.calls == [("init_swarm", {"force_new_cluster": True, **addresses})]
    assert run(swarm_member, survivor, **REBUILD)["changed"] is False


def test_rebuild_after_a_restart_of_the_engine(run: Run, survivor: Engine) -> None:
    survivor.state = "pending"
    result = run(swarm_member, survivor, **REBUILD)
    assert (result["changed"], result["member"]["state"]) == (True, "active")


def test_an_election_is_no_reason_to_rebuild(run: Run, survivor: Engine, cluster: Cluster) -> None:
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    assert run(swarm_member, survivor, **REBUILD)["changed"] is False
    assert survivor.calls == []


@pytest.mark.parametrize("header", ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"])
def test_what_the_engine_does_not_survive_is_refused(
    run: Run, survivor: Engine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, header: str
) -> None:
    info = {**survivor.info(), "DockerRootDir": str(tmp_path)}
    monkeypatch.setattr(survivor, "info", lambda: info)
    key = tmp_path / "swarm/certificates/swarm-node.key"
    key.parent.mkdir(parents=True)
    key.write_text(f"{header}\nkek-version: 9\n")
    result = run(swarm_member, survivor, **REBUILD)
    assert (result["failed"], survivor.calls) == (True, [])
    assert "autolock on" in result["msg"]
    key.write_text("-----BEGIN PRIVATE KEY-----\nkek-version: 0\n")
    assert run(swarm_member, survivor, check=True, **REBUILD)["changed"] is True


def test_a_rebuild_that_the_engine_refuses(run: Run, survivor: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_engine: Engine, **_options: Any) -> str:
        raise refusal("error on listing clusters: context deadline exceeded")

    monkeypatch.setattr(Engine, "init_swarm", refuse)
    result = run(swarm_member, survivor, **REBUILD)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "Cannot rebuild the swarm from server-1: error on listing clusters" in result["msg"]
    assert "restart its engine" in result["msg"]


def test_a_rebuild_that_finds_no_leader(run: Run, survivor: Engine, cluster: Cluster) -> None:
    cluster.delay = 10_000
    result = run(swarm_member, survivor, **REBUILD, wait_timeout=30)
    assert (result["failed"], len(result["done"])) == (True, 1)
    assert "does not lead a swarm 30 s after it was rebuilt" in result["msg"]
