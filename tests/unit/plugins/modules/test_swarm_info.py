# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_info against engines in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from docker.errors import DockerException

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _host
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_info
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import (
    Cluster,
    Engine,
    network,
    refusal,
)

Run = Callable[..., dict[str, Any]]


def three_managers() -> Cluster:
    cluster = Cluster()
    for name in ("server-1", "server-2", "server-3"):
        cluster.add(name, "manager")
    return cluster


def test_without_a_swarm(run: Run) -> None:
    swarm = run(swarm_info, Engine("server-1"))["swarm"]
    assert (swarm["state"], swarm["role"], swarm["cluster_id"], swarm["nodes"]) == ("inactive", None, None, [])
    assert swarm["managers"] is None
    assert "join_tokens" not in swarm


def test_on_a_manager(run: Run) -> None:
    cluster = three_managers()
    cluster.nodes["id-server-3"]["ManagerStatus"]["Reachability"] = "unreachable"
    result = run(swarm_info, Engine("server-2", cluster), include_join_tokens=True)
    swarm = result["swarm"]
    assert result["changed"] is False
    assert swarm["managers"] == {"total": 3, "reachable": 2, "quorum": 2, "leader": "server-1"}
    assert (swarm["cluster_id"], swarm["role"], swarm["node_address"]) == ("C1", "manager", "10.0.0.3")
    assert swarm["join_tokens"] == {"manager": "token-manager", "worker": "token-worker"}
    assert swarm["nodes"][2] == {
        "id": "id-server-3",
        "name": "server-3",
        "role": "manager",
        "availability": "active",
        "status": "ready",
        "address": "10.0.0.4",
        "labels": {},
        "manager": {"leader": False, "reachability": "unreachable"},
        "engine_version": "26.1.5",
    }
    assert set(result["kernel"]) == {"ip_vs", "vxlan", "esp4"}
    assert "unlock_key" not in swarm


def test_networks_of_the_swarm(run: Run) -> None:
    cluster = three_managers()
    cluster.networks = [
        network("ingress", {"com.docker.network.driver.mtu": "1450"}),
        network("app", {"encrypted": ""}, Ingress=False, IPAM={"Config": [{"Subnet": "10.0.1.0/24"}]}),
        network("not yet allocated", Driver=""),
        network("bridge", Scope="local", Driver="bridge"),
    ]
    assert run(swarm_info, Engine("server-1", cluster))["swarm"]["networks"] == [
        {"name": "app", "ingress": False, "mtu": None, "encrypted": True, "subnets": ["10.0.1.0/24"]},
        {"name": "ingress", "ingress": True, "mtu": 1450, "encrypted": False, "subnets": []},
    ]


class Locking(Engine):
    """An engine of a swarm that locks its managers, or does not."""

    locks = True

    def info(self) -> dict[str, Any]:
        info = super().info()
        info["Swarm"]["Cluster"]["Spec"]["EncryptionConfig"] = {"AutoLockManagers": self.locks}
        return info

    def get_unlock_key(self) -> dict[str, str]:
        return {"UnlockKey": "SWMKEY-1" if self.locks else ""}


@pytest.mark.parametrize(
    ("locks", "error", "key"), [(True, "", "SWMKEY-1"), (False, "", None), (True, "no leader", None)]
)
def test_the_unlock_key(run: Run, locks: bool, error: str, key: str | None) -> None:
    cluster = three_managers()
    cluster.error = error
    engine = Locking("server-1", cluster)
    engine.locks = locks
    swarm = run(swarm_info, engine, include_unlock_key=True)["swarm"]
    assert (swarm["autolock"], swarm["unlock_key"]) == (locks, key)


@pytest.mark.parametrize(("told", "backend"), [({}, None), ({"FirewallBackend": {"Driver": "iptables"}}, "iptables")])
def test_the_host(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: dict[str, Any], backend: str | None
) -> None:
    info = {**Engine("server-1").info(), "DockerRootDir": str(tmp_path), "LiveRestoreEnabled": True, **told}
    monkeypatch.setattr(Engine, "info", lambda _engine: info)
    host = run(swarm_info, Engine("server-1"))["host"]
    assert (host["docker_root"], host["live_restore"], host["firewall_backend"]) == (str(tmp_path), True, backend)
    assert host["docker_root_free"] > 0
    assert "lo" in [interface["name"] for interface in host["interfaces"]]


