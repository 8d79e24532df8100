# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_nodes against a swarm in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_nodes
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    for name in ("server-1", "server-2"):
        cluster.add(name, "manager")
    cluster.add("server-3")
    return cluster


@pytest.fixture
def engine(cluster: Cluster) -> Engine:
    return Engine("server-1", cluster)


def names(engine: Engine) -> list[str]:
    return [name for name, _options in engine.calls]


def test_labels_check_do_again(run: Run, engine: Engine, cluster: Cluster) -> None:
    nodes = [{"name": "server-1", "labels": {"location": "fsn"}}, {"name": "server-3", "labels": {"location": "nbg"}}]
    planned = run(swarm_nodes, engine, check=True, nodes=nodes)
    assert (planned["changed"], engine.calls) == (True, [])
    assert planned["diff"][1]["after"] == {"labels": {"location": "nbg"}}
    done = run(swarm_nodes, engine, nodes=nodes)
    assert done["plan"] == planned["plan"]
    assert [node["labels"] for node in done["nodes"]] == [{"location": "fsn"}, {}, {"location": "nbg"}]
    again = run(swarm_nodes, engine, nodes=nodes)
    assert (again["changed"], len(engine.calls)) == (False, 2)


def test_what_is_not_named_stays_in_the_spec(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.nodes["id-server-3"]["Spec"].update(Name="alias", Labels={"old": "1", "kept": "2"})
    run(swarm_nodes, engine, labels_mode="exact", nodes=[{"name": "server-3", "labels": {"kept": "2", "new": "3"}}])
    assert cluster.nodes["id-server-3"]["Spec"] == {
        "Role": "worker",
        "Availability": "active",
        "Name": "alias",
        "Labels": {"kept": "2", "new": "3"},
    }


def test_another_writer_is_given_way(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.conflicts = 2
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "pause"}])
    assert result["nodes"][2]["availability"] == "pause"
    cluster.conflicts = 100
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "active"}])
    assert result["msg"] == "Cannot update the node server-3: something else keeps changing it; run this again."


def test_promote_then_demote_one_at_a_time(run: Run, engine: Engine, cluster: Cluster) -> None:
    nodes = [{"name": "server-2", "role": "worker"}, {"name": "server-3", "role": "manager"}]
    result = run(swarm_nodes, engine, nodes=nodes)
    assert result["plan"] == [
        "promote node server-3 (3 managers, 1 may fail)",
        "demote node server-2 (2 managers, 0 may fail)",
    ]
    assert [bool(node["manager"]) for node in result["nodes"]] == [True, False, True]
    assert run(swarm_nodes, engine, nodes=nodes)["changed"] is False


