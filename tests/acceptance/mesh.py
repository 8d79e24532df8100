# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job on machines with a kernel of their own: every node answers, also one without a task."""

from __future__ import annotations

import httpx

from lab.playbook import Run
from tests.acceptance import votes
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

CASTING = {"verify_cast_votes": True}
PORTS = {"vote": 8080, "result": 8081}
TASKS = "docker service ps --filter desired-state=running --format '{{.Node}} {{.CurrentState}}' voteapp_"


def main_job(stage: Stage) -> Finding:
    """From no servers to a vote through each node that is counted at each node."""
    stage.reach("nothing")
    run = stage.play("site.yml", CASTING)
    if run.exit_code:
        return Finding("site.yml failed", [f"site.yml exits with 0 ({'; '.join(map(str, run.failures))})"])
    stage.level = "app"
    told = stage.status()
    addresses = public_addresses(stage)
    pairs = votes.pairs_counted(addresses)
    away = {service: without_task(stage, service) for service in PORTS}
    problems = unmet(
        {
            "servers are virtual machines": told["backend"]["name"] == "vm",
            "a vote through each node is seen counted on each": len(pairs) == len(addresses) ** 2,
            **{f"some node has no task of {service}": bool(nodes) for service, nodes in away.items()},
            **{
                f"{service} answers through {node}, which has no task of it": _answers(addresses[node], PORTS[service])
                for service, nodes in away.items()
                for node in nodes
            },
        }
    )
    listed = ", ".join(f"{phase} {seconds:.0f}" for phase, seconds in run.phases.items())
    figure = (
        f"exit 0, {len(pairs)} of {len(addresses) ** 2} pairs; vote through {', '.join(away['vote'])} and result "
        f"through {', '.join(away['result'])}, which have no task of it; {run.seconds:.0f} s ({listed})"
    )
    data = {
        "seconds": {"all": round(run.seconds, 1), **{phase: round(value, 1) for phase, value in run.phases.items()}},
        "pairs": pairs,
        "without_task": away,
        "runs": told["backend"]["runs"],
    }
    return Finding(figure, problems, data=data)


def second_run(stage: Stage) -> Finding:
    """Playing it all once more changes nothing and asks the cloud for nothing."""
    stage.reach("app")
    # The fixed voters may not have voted yet.
    _must_play(stage)
    stage.api.forget_requests()
    run = stage.play("site.yml", CASTING)
    writes = stage.api.requests().writes
    changed = {host: counts["changed"] for host, counts in run.hosts.items()}
    problems = unmet(
        {
            f"site.yml exits with 0 ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
            "changed=0 on every host": set(changed) == {*blueprint_addresses(), "localhost"}
            and not any(changed.values()),
            "no write request reached the cloud": writes == 0,
        }
    )
    hosts = ", ".join(f"{host} changed={count}" for host, count in changed.items())
    data = {"changed": changed, "writes": writes, "seconds": round(run.seconds, 1)}
    return Finding(f"{hosts}; {writes} write requests; {run.seconds:.0f} s", problems, data=data)


def public_addresses(stage: Stage) -> dict[str, str]:
    """Where people find each server, by name."""
    return {server["name"]: server["public_ipv4"] for server in stage.servers()}


def without_task(stage: Stage, service: str) -> list[str]:
    """The nodes on which no task of a service runs."""
    nodes = list(blueprint_addresses())
    lines = stage.on(nodes[0], TASKS + service).splitlines()
    busy = {line.split()[0] for line in lines if " Running" in line}
    return [node for node in nodes if node not in busy]


def _answers(address: str, port: int) -> bool:
    return httpx.get(f"http://{address}:{port}/", trust_env=False, timeout=30).is_success


def _must_play(stage: Stage) -> Run:
    run = stage.play("verify.yml", CASTING)
    if run.exit_code:
        stage.level = None
    return run
