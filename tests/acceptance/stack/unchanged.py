# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stack that is as its file says, deployed once more: by swarm_stack, by the official module, and by Docker's CLI."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

import yaml

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stack.deployment import remove
from tests.acceptance.stage import Stage, StageError

NAME = "deploying an unchanged stack of 1, 10, 50 services, beside docker_stack and the CLI"
PLAY = str(Path(__file__).parents[1] / "plays" / "unchanged.yml")
SIZES = (1, 10, 50)
TOOLS = ("swarm_stack", "docker_stack", "docker stack deploy")
DEBUG = "sed -i '1s/{/{\\n  \"debug\": true,/' /etc/docker/daemon.json && systemctl reload docker"
NO_DEBUG = "sed -i '/^  \"debug\": true,$/d' /etc/docker/daemon.json && systemctl reload docker"


def judge(stage: Stage) -> Finding:
    """Requests are counted by the engine's own log, which tells each of them while it is in debug mode."""
    stage.reach("swarm")
    stage.level = None
    manager = next(iter(blueprint_addresses()))
    stage.on(manager, DEBUG)
    try:
        rounds = {(size, tool): _rounds(stage, manager, size, tool) for size in SIZES for tool in TOOLS}
    finally:
        stage.on(manager, NO_DEBUG)
    problems = unmet(
        {
            f"{size} services: swarm_stack changes nothing": not any(one["changed"] for one in rounds[size, TOOLS[0]])
            for size in SIZES
        }
    )
    grid = {f"{size} services": {tool: _cell(rounds[size, tool]) for tool in TOOLS} for size in SIZES}
    figure = "; ".join(
        f"{size}: " + ", ".join(f"{tool} {_cell(rounds[size, tool])}" for tool in TOOLS) for size in SIZES
    )
    data = {"grid": grid, "rounds": {f"{size} {tool}": measured for (size, tool), measured in rounds.items()}}
    return Finding(figure, problems, data=data, grid=grid)


def _rounds(stage: Stage, manager: str, size: int, tool: str) -> list[dict[str, Any]]:
    """Seconds, requests to the engine and whether it says that something changed, of each round."""
    variables = {"stack_host": manager, "stack_tool": tool, "stack_file": yaml.safe_dump(_file(size))}
    run = stage.play(PLAY, variables)
    if run.exit_code:
        raise StageError(f"{tool} with {size} services: {'; '.join(map(str, run.failures))}")
    rounds = [
        {"seconds": float(one["seconds"]), "requests": int(one["requests"]), "changed": one["changed"]}
        for one in run.reports["Tell"]
    ]
    stage.say(f"{size} services, {tool}: {_cell(rounds)}")
    if tool != TOOLS[1]:
        remove(stage, manager)
    return rounds


def _file(size: int) -> dict[str, Any]:
    service = {
        "image": "${IMAGE}",
        "command": ["sleep", "infinity"],
        "stop_grace_period": "1s",
        "healthcheck": {"disable": True},
        "networks": ["net"],
        "deploy": {"endpoint_mode": "dnsrr", "update_config": {"order": "stop-first", "monitor": "1s"}},
    }
    return {
        "version": "3.8",
        "services": {f"web{number}": service for number in range(size)},
        "networks": {"net": {"driver": "overlay"}},
    }


def _cell(rounds: list[dict[str, Any]]) -> str:
    seconds = [one["seconds"] for one in rounds]
    requests = median(one["requests"] for one in rounds)
    return f"{median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), {requests:.0f} requests"
