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
    assert result["msg"].startswith("server-3 is no reachable manager after 5 s, although it has been given the role")
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


def test_a_manager_that_is_lost_stops_the_rest_even_where_a_majority_is_left(
    run: Run, engine: Engine, cluster: Cluster
) -> None:
    for name in ("server-4", "server-5", "server-6"):
        cluster.add(name, "manager")
    cluster.delay = 1
    cluster.happen_later(lambda: cluster.nodes["id-server-6"]["ManagerStatus"].update(Reachability="unreachable"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-2", "role": "worker"}], wait_timeout=5)
    assert (result["failed"], engine.calls) == (True, [])
    assert result["msg"].startswith("server-6 could be reached as a manager when this began, and cannot for 5 s")


def test_the_next_change_of_role_waits_for_all_managers(run: Run, engine: Engine, cluster: Cluster) -> None:
    for name in ("server-4", "server-5", "server-6"):
        cluster.add(name, "manager")
    reachable: list[list[str]] = []
    update = engine.update_node

    def blink(node_id: str, version: int, spec: dict[str, Any]) -> bool:
        """Every change costs another manager its reachability for a while, as an election does."""
        voters = [node["ManagerStatus"] for node in cluster.nodes.values() if "ManagerStatus" in node]
        reachable.append([status["Reachability"] for status in voters])
        cluster.nodes["id-server-6"]["ManagerStatus"].update(Reachability="unreachable")
        done = update(node_id, version, spec)
        cluster.delay = 5
        cluster.happen_later(lambda: cluster.nodes["id-server-6"]["ManagerStatus"].update(Reachability="reachable"))
        cluster.delay = 2
        return done

    engine.update_node = blink  # type: ignore[method-assign]
    nodes = [{"name": name, "role": "worker"} for name in ("server-4", "server-5")]
    result = run(swarm_nodes, engine, nodes=nodes)
    assert result["plan"] == [
        "demote node server-4 (4 managers, 1 may fail)",
        "demote node server-5 (3 managers, 1 may fail)",
    ]
    assert reachable == [["reachable"] * 5, ["reachable"] * 4]


@pytest.mark.parametrize("delay", [10, 10_000])
def test_a_promotion_of_an_earlier_run_is_waited_for(run: Run, engine: Engine, cluster: Cluster, delay: int) -> None:
    cluster.nodes["id-server-3"]["Spec"]["Role"] = "manager"
    cluster.delay = delay
    cluster.happen_later(lambda: cluster.vote("id-server-3"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "role": "manager"}], wait_timeout=20)
    assert (result.get("failed", False), engine.calls) == (delay > 10, [])
    assert ("server-3 is no reachable manager after 20 s" in result.get("msg", "")) is (delay > 10)


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


def task(number: int, state: str, service: str = "agent", node: str = "server-3") -> dict[str, Any]:
    place = {"ID": f"t{number}", "ServiceID": f"id-{service}", "NodeID": f"id-{node}"}
    return {**place, "DesiredState": "running", "Status": {"State": state}}


def service(name: str, replicas: int, **template: Any) -> dict[str, Any]:
    spec = {"Name": name, "Mode": {"Replicated": {"Replicas": replicas}}, "TaskTemplate": template}
    return {"ID": f"id-{name}", "Spec": spec}


PINNED = {"Placement": {"Constraints": ["node.labels.disk == ssd"]}}


class Orchestrated(Engine):
    """An engine whose swarm moves tasks: those of a drained node stop, and the web's run elsewhere after a while."""

    def update_node(self, node_id: str, version: int, node_spec: dict[str, Any]) -> bool:
        if node_spec["Availability"] == "drain":
            self.member().happen_later(self.move_tasks)
        return super().update_node(node_id, version, node_spec)

    def move_tasks(self) -> None:
        cluster = self.member()
        for item in cluster.tasks:
            item.update(DesiredState="shutdown", Status={"State": "shutdown"})
        cluster.tasks.append(task(9, "starting", "web", "server-2"))
        cluster.happen_later(lambda: cluster.tasks[-1]["Status"].update(State="running"))


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
        assert "5 s after the drain of server-3, tasks still run there: t1 on server-3 (running)" in result["msg"]


def test_a_drain_waits_until_the_services_run_elsewhere(run: Run, cluster: Cluster) -> None:
    cluster.services = [service("web", 1)]
    cluster.tasks = [task(1, "running", "web")]
    result = run(swarm_nodes, Orchestrated("server-1", cluster), nodes=[{"name": "server-3", "availability": "drain"}])
    assert (result["changed"], result["stranded"]) == (True, [])
    assert cluster.tasks[-1]["Status"]["State"] == "running"


def test_a_service_that_does_not_come_up_elsewhere_is_named(run: Run, cluster: Cluster) -> None:
    cluster.services = [service("web", 2)]
    cluster.tasks = [task(1, "running", "web")]
    result = run(
        swarm_nodes,
        Orchestrated("server-1", cluster),
        nodes=[{"name": "server-3", "availability": "drain"}],
        wait_timeout=5,
    )
    assert (result["failed"], result["changed"]) == (True, True)
    assert "services do not run elsewhere as often as they shall (running/wanted): web 1/2" in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_drain_that_would_strand_a_service_changes_nothing(
    run: Run, engine: Engine, cluster: Cluster, check: bool
) -> None:
    cluster.services = [service("db", 1, **PINNED)]
    cluster.tasks = [task(1, "running", "db")]
    cluster.nodes["id-server-3"]["Spec"]["Labels"] = {"disk": "ssd"}
    nodes = [{"name": "server-1", "labels": {"a": "b"}}, {"name": "server-3", "availability": "drain"}]
    result = run(swarm_nodes, engine, check=check, nodes=nodes)
    assert (result["failed"], engine.calls) == (True, [])
    assert "db on server-3: no other node would take it (the constraint node.labels.disk == ssd" in result["msg"]
    nodes[0]["labels"] = {"disk": "ssd"}
    assert "failed" not in run(swarm_nodes, engine, check=True, nodes=nodes)


def test_a_stranded_service_stops_where_that_is_accepted(run: Run, cluster: Cluster) -> None:
    cluster.services = [service("db", 1, **PINNED), service("web", 1)]
    cluster.tasks = [task(1, "running", "db"), task(2, "running", "web")]
    cluster.nodes["id-server-3"]["Spec"]["Labels"] = {"disk": "ssd"}
    nodes = [{"name": "server-3", "availability": "drain"}]
    planned = run(swarm_nodes, Orchestrated("server-1", cluster), check=True, nodes=nodes, when_stranded="stop")
    done = run(swarm_nodes, Orchestrated("server-1", cluster), nodes=nodes, when_stranded="stop")
    assert (done["plan"], done["stranded"]) == (planned["plan"], planned["stranded"])
    assert done["stranded"][0].startswith("db on server-3: no other node")


def test_a_node_that_is_drained_and_empty_is_only_looked_at(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.nodes["id-server-3"]["Spec"]["Availability"] = "drain"
    cluster.services = [service("web", 2)]
    cluster.tasks = [task(1, "shutdown", "web"), task(2, "running", "web", "server-1")]
    assert run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "drain"}])["changed"] is False
    assert (engine.calls, engine.asked) == ([], ["tasks"])


def test_a_drain_that_an_earlier_run_has_begun_is_not_refused(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.nodes["id-server-3"]["Spec"].update(Availability="drain", Labels={"disk": "ssd"})
    cluster.services = [service("db", 1, **PINNED)]
    stopping = {**task(1, "running", "db"), "DesiredState": "shutdown"}
    cluster.tasks = [stopping, {**task(2, "pending", "db"), "NodeID": ""}]
    cluster.happen_later(lambda: stopping["Status"].update(State="shutdown"))
    result = run(swarm_nodes, engine, nodes=[{"name": "server-3", "availability": "drain"}])
    assert (result["changed"], result["stranded"][0].startswith("db on no node yet")) == (False, True)


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
