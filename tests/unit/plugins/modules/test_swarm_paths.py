# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_paths against a swarm in memory; what a probe finds is written down beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._paths import Outcome, Path
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_paths
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine, refusal

Run = Callable[..., dict[str, Any]]

PIDS = {"c1": 11, "c2": 12}
SERVICE = {
    "ID": "s1",
    "Spec": {"Name": "web"},
    "Endpoint": {"Ports": [{"Protocol": "tcp", "PublishedPort": 80, "PublishMode": "ingress"}]},
}


def task(number: int, **over: Any) -> dict[str, Any]:
    network = {"ID": "a", "Spec": {"Name": "back"}, "DriverState": {"Name": "overlay"}}
    return {
        "ID": f"t{number}",
        "ServiceID": "s1",
        "NodeID": f"id-server-{number}",
        "Slot": number,
        "Spec": {},
        "Status": {"State": "running", "ContainerStatus": {"ContainerID": f"c{number}"}},
        "NetworksAttachments": [{"Network": network, "Addresses": [f"10.0.1.{number + 4}/24"]}],
        **over,
    }


class Node(Engine):
    """An engine that lists tasks as managers do and has containers."""

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        assert filters == {"desired-state": "running"}
        return list(self.member().tasks)

    def inspect_container(self, container: str) -> dict[str, Any]:
        if container not in PIDS:
            raise refusal(f"No such container: {container}", 404)
        return {"State": {"Pid": PIDS[container]}}


class Network:
    """What a probe finds. broken: by target, how often it still fails. tried: what was tried, round by round."""

    def __init__(self) -> None:
        self.broken: dict[str, int] = {}
        self.tried: list[list[str]] = []
        self.pids: dict[str, int] = {}
        self.timeout = 0.0

    def probe(self, paths: Sequence[Path], pids: dict[str, int], timeout: float) -> dict[Path, Outcome]:
        self.tried.append([f"{path.kind} {path.target}" for path in paths])
        self.pids, self.timeout = pids, timeout
        return {path: self.outcome(path) for path in paths}

    def outcome(self, path: Path) -> Outcome:
        if self.broken.get(path.target, 0) <= 0:
            return Outcome("", 0.5, 84 if path.kind == "task" else None)
        self.broken[path.target] -= 1
        return Outcome("no answer within 3 s", None)


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    network = Network()
    monkeypatch.setattr(swarm_paths._path_probes, "probe", network.probe)
    monkeypatch.setattr(swarm_paths._kernel, "features", lambda: {"ip_vs": True})
    monkeypatch.setattr(swarm_paths.os, "geteuid", lambda: 0)
    return network


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add("server-1", "manager")
    cluster.add("server-2")
    cluster.tasks, cluster.services = [task(1), task(2)], [SERVICE]
    return cluster


@pytest.fixture
def manager(cluster: Cluster) -> Node:
    return Node("server-1", cluster)


ALL = [
    "task web.2 on server-2",
    "task web.2 on server-2",
    "name tasks.web",
    "name web",
    "port web at server-1",
    "port web at server-2",
]


@pytest.mark.parametrize("check", [False, True])
def test_a_manager_tries_all_paths_once(run: Run, network: Network, manager: Node, check: bool) -> None:
    result = run(swarm_paths, manager, check=check, path_timeout=2)
    assert (result["changed"], result["failed_paths"], result["left_out"]) == (False, [], [])
    assert (network.tried, network.pids, network.timeout) == ([ALL], {"c1": 11}, 2)
    assert result["counts"]["task"] == {"total": 2, "failed": 0}
    assert [path["target"] for path in result["paths"] if path["kind"] == "task"] == ["web.2 on server-2"] * 2
    assert result["node_addresses"] == {"server-1": "10.0.0.2", "server-2": "10.0.0.3"}
    assert manager.calls == []


def test_what_fails_is_tried_again_and_nothing_else(run: Run, network: Network, manager: Node) -> None:
    network.broken = {"tasks.web": 2}
    result = run(swarm_paths, manager)
    assert network.tried == [ALL, ["name tasks.web"], ["name tasks.web"]]
    assert (result["failed_paths"], result["counts"]["name"]) == ([], {"total": 2, "failed": 0})


def test_what_keeps_failing_fails_the_module_with_all_it_found(run: Run, network: Network, manager: Node) -> None:
    network.broken = {"web at server-2": 10_000}
    result = run(swarm_paths, manager, settle_timeout=5)
    assert (result["failed"], result["changed"]) == (True, False)
    assert result["msg"].startswith(
        "1 of 6 paths from server-1 still fail after 5 s: server-1 to web at server-2 (10.0.0.3:80): no answer"
    )
    assert result["failed_paths"] == ["server-1 to web at server-2 (10.0.0.3:80): no answer within 3 s"]
    assert result["counts"]["port"] == {"total": 2, "failed": 1}
    assert len(result["tasks"]) == 2


