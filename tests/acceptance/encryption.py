# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Encrypted overlay networks: what passes between servers can be used, at any size, and cannot be read."""

from __future__ import annotations

import secrets
import shlex
from functools import partial
from typing import Any

import httpx

from lab.daemons import wait_for
from tests.acceptance import votes, wire
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import PORTS, public_addresses, without_task
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

MEBIBYTES = 4
LARGE_BODY = 300_000
PORT = 7000
SERVER = f"""
import socket
with socket.create_server(("", {PORT})) as server:
    with server.accept()[0] as peer:
        count = 0
        while data := peer.recv(65536):
            count += len(data)
        peer.sendall(str(count).encode())
"""
CLIENT = f"""
import socket, time
began = time.monotonic()
with socket.create_connection(("{{address}}", {PORT}), timeout=120) as peer:
    peer.sendall(bytes({MEBIBYTES} * 2**20))
    peer.shutdown(socket.SHUT_WR)
    print(peer.recv(99).decode(), round(time.monotonic() - began, 1))
"""
TASK = "docker ps --quiet --filter label=com.docker.swarm.service.name=voteapp_vote | head -n 1"
ADDRESS = """docker inspect --format '{{(index .NetworkSettings.Networks "voteapp_frontend").IPAddress}}' """


def judge(stage: Stage) -> Finding:
    """The app runs on networks that are to be encrypted."""
    stage.reach("app")
    nodes = list(blueprint_addresses())
    states = {node: int(stage.on(node, "ip xfrm state | grep -c 'proto esp' || true")) for node in nodes}
    received, seconds = _transfer(stage)
    status = _post_large(stage)
    plain = _listen_to_a_vote(stage)
    problems = unmet(
        {
            "every node has ESP states": all(states.values()),
            f"{MEBIBYTES} MiB pass between tasks on two nodes ({received} bytes did)": received == MEBIBYTES * 2**20,
            f"{LARGE_BODY} bytes pass the routing mesh (answered {status})": status > 0,
            "the listener hears what is not encrypted": plain["control"],
            "ESP packets pass": plain["esp"] > 0,
            "no VXLAN passes in the clear": plain["vxlan"] == 0,
            "the listener hears nothing of a vote": not plain["vote"],
        }
    )
    figure = (
        f"{', '.join(f'{node} {count}' for node, count in states.items())} ESP states; {MEBIBYTES} MiB between tasks "
        f"on two nodes in {seconds} s; heard on the private wire while voting: {plain['esp']} ESP packets, "
        f"{plain['vxlan']} VXLAN packets in the clear, {'a' if plain['vote'] else 'no'} plain vote"
    )
    return Finding(figure, problems, data={"esp_states": states, "transfer_seconds": seconds, "heard": plain})


def _transfer(stage: Stage) -> tuple[int, float]:
    """Bytes that came, and seconds they took, from a task on one node to a task on another."""
    homes = [node for node in blueprint_addresses() if stage.on(node, TASK).strip()]
    if len(homes) < 2:
        raise StageError(f"vote runs on {homes} only")
    there, here = homes[:2]
    task = stage.on(there, TASK).strip()
    stage.on(there, f"docker exec --detach {task} python3 -c {shlex.quote(SERVER)}")
    address = stage.on(there, ADDRESS + task).strip()
    client = CLIENT.replace("{address}", address)
    told = stage.on(here, f"docker exec $({TASK}) python3 -c {shlex.quote(client)}").split()
    return int(told[0]), float(told[1])


def _post_large(stage: Stage) -> int:
    """The status that a large request is answered with through a node without a task; 0 where no answer comes."""
    address = public_addresses(stage)[without_task(stage, "vote")[0]]
    try:
        page = f"http://{address}:{PORTS['vote']}/"
        return httpx.post(page, content=b"x" * LARGE_BODY, trust_env=False, timeout=60).status_code
    except httpx.HTTPError:
        return 0


def _listen_to_a_vote(stage: Stage) -> dict[str, Any]:
    """What a listener hears of a vote that passes from server to server, and of a request that is not encrypted."""
    addresses, private = public_addresses(stage), blueprint_addresses()
    through = without_task(stage, "vote")[0]
    voter, control = (f"acceptance-{secrets.token_hex(8)}" for _ in range(2))
    (network,) = stage.api.all("networks")
    before = votes.totals(addresses[through])
    wanted = before | {"a": before["a"] + 1}
    with wire.listen(stage.settings, network["id"], stage.state / "capture.pcap") as capture:
        sender, other = list(private)[:2]
        stage.on(sender, f"curl --silent --output /dev/null http://{private[other]}:{PORTS['vote']}/?{control}")
        votes.cast(addresses[through], voter, "a")
        counted = wait_for(partial(votes.shows, addresses[through], wanted), seconds=60)
    if not counted:
        raise StageError("the vote that was listened to is not counted")
    return {
        "control": capture.holds(control),
        "vote": capture.holds(voter) or capture.holds("vote=a"),
        "esp": capture.packets("esp"),
        "vxlan": capture.packets("udp port 4789"),
    }
