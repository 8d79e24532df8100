# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every port of every server, tried from outside and from a stranger on the private network, IPv4 and IPv6."""

from __future__ import annotations

import base64
import json
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterable
from ipaddress import ip_network
from pathlib import Path

from lab.daemons import wait_for
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "port scan from outside and from a stranger on the private network"
SCANS = Path(__file__).parent / "scans"
BLUEPRINT_PORTS = {22, 8080, 8081}
STRANGER = "stranger"
# Published by hand, beside the blueprint: a container's port that DOCKER-USER must close.
BY_HAND = 9555
PUBLISH = rf"""
set -eu
image=$(docker ps --filter name=voteapp_edge --format '{{{{.Image}}}}' | head -1)
docker run --detach --name by-hand --publish {BY_HAND}:8080 --entrypoint sh "$image" -c '
  printf "frontend all\n mode http\n bind :8080\n timeout client 5s\n http-request return status 200\n" > /tmp/all.cfg
  exec haproxy -db -f /tmp/all.cfg' > /dev/null
curl --silent --fail --retry 60 --retry-delay 1 --retry-all-errors http://127.0.0.1:{BY_HAND}/ > /dev/null
"""
SECONDS_TO_BOOT = 120


def judge(stage: Stage) -> Finding:
    """All 65535 TCP ports; UDP ports and the protocol of encrypted overlays by packets that must not be heard."""
    stage.reach("app")
    stage.level = None
    private = blueprint_addresses()
    servers = {server["name"]: server for server in stage.servers()}
    for name in private:
        stage.on(name, PUBLISH)
    _add_stranger(stage)
    targets = {
        "IPv4": [server["public_ipv4"] for server in servers.values()],
        "IPv6": [str(ip_network(server["public_ipv6"])[1]) for server in servers.values()],
    }
    problems, found, heard = [], {}, {}
    try:
        for family, addresses in targets.items():
            found[f"outside, {family}"] = _scan_from_here(addresses)
            found[f"stranger, public {family}"] = _scan_from(stage, STRANGER, addresses)
        found["stranger, private network"] = _scan_from(stage, STRANGER, private.values())
        found["member, private network"] = _scan_from(stage, next(iter(private)), list(private.values())[1:])
        heard = _packets(stage, private)
    finally:
        for name in private:
            stage.on(name, "docker rm --force by-hand > /dev/null")
        _remove_stranger(stage)
    for where, ports in found.items():
        strange = {port for opened in ports.values() for port in opened} - BLUEPRINT_PORTS
        if where.startswith("member"):
            problems += unmet({f"{where}: a control finds the swarm's ports ({strange})": strange >= {2377, 7946}})
        else:
            problems += unmet({f"{where}: only the blueprint's ports are open ({sorted(strange)})": not strange})
    for where, ports in found.items():
        # What containers publish is not asked for by IPv6: engines differ in that.
        wanted = {22} if "IPv6" in where else BLUEPRINT_PORTS
        missed = {address: sorted(wanted - set(opened)) for address, opened in ports.items()}
        problems += unmet({f"{where}: a control finds {sorted(wanted)} ({missed})": not any(missed.values())})
    problems += unmet(
        {
            f"a stranger's packets are not heard ({heard['stranger']})": not heard["stranger"],
            f"a member's are ({heard['member']})": set(heard["member"]) == {"4789/udp", "7946/udp"},
        }
    )
    listed = "; ".join(f"{where}: {_ports(ports.values())}" for where, ports in found.items())
    silent = ", ".join(heard["stranger"]) or "none"
    figure = f"{listed}; of 4789/udp and 7946/udp heard from a stranger: {silent}"
    return Finding(figure, problems, data={"open": found, "heard": heard})


def _ports(opened: Iterable[list[int]]) -> str:
    return ", ".join(map(str, sorted({port for ports in opened for port in ports}))) or "none"


def _scan_from_here(addresses: Iterable[str]) -> dict[str, list[int]]:
    command = [sys.executable, str(SCANS / "tcp.py"), *addresses]
    done = subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE)
    opened: dict[str, list[int]] = json.loads(done.stdout)
    return opened


def _scan_from(stage: Stage, server: str, addresses: Iterable[str]) -> dict[str, list[int]]:
    opened: dict[str, list[int]] = json.loads(stage.on(server, _script("tcp.py", *addresses)))
    return opened


def _packets(stage: Stage, private: dict[str, str]) -> dict[str, list[str]]:
    """The kinds of packets that a member hears of what a stranger and another member send."""
    (target, address), (other, _), *_ = private.items()
    heard = {}
    for who, sender in (("stranger", STRANGER), ("member", other)):
        told: list[str] = []
        listening = threading.Thread(target=lambda told=told: told.append(stage.on(target, _script("hear.py"))))
        listening.start()
        stage.on(sender, _script("send.py", address))
        listening.join()
        heard[who] = json.loads(told[0])
    return heard


def _script(name: str, *arguments: str) -> str:
    """A command that runs one of the scans on a server, without a file there."""
    text = base64.b64encode((SCANS / name).read_bytes()).decode()
    program = f"import base64; exec(base64.b64decode('{text}'))"
    return shlex.join(["python3", "-c", program, *arguments])


def _add_stranger(stage: Stage) -> None:
    """A server of the same project on the same network, which the blueprint does not know."""
    network = next(one["id"] for one in stage.api.all("networks") if one["name"] == "triad")
    key = next(one["id"] for one in stage.api.all("ssh_keys"))
    body = {
        "name": STRANGER,
        "server_type": "cpx22",
        "image": "ubuntu-22.04",
        "location": "fsn1",
        "ssh_keys": [key],
        "networks": [network],
    }
    stage.api.ask("POST", "/v1/servers", body)

    def up() -> bool:
        try:
            return bool(stage.on(STRANGER, "ip -4 -oneline address show to 10.0.0.0/16").strip())
        except StageError:
            return False

    if not wait_for(up, seconds=SECONDS_TO_BOOT, interval=1):
        raise StageError("the stranger does not come up")


def _remove_stranger(stage: Stage) -> None:
    for server in stage.api.all("servers"):
        if server["name"] == STRANGER:
            stage.api.ask("DELETE", f"/v1/servers/{server['id']}")