def test_a_promotion_that_does_not_show_stops_the_rest(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.delay = 10_000
    nodes = [{"name": "server-2", "role": "worker"}, {"name": "server-3", "role": "manager"}]
    result = run(swarm_nodes, engine, nodes=nodes, wait_timeout=5)
    assert result["msg"].startswith("server-3 is no reachable manager 5 s after the change (promote)")
    assert result["done"] == ["promote node server-3 (3 managers, 1 may fail)"]


@pytest.mark.parametrize("check", [True, False])
def test_what_would_lose_the_quorum_changes_nothing(run: Run, engine: Engine, cluster: Cluster, check: bool) -> None:
    cluster.add("server-4", "manager", Status={"State": "down"}, ManagerStatus={"Reachability": "unreachable"})
    nodes = [{"name": "server-3", "labels": {"a": "b"}}, {"name": "server-2", "role": "worker"}]
    result = run(swarm_nodes, engine, check=check, nodes=nodes)
    assert (result["failed"], engine.calls) == (True, [])
    assert "demote and remove, server-4 first" in result["msg"]


def test_a_manager_lost_during_the_run_is_counted(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.add("server-4", "manager")
    cluster.delay = 1
    cluster.happen_later(lambda: cluster.nodes["id-server-4"]["ManagerStatus"].update(Reachability="unreachable"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-2", "role": "worker"}])
    assert (result["failed"], engine.calls) == (True, [])
    assert "only 1 of 2 managers would be reachable" in result["msg"]


def test_a_dead_manager_goes(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.add("server-4", "manager", Status={"State": "down"}, ManagerStatus={"Reachability": "unreachable"})
    result = run(swarm_nodes, engine, nodes=[{"name": "server-4", "state": "absent"}])
    assert names(engine) == ["update_node", "remove_node"]
    assert [node["name"] for node in result["nodes"]] == ["server-1", "server-2", "server-3"]
    assert run(swarm_nodes, engine, nodes=[{"name": "server-4", "state": "absent"}])["changed"] is False


def test_a_node_that_has_left_is_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.happen_later(lambda: cluster.nodes["id-server-3"]["Status"].update(State="down"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "state": "absent"}])
    assert result["plan"] == ["remove node server-3 (down, id-server-3)"]


def test_a_live_node_is_not_removed(run: Run, engine: Engine) -> None:
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "state": "absent"}])
    assert (result["failed"], engine.calls) == (True, [])
    assert "let it leave first" in result["msg"]


def test_a_rebuilt_machine_takes_over_from_its_twin(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.add("server-3", node_id="old", spec={"Labels": {"location": "nbg"}})
    cluster.happen_later(lambda: cluster.nodes["old"]["Status"].update(State="down"))
    warned = run(swarm_nodes, engine, nodes=[{"name": "server-3"}])
    assert (warned["changed"], "dead twin (old)" in str(warned["warnings"])) == (False, True)
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3"}], dead_twins="remove")
    assert [(node["id"], node["labels"]) for node in result["nodes"] if node["name"] == "server-3"] == [
        ("id-server-3", {"location": "nbg"})
    ]


def task(number: int, state: str) -> dict[str, Any]:
    return {"ID": f"t{number}", "NodeID": "id-server-3", "Status": {"State": state}}


def test_drain_waits_for_the_last_task(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.tasks = [task(1, "running"), task(2, "shutdown"), task(3, "failed")]
    cluster.happen_later(lambda: cluster.tasks[0]["Status"].update(State="shutdown"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "drain"}])
    assert (result["changed"], result["nodes"][2]["availability"]) == (True, "drain")
    assert cluster.tasks[0]["Status"]["State"] == "shutdown"


def test_a_drain_that_does_not_end_names_the_tasks_even_on_the_next_run(
    run: Run, engine: Engine, cluster: Cluster
) -> None:
    cluster.tasks = [task(1, "running")]
    for changed in (True, False):
        result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "drain"}], wait_timeout=5)
        assert (result["failed"], result["changed"]) == (True, changed)
        assert "after 5 s: t1 on server-3 (running)" in result["msg"]


def test_a_dead_node_is_not_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.nodes["id-server-3"]["Status"]["State"] = "down"
    cluster.tasks = [task(1, "running")]
    assert run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "drain"}])["changed"] is True


def test_unknown_nodes_are_refused_and_in_check_mode_awaited(run: Run, engine: Engine) -> None:
    nodes = [{"name": "server-3", "labels": {"a": "b"}}, {"name": "server-9", "labels": {"c": "d"}}]
    result = run(swarm_nodes, engine, nodes=nodes)
    assert (result["failed"], engine.calls) == (True, [])
    assert "called server-9. Known nodes: server-1, server-2, server-3." in result["msg"]
    planned = run(swarm_nodes, engine, check=True, nodes=nodes)
    assert planned["plan"] == ["update node server-3 (labels a=b)", "update node server-9 (once it has joined)"]


def test_before_there_is_a_swarm(run: Run) -> None:
    nodes = [{"name": "server-1", "role": "manager"}]
    assert "is in no swarm" in run(swarm_nodes, Engine("server-1"), nodes=nodes)["msg"]
    assert run(swarm_nodes, Engine("server-1"), check=True, nodes=nodes)["plan"] == [
        "update node server-1 (once it has joined)"
    ]


def test_a_worker_names_its_managers(run: Run, cluster: Cluster) -> None:
    result = run(swarm_nodes, Engine("server-3", cluster), nodes=[{"name": "server-3"}])
    assert result["msg"].startswith("server-3 is a worker: run this on a manager of its swarm (10.0.0.2:2377")