def test_failures_may_be_reported_only(run: Run, network: Network, manager: Node) -> None:
    network.broken = {"web at server-2": 10_000}
    result = run(swarm_paths, manager, settle_timeout=0, fail_on="never")
    assert ("failed" in result, len(result["failed_paths"]), len(network.tried)) == (False, 1, 1)


def test_a_worker_is_handed_what_a_manager_returned(
    run: Run, network: Network, manager: Node, cluster: Cluster
) -> None:
    told = run(swarm_paths, manager)
    handed = {name: told[name] for name in ("tasks", "node_addresses")}
    worker = Node("server-2", cluster)
    result = run(swarm_paths, worker, **handed)
    assert network.tried[1][0] == "task web.1 on server-1"
    assert (network.pids, worker.asked) == ({"c2": 12}, [])
    assert {name: result[name] for name in handed} == handed
    refused = run(swarm_paths, worker, tasks=handed["tasks"])
    assert refused["msg"].startswith("server-2 is a worker, which cannot list the swarm: set both tasks and node_addr")


def test_addresses_may_be_others(run: Run, network: Network, manager: Node) -> None:
    result = run(swarm_paths, manager, node_addresses={"server-2": "203.0.113.7"})
    assert [path["address"] for path in result["paths"] if path["kind"] == "port"] == ["203.0.113.7:80"]


def test_a_task_that_is_replaced_meanwhile_is_not_held_against_the_network(
    run: Run, network: Network, manager: Node, cluster: Cluster
) -> None:
    network.broken = {"web.2 on server-2": 10_000}
    cluster.happen_later(lambda: cluster.tasks.remove(cluster.tasks[1]))
    cluster.delay = 3
    result = run(swarm_paths, manager)
    assert (result["failed_paths"], [item["name"] for item in result["tasks"]]) == ([], ["web.1"])


def test_a_container_that_is_gone_is_no_process(run: Run, network: Network, manager: Node, cluster: Cluster) -> None:
    gone = {"State": "running", "ContainerStatus": {"ContainerID": "c9"}}
    cluster.tasks.append(task(3, NodeID="id-server-1", Status=gone))
    run(swarm_paths, manager)
    assert network.pids == {"c1": 11}


def test_an_election_and_nodes_not_heard_of_yet_are_waited_for(
    run: Run, network: Network, manager: Node, cluster: Cluster
) -> None:
    cluster.error = "The swarm does not have a leader"
    cluster.nodes["id-server-2"]["Status"]["State"] = "unknown"
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    cluster.delay = 6
    cluster.happen_later(lambda: cluster.nodes["id-server-2"]["Status"].update(State="ready"))
    result = run(swarm_paths, manager)
    assert (result["counts"]["task"], result["left_out"]) == ({"total": 2, "failed": 0}, [])


def test_a_node_that_is_down_is_left_out(run: Run, network: Network, manager: Node, cluster: Cluster) -> None:
    cluster.nodes["id-server-2"]["Status"]["State"] = "down"
    result = run(swarm_paths, manager)
    assert result["left_out"] == ["server-2 is down: its tasks are not tried."]
    assert result["counts"]["task"] == {"total": 0, "failed": 0}
    assert result["node_addresses"] == {"server-1": "10.0.0.2"}


def test_managers_without_a_leader_cannot_be_asked(run: Run, network: Network, manager: Node, cluster: Cluster) -> None:
    cluster.error = "The swarm does not have a leader"
    result = run(swarm_paths, manager)
    assert (result["msg"].startswith("The managers have no leader"), network.tried) == (True, [])


def test_what_cannot_work_is_refused(
    run: Run, network: Network, manager: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "path_timeout is 0" in run(swarm_paths, manager, path_timeout=0)["msg"]
    assert "setting tasks lacks" in run(swarm_paths, manager, tasks=[{"id": "t1"}])["msg"]
    assert run(swarm_paths, Node("server-1"))["msg"].startswith("server-1 is in no swarm")
    assert run(swarm_paths, Node("server-1", state="locked"))["msg"].startswith("The swarm on server-1 is locked")
    monkeypatch.setattr(swarm_paths.os, "geteuid", lambda: 1000)
    assert "run this as root" in run(swarm_paths, manager)["msg"]
    assert network.tried == []