def test_on_a_worker(run: Run) -> None:
    cluster = Cluster()
    cluster.add("server-1", "manager")
    cluster.add("server-2")
    swarm = run(swarm_info, Engine("server-2", cluster), include_join_tokens=True)["swarm"]
    assert (swarm["role"], swarm["cluster_id"], swarm["nodes"]) == ("worker", None, [])
    assert (swarm["autolock"], swarm["networks"]) == (None, [])
    assert swarm["remote_managers"] == ["10.0.0.2:2377"]
    assert swarm["join_tokens"] is None


def test_without_a_leader(run: Run) -> None:
    cluster = three_managers()
    cluster.error = "rpc error: code = Unknown desc = The swarm does not have a leader."
    swarm = run(swarm_info, Engine("server-1", cluster), include_join_tokens=True)["swarm"]
    assert (swarm["state"], swarm["error"]) == ("active", "The swarm does not have a leader")
    assert (swarm["managers"], swarm["nodes"], swarm["join_tokens"]) == (None, [], None)


def test_a_leader_lost_between_two_requests(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_engine: Engine) -> None:
        raise refusal("The swarm does not have a leader.")

    monkeypatch.setattr(Engine, "nodes", refuse)
    swarm = run(swarm_info, Engine("server-1", three_managers()))["swarm"]
    assert (swarm["state"], swarm["error"], swarm["nodes"]) == ("active", "The swarm does not have a leader", [])


def test_a_kernel_that_cannot_be_asked_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_kind: int) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(_host, "dump", refuse)
    result = run(swarm_info, Engine("server-1"))
    assert result["msg"] == "Cannot ask the kernel for the networks of this node: Operation not permitted."


def test_an_election_is_waited_for(run: Run) -> None:
    cluster = three_managers()
    cluster.error = "The swarm does not have a leader"
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    assert run(swarm_info, Engine("server-1", cluster), settle_timeout=30)["swarm"]["managers"]["leader"] == "server-1"


def test_an_election_that_does_not_end_is_reported(run: Run) -> None:
    cluster = three_managers()
    cluster.error = "The swarm does not have a leader"
    swarm = run(swarm_info, Engine("server-1", cluster), settle_timeout=30)["swarm"]
    assert (swarm["state"], swarm["error"]) == ("active", "The swarm does not have a leader")


def test_a_join_is_waited_for(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    states = iter(["pending", "pending", "error"])
    idle = Engine("server-1").info()
    monkeypatch.setattr(
        Engine, "info", lambda _engine: {**idle, "Swarm": {**idle["Swarm"], "LocalNodeState": next(states)}}
    )
    assert run(swarm_info, Engine("server-1"), settle_timeout=30)["swarm"]["state"] == "error"


def test_an_engine_that_cannot_be_reached_is_an_error(run: Run) -> None:
    error = DockerException("Error while fetching server API version")
    error.__cause__ = PermissionError(13, "Permission denied")
    result = run(swarm_info, error)
    assert result["failed"] is True
    assert "Cannot reach the Docker Engine at unix:///var/run/docker.sock: Permission denied. Check" in result["msg"]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refusal("boom."), "Cannot read the state of the Docker Engine: boom."),
        (requests.exceptions.ReadTimeout("slow"), "did not answer in time; raise the option timeout"),
        (requests.exceptions.ConnectionError("gone."), "Cannot read the state of the Docker Engine: gone."),
    ],
)
def test_an_engine_that_cannot_be_asked_is_an_error(
    run: Run, monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def fail(_engine: Engine) -> None:
        raise error

    monkeypatch.setattr(Engine, "info", fail)
    result = run(swarm_info, Engine("server-1"))
    assert result["failed"] is True
    assert message in result["msg"]
