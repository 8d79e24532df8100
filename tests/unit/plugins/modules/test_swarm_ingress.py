# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_ingress against a swarm in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _kernel
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_ingress
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import (
    Cluster,
    Engine,
    network,
    refusal,
)

Run = Callable[..., dict[str, Any]]

MTU = "com.docker.network.driver.mtu"


@pytest.fixture(autouse=True)
def kernel(monkeypatch: pytest.MonkeyPatch) -> dict[str, bool]:
    found = {"ip_vs": True, "vxlan": True, "esp4": True}
    monkeypatch.setattr(_kernel, "features", lambda: found)
    return found


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add("server-1", "manager")
    cluster.add("server-2")
    return cluster


@pytest.fixture
def engine(cluster: Cluster) -> Engine:
    return Engine("server-1", cluster)


def publish(cluster: Cluster, *names: str) -> None:
    ports = {"Ports": [{"PublishedPort": 80, "PublishMode": "ingress"}]}
    cluster.services = [{"ID": name, "Spec": {"Name": name, "EndpointSpec": ports}} for name in names]


def names(engine: Engine) -> list[str]:
    """What changed the swarm, without the attempts that were refused at first."""
    return list(dict.fromkeys(name for name, _options in engine.calls))


def test_check_do_again(run: Run, engine: Engine) -> None:
    wish = {"mtu": 1450, "encrypted": True}
    planned = run(swarm_ingress, engine, check=True, **wish)
    assert (planned["changed"], engine.calls) == (True, [])
    assert planned["plan"] == ["replace network ingress (mtu 1450; encrypted)"]
    assert planned["diff"][0]["before"] == {"mtu": None, "encrypted": False}
    assert planned["diff"][0]["after"] == {"mtu": 1450, "encrypted": True}
    assert (planned["ingress"]["mtu"], planned["kept_because"]) == (None, None)
    done = run(swarm_ingress, engine, **wish)
    assert (done["changed"], done["plan"], done["diff"]) == (True, planned["plan"], planned["diff"])
    assert {key: done["ingress"][key] for key in ("name", "mtu", "encrypted")} == {"name": "ingress", **wish}
    assert done["ingress"]["options"][MTU] == "1450"
    assert names(engine) == ["remove_network", "create_network"]
    calls = len(engine.calls)
    again = run(swarm_ingress, engine, **wish)
    assert (again["changed"], again["diff"], len(engine.calls)) == (False, [], calls)


