# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Five managers and four workers, down to three and one, and up again: by the blueprint alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.acceptance.membership import view
from tests.acceptance.quorum_watch import QuorumWatch
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "5 managers + 4 workers, down to 3 + 1, up again"
PLAY = str(Path(__file__).parents[1] / "plays" / "members.yml")
LOCATIONS = {"fsn": "fsn1", "nbg": "nbg1", "hel": "hel1"}
LONGEST_ELECTION = 20.0


def judge(stage: Stage) -> Finding:
    """Nine servers; the managers that stay are asked all the time."""
    stage.reach("nothing")
    stage.level = None
    large, small = _servers(5, 4), _servers(3, 1)
    stay = [server["name"] for server in small if server["swarm_role"] == "manager"]
    seconds, problems, cluster, gaps = {}, [], "", {}

    run = stage.play(PLAY, {"hetzner_servers": large})
    seconds["5 + 4"] = round(run.seconds, 1)
    problems += unmet({f"5 + 4: it succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0})
    cluster = view.look(stage, stay[0]).cluster
    problems += _flaws(stage, "5 + 4", cluster, large)
    for step, servers in (("3 + 1", small), ("5 + 4 again", large)):
        with QuorumWatch(stage.api, stay) as watch:
            run = stage.play(PLAY, {"hetzner_servers": servers, "hetzner_prune": True})
        seconds[step], gaps[step] = round(run.seconds, 1), round(watch.longest_gap(), 1)
        problems += unmet(
            {
                f"{step}: it succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
                f"{step}: the quorum holds ({gaps[step]} s without a leader)": gaps[step] <= LONGEST_ELECTION,
                f"{step}: one manager at a time is missed ({watch.down_at_once})": watch.down_at_once <= 1,
            }
        )
        problems += _flaws(stage, step, cluster, servers)
    again = stage.play(PLAY, {"hetzner_servers": large, "hetzner_prune": True})
    problems += unmet({f"once more changes nothing ({again.changed})": again.exit_code == 0 and again.changed == 0})
    stage.level = None
    listed = ", ".join(f"{step} {value:.0f} s" for step, value in seconds.items())
    longest = max(gaps.values())
    figure = f"{listed}; longest time without a leader {longest:.1f} s; then changed={again.changed}"
    return Finding(figure, problems, data={"seconds": seconds, "longest_seconds_without_leader": gaps})


def _servers(managers: int, workers: int) -> list[dict[str, Any]]:
    """The first so many managers and workers of a fleet, spread over three locations."""
    servers = []
    for role, count, first in (("manager", managers, 2), ("worker", workers, 20)):
        for number in range(count):
            city = list(LOCATIONS)[number % len(LOCATIONS)]
            servers.append(
                {
                    "name": f"{role}-{number + 1}",
                    "location": LOCATIONS[city],
                    "swarm_role": role,
                    "private_ip": f"10.0.0.{first + number}",
                    "node_labels": {"location": city},
                }
            )
    return servers


def _flaws(stage: Stage, step: str, cluster: str, servers: list[dict[str, Any]]) -> list[str]:
    roles = {server["name"]: server["swarm_role"] for server in servers}
    labels = {server["name"]: server["node_labels"] for server in servers}
    seen = view.look(stage, servers[0]["name"])
    return [f"{step}: {one}" for one in view.flaws(seen, cluster, roles, labels)]
