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
REPLICAS = {
    "redis": "3/3", "db": "3/3", "edge": "3/3",
    "vote": "2/2", "result": "2/2", "worker": "2/2", "accounts": "1/1",
}  # fmt: skip
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


def containers(host: Host) -> list[dict[str, Any]]:
    """What the engine knows of the containers of both stacks on a host."""
    ids = host.check_output("docker ps --quiet --filter label=com.docker.stack.namespace")
    found: list[dict[str, Any]] = docker(host, f"inspect {' '.join(ids.split())}")
    return found


def test_containers_have_no_privileges(machine: Host) -> None:
    for container in containers(machine):
        lines = machine.file(f"/proc/{container['State']['Pid']}/status").content_string.splitlines()
        status = dict(line.split(":\t", maxsplit=1) for line in lines)
        assert status["NoNewPrivs"] == "1", container["Name"]
        assert {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert "0" not in status["Uid"].split() + status["Gid"].split(), container["Name"]


def test_containers_write_only_where_they_are_given_a_place(machine: Host) -> None:
    for container in containers(machine):
        mounts = {
            fields[1]: fields[3].split(",")
            for fields in map(
                str.split, machine.file(f"/proc/{container['State']['Pid']}/mounts").content_string.splitlines()
            )
        }
        assert "ro" in mounts["/"], container["Name"]
        given = [mount["Target"] for mount in container["HostConfig"].get("Mounts") or [] if mount["Type"] == "tmpfs"]
        for path in given:
            assert any(option.startswith("size=") for option in mounts[path]), (container["Name"], path)


def test_containers_are_bounded(machine: Host) -> None:
    for container in containers(machine):
        limits = container["HostConfig"]
        assert min(limits["Memory"], limits["PidsLimit"]) > 0, container["Name"]
        assert limits["LogConfig"]["Config"]["max-size"], container["Name"]


# Values never leave the server, nor get into an argument list.
LOOK_FOR_SECRETS = """
for secret in "${@:3}"; do
    value=$(docker exec "$1" cat "/run/secrets/$secret")
    ((${#value} >= 32)) || echo "$secret is not there"
    for place in "inspect $1" "inspect $2" "logs $1"; do
        docker $place 2>&1 | grep --quiet --fixed-strings --file <(echo "$value") && echo "$secret is in docker $place"
    done
done
true
"""


def test_no_password_is_in_an_environment_an_image_or_a_log(machine: Host) -> None:
    seen = set()
    for container in containers(machine):
        service = container["Config"]["Labels"]["com.docker.swarm.service.name"]
        given = docker(machine, f"service inspect {service}")[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
        secrets = [secret["File"]["Name"] for secret in given.get("Secrets") or []]
        arguments = ["LOOK_FOR_SECRETS", container["Id"], container["Image"], *secrets]
        look = "bash -c %s" + " %s" * len(arguments)
        assert not machine.check_output(look, LOOK_FOR_SECRETS, *arguments), service
        seen.update(secrets)
    assert seen >= {"db_password", "redis_password"}, "the members on this server have both"


def test_the_queue_asks_for_a_password(machine: Host) -> None:
    member = machine.check_output("docker ps --quiet --filter name=voteapp-data_redis-")
    assert "NOAUTH" in machine.run(f"docker exec {member} redis-cli LLEN votes").stdout
    assert machine.check_output(f"docker exec {member} votes LLEN votes").isdecimal()


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