def test_what_is_as_asked_for_takes_one_look(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.networks = [network("ingress", {MTU: "1450"})]
    publish(cluster, "web")
    assert run(swarm_ingress, engine, mtu=1450)["changed"] is False
    assert engine.asked == ["networks"]


def test_it_is_made_anew_under_its_name(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.networks = [network("mesh", {"com.example.own": "x"}, Labels={"a": "b"})]
    assert run(swarm_ingress, engine, mtu=1450)["ingress"]["name"] == "mesh"
    assert engine.calls[0] == ("remove_network", {"id": "id-mesh"})
    assert engine.calls[-1] == (
        "create_network",
        {
            "name": "mesh",
            "driver": "overlay",
            "options": {"com.example.own": "x", MTU: "1450"},
            "labels": {"a": "b"},
            "check_duplicate": True,
            "ingress": True,
        },
    )


@pytest.mark.parametrize("check", [True, False])
def test_a_used_network_is_refused(run: Run, engine: Engine, cluster: Cluster, check: bool) -> None:
    publish(cluster, "web", "api")
    result = run(swarm_ingress, engine, check=check, mtu=1450)
    assert (result["failed"], result["changed"], engine.calls) == (True, False, [])
    assert "services publish ports through it: api, web. Nothing was changed." in result["msg"]


@pytest.mark.parametrize("check", [True, False])
def test_a_used_network_is_kept_where_that_is_asked_for(
    run: Run, engine: Engine, cluster: Cluster, check: bool
) -> None:
    publish(cluster, "web")
    result = run(swarm_ingress, engine, check=check, mtu=1450, when_used="keep")
    assert (result["changed"], result["plan"], result["diff"], engine.calls) == (False, [], [], [])
    assert result["kept_because"] == "services publish ports through it: web"
    assert (result["ingress"]["name"], result["ingress"]["mtu"]) == ("ingress", None)
    assert "kept as it is (mtu 1450 was asked for), because services" in str(result["warnings"])


def test_a_kernel_that_cannot_encrypt(run: Run, engine: Engine, kernel: dict[str, bool]) -> None:
    kernel["esp4"] = False
    result = run(swarm_ingress, engine, encrypted=True)
    assert (result["failed"], engine.calls) == (True, [])
    assert "the kernel of this node has no esp4" in result["msg"]
    assert run(swarm_ingress, engine, encrypted=False)["changed"] is False


def test_a_missing_network_is_created(run: Run, engine: Engine, cluster: Cluster) -> None:
    del cluster.networks[-1]
    planned = run(swarm_ingress, engine, check=True, mtu=1450)
    assert (planned["plan"], planned["ingress"]) == (["create network ingress (mtu 1450)"], None)
    assert planned["diff"][0]["after"] == {"mtu": 1450, "encrypted": False}
    result = run(swarm_ingress, engine, mtu=1450)
    assert (result["plan"], result["ingress"]["mtu"]) == (planned["plan"], 1450)
    assert names(engine) == ["create_network"]


def test_what_an_interrupted_run_removed_may_still_be_listed(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.torn_down = [cluster.networks.pop()]
    cluster.delay = 4
    cluster.happen_later(cluster.torn_down.clear)
    result = run(swarm_ingress, engine, mtu=1450)
    assert (result["changed"], result["ingress"]["mtu"]) == (True, 1450)


@pytest.mark.parametrize("removed", [True, False])
def test_a_network_that_is_never_torn_down(run: Run, engine: Engine, cluster: Cluster, removed: bool) -> None:
    cluster.delay = 10_000
    if removed:
        cluster.torn_down = [cluster.networks.pop()]
    result = run(swarm_ingress, engine, mtu=1450, wait_timeout=5)
    assert (result["changed"], result["done"]) == (not removed, [] if removed else ["remove network ingress"])
    assert "for 5 s, because the engine says: network with name ingress already exists. Until" in result["msg"]


def test_one_that_another_has_made_meanwhile(run: Run, engine: Engine, cluster: Cluster) -> None:
    made = cluster.networks.pop()
    cluster.happen_later(lambda: cluster.networks.append(made))
    result = run(swarm_ingress, engine, mtu=1450, wait_timeout=5)
    assert (result["failed"], result["changed"]) == (True, False)
    assert "because the engine says: ingress network (id-ingress) is already present." in result["msg"]


def test_a_creation_that_is_refused_for_good(run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_engine: Engine, name: str, **_options: Any) -> None:
        raise refusal("boom")

    monkeypatch.setattr(Engine, "create_network", refuse)
    result = run(swarm_ingress, engine, mtu=1450)
    assert result["msg"] == "Cannot create the network ingress, without which there is no routing mesh: boom."
    assert (result["changed"], result["done"]) == (True, ["remove network ingress"])


def test_a_removal_that_is_refused(run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reason = "ingress network cannot be removed because service web depends on it"

    def refuse(_engine: Engine, _net_id: str) -> None:
        raise refusal(f"rpc error: code = FailedPrecondition desc = {reason}", 400)

    monkeypatch.setattr(Engine, "remove_network", refuse)
    result = run(swarm_ingress, engine, mtu=1450)
    assert result["msg"] == f"Cannot remove the network ingress: {reason}."
    assert (result["changed"], result["done"]) == (False, [])


def test_a_network_that_is_created_and_gets_no_subnet(run: Run, engine: Engine, cluster: Cluster) -> None:
    del cluster.networks[-1]
    cluster.delay = 10_000
    result = run(swarm_ingress, engine, mtu=1450, wait_timeout=5)
    assert "is not listed with a subnet 5 s after it was created" in result["msg"]
    assert (result["changed"], result["done"]) == (True, ["create network ingress"])
    calls = len(engine.calls)
    again = run(swarm_ingress, engine, mtu=1450, wait_timeout=5)
    assert (again["changed"], len(engine.calls)) == (False, calls)
    assert "has not given the network ingress a subnet yet" in again["msg"]


def test_a_network_that_was_just_made_is_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    made = cluster.networks[-1]
    cluster.networks[-1] = {**made, "Driver": "", "Options": None}
    cluster.happen_later(lambda: cluster.networks[-1].update(made))
    assert run(swarm_ingress, engine, encrypted=False)["changed"] is False


def test_an_election_is_waited_for(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.error = "rpc error: code = Unknown desc = The swarm does not have a leader."
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    assert run(swarm_ingress, engine, mtu=1450)["changed"] is True


def test_without_a_leader(run: Run, engine: Engine, cluster: Cluster) -> None:
    cluster.error = "rpc error: code = Unknown desc = The swarm does not have a leader."
    result = run(swarm_ingress, engine, mtu=1450)
    assert (result["failed"], engine.calls) == (True, [])
    assert "The managers have no leader" in result["msg"]


def test_on_no_manager(run: Run, cluster: Cluster) -> None:
    result = run(swarm_ingress, Engine("server-2", cluster), mtu=1450)
    assert result["msg"].startswith("server-2 is a worker: run this on a manager of its swarm (10.0.0.2:2377")
    assert "server-1 is in no swarm" in run(swarm_ingress, Engine("server-1"), mtu=1450)["msg"]


def test_an_mtu_with_a_digit_missing(run: Run, engine: Engine) -> None:
    assert run(swarm_ingress, engine, mtu=145)["msg"].startswith("mtu is 145 and must be from 576 to 65535")
