# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_quorum against swarms in memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_quorum
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine

Run = Callable[..., dict[str, Any]]


def managers(count: int) -> Cluster:
    cluster = Cluster()
    for number in range(1, count + 1):
        cluster.add(f"server-{number}", "manager")
    return cluster


def lose(cluster: Cluster, name: str) -> None:
    cluster.nodes[f"id-{name}"]["ManagerStatus"]["Reachability"] = "unreachable"


@pytest.mark.parametrize("check", [True, False])
def test_one_of_three_can_be_spared(run: Run, check: bool) -> None:
    engine = Engine("server-2", managers(3))
    result = run(swarm_quorum, engine, check=check, require="spare")
    assert (result["changed"], engine.calls, result["note"]) == (False, [], None)
    assert (result["node"]["name"], result["node"]["manager"]["leader"]) == ("server-2", False)
    assert result["managers"] == {"total": 3, "reachable": 3, "quorum": 2, "leader": "server-1"}


def test_a_manager_on_its_way_back_is_waited_for(run: Run) -> None:
    cluster = managers(3)
    lose(cluster, "server-3")
    cluster.happen_later(lambda: cluster.vote("id-server-3"))
    result = run(swarm_quorum, Engine("server-1", cluster), require="spare")
    assert result["managers"]["reachable"] == 3


def test_one_that_does_not_come_back_closes_the_gate(run: Run) -> None:
    cluster = managers(3)
    lose(cluster, "server-3")
    result = run(swarm_quorum, Engine("server-1", cluster), require="spare", wait_timeout=5)
    assert result["failed"] is True
    for words in ("only 1 of 3 managers", "2 are needed", "server-3", "accept_loss: true", "(Waited 5 s.)"):
        assert words in result["msg"]
    accepted = run(swarm_quorum, Engine("server-1", cluster), require="spare", wait_timeout=5, accept_loss=True)
    assert accepted["note"].startswith("Until server-1 is back nothing can be deployed")


def test_what_waiting_cannot_mend_is_refused_at_once(run: Run) -> None:
    engine = Engine("server-1", managers(2))
    result = run(swarm_quorum, engine, require="spare", wait_timeout=1000)
    assert "one of 2 managers and 2 are needed" in result["msg"]
    assert "Waited" not in result["msg"]
    assert run(swarm_quorum, engine, require="spare", accept_loss=True)["note"]


def test_a_removal_is_counted_as_one(run: Run) -> None:
    engine = Engine("server-1", managers(2))
    result = run(swarm_quorum, engine, require="spare", deed="removal", node="id-server-2")
    assert result["node"]["name"] == "server-2"
    refused = run(swarm_quorum, engine, require="spare", deed="removal", accept_loss=True)
    assert "accept_loss goes with deed: restart only" in refused["msg"]


def test_without_a_swarm_there_is_nothing_to_lose(run: Run) -> None:
    result = run(swarm_quorum, Engine("server-1"), require="spare")
    assert (result["changed"], result["node"], result["managers"], result["note"]) == (False, None, None, None)


def test_a_locked_engine_may_restart_and_is_no_member(run: Run) -> None:
    engine = Engine("server-1", state="locked")
    assert "state locked" in run(swarm_quorum, engine, require="spare")["note"]
    result = run(swarm_quorum, engine, require="member")
    assert "docker swarm unlock" in result["msg"]
    assert "Waited" not in result["msg"]


def test_an_election_is_waited_for(run: Run) -> None:
    cluster = managers(3)
    cluster.error = "rpc error: code = Unknown desc = The swarm does not have a leader."
    cluster.happen_later(lambda: setattr(cluster, "error", ""))
    result = run(swarm_quorum, Engine("server-2", cluster), require="member")
    assert result["node"]["name"] == "server-2"
    cluster.error = "The swarm does not have a leader."
    result = run(swarm_quorum, Engine("server-2", cluster), require="member", wait_timeout=5)
    assert "managers have no leader" in result["msg"]


def test_a_worker_takes_part_when_it_is_active(run: Run) -> None:
    cluster = managers(1)
    cluster.add("server-2")
    assert run(swarm_quorum, Engine("server-2", cluster), require="member")["node"] is None


def test_a_member_that_starts_is_given_time_before_its_restart(run: Run) -> None:
    engine = Engine("server-1", managers(3))
    engine.state = "pending"
    assert "state pending" in run(swarm_quorum, engine, require="spare", wait_timeout=5)["note"]
    engine.member().happen_later(lambda: setattr(engine, "state", "active"))
    assert run(swarm_quorum, engine, require="spare")["note"] is None
