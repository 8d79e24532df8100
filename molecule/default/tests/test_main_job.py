# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What holds on the servers after site.yml: three managers, a hardened SSH, an app that answers on every node."""

from __future__ import annotations

import json
import socket
import urllib.request
from typing import Any

import pytest
from testinfra.host import Host

LABELS = {"server-fsn-1": "fsn", "server-fsn-2": "fsn", "server-nbg-1": "nbg"}
REPLICAS = {"redis": "3/3", "db": "3/3", "vote": "2/2", "result": "1/1", "worker": "2/2", "edge": "3/3"}
STORES_OF_A_MEMBER = 4


def docker(host: Host, command: str) -> Any:
    return json.loads(host.check_output(f"docker {command}"))


def test_one_leader_and_two_reachable(manager: Host) -> None:
    states = manager.check_output("docker node ls --format '{{.ManagerStatus}}'").split()
    assert sorted(states) == ["Leader", "Reachable", "Reachable"]


def test_every_node_says_where_it_stands(manager: Host) -> None:
    nodes = docker(manager, "node inspect " + " ".join(LABELS))
    assert {node["Description"]["Hostname"]: node["Spec"]["Labels"]["location"] for node in nodes} == LABELS


def test_members_talk_over_the_private_network(manager: Host) -> None:
    nodes = docker(manager, "node inspect " + " ".join(LABELS))
    assert {node["ManagerStatus"]["Addr"] for node in nodes} == {"10.0.0.2:2377", "10.0.0.3:2377", "10.0.0.4:2377"}


def test_every_service_runs_all_its_tasks(manager: Host) -> None:
    lines = manager.check_output("docker stack services voteapp --format '{{.Name}} {{.Replicas}}'").splitlines()
    assert dict(line.removeprefix("voteapp_").split(maxsplit=1) for line in lines) == REPLICAS


def test_every_member_of_the_stores_does_its_part(machine: Host) -> None:
    members = machine.check_output("docker ps --quiet --filter label=com.docker.stack.namespace=voteapp-data").split()
    assert len(members) == STORES_OF_A_MEMBER
    for member in members:
        machine.check_output(f"docker exec {member} ready")


def test_the_edge_shares_no_network_with_a_store(manager: Host) -> None:
    def networks(service: str) -> set[str]:
        spec = docker(manager, f"service inspect voteapp_{service}")[0]["Spec"]["TaskTemplate"]
        return {network["Target"] for network in spec["Networks"]}

    assert not networks("edge") & (networks("redis") | networks("db"))


def test_the_password_is_in_no_environment(manager: Host) -> None:
    for service in ("voteapp-data_db-1", "voteapp_worker", "voteapp_result"):
        spec = docker(manager, f"service inspect {service}")[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
        assert not [entry for entry in spec.get("Env", []) if entry.startswith("POSTGRES_PASSWORD=")]
        assert "db_password" in [secret["File"]["Name"] for secret in spec["Secrets"]]


def test_the_host_firewall_is_in_force_now_and_at_boot(machine: Host) -> None:
    assert machine.run("triad-firewall status").rc == 0
    assert machine.service("triad-firewall").is_enabled


@pytest.mark.parametrize("setting", ["passwordauthentication no", "permitrootlogin without-password"])
def test_ssh_lets_in_by_key_only(machine: Host, setting: str) -> None:
    assert setting in machine.check_output("sshd -T").splitlines()


def test_the_engine_starts_at_boot(machine: Host) -> None:
    service = machine.service("docker")
    assert service.is_running
    assert service.is_enabled


def test_no_join_token_stays_on_the_server(machine: Host) -> None:
    assert machine.run("grep -rlsE 'SWMTKN-1-[0-9a-z]{20}' /root /tmp /var/tmp /var/lib/cloud /var/log").stdout == ""


@pytest.mark.parametrize("port", [2377, 7946])
def test_the_swarm_is_closed_to_the_outside(server: dict[str, Any], port: int) -> None:
    with pytest.raises(TimeoutError), socket.create_connection((server["public_ipv4"], port), timeout=1):
        pass


@pytest.mark.parametrize("port", [8080, 8081])
def test_pages_answer_on_every_node(server: dict[str, Any], port: int) -> None:
    with urllib.request.urlopen(f"http://{server['public_ipv4']}:{port}/", timeout=10) as page:
        assert page.status == 200
