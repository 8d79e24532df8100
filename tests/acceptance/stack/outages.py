# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Deployments while nodes are drained, engines restart, managers die and somebody else deploys."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stack.deployment import Deployment, deploy, known_since, look, play, remove, told
from tests.acceptance.stage import Stage

NAME = "drained node, engine restarted, manager killed, two at once"
LONGEST = 15.0
SECONDS_TO_STOP_SERVING = 6.0
"""When the outage comes: the tasks are on their way then, and cannot be healthy yet."""


def judge(stage: Stage) -> Finding:
    """Each with a stack of its own."""
    stage.reach("swarm")
    stage.level = None
    first, second, third = blueprint_addresses()
    problems: list[str] = []
    data: dict[str, float] = {}
    for name, case in CASES.items():
        seconds, flaws = case(stage, first, second, third)
        problems += [f"{name}: {flaw}" for flaw in flaws]
        data[name] = round(seconds, 1)
        stage.say(f"{name}: {seconds:.1f} s, {len(flaws)} flaws")
        remove(stage, second)
    return Finding("; ".join(f"{name} {seconds} s" for name, seconds in data.items()), problems, data=data)


def slow(value: str) -> dict[str, Any]:
    """A Compose file whose one service becomes healthy a quarter of a minute after it has started."""
    service = {
        "image": "${IMAGE}",
        "command": ["sh", "-c", "sleep 15; touch /tmp/ready; exec sleep infinity"],
        "environment": {"VALUE": value},
        "stop_grace_period": "1s",
        "healthcheck": {"test": ["CMD", "test", "-e", "/tmp/ready"], "interval": "1s", "start_period": "60s"},
        "deploy": {"replicas": 2},
    }
    return {"services": {"web": service}}


def _drained(stage: Stage, first: str, second: str, third: str) -> tuple[float, list[str]]:
    stage.on(first, f"docker node update --availability drain {third}")
    file = slow("one")
    file["services"]["web"]["deploy"] = {"mode": "global"}
    deployment = deploy(stage, first, file)
    swarm = look(stage, first)
    stage.on(first, f"docker node update --availability active {third}")
    nodes = {swarm.hostname(task) for task in swarm.of_stack()[1] if task["Status"]["State"] == "running"}
    late = deployment.ended - known_since("running", deployment, swarm)
    return late, [*_converged(deployment, late), *unmet({f"it runs on the others ({nodes})": nodes == {first, second}})]


def _restarted(stage: Stage, first: str, _second: str, _third: str) -> tuple[float, list[str]]:
    deployment = _with_outage(stage, first, lambda: stage.on(first, "systemctl restart docker"))
    late = deployment.ended - known_since("running", deployment, look(stage, first))
    return late, _converged(deployment, late)


def _killed(stage: Stage, first: str, second: str, _third: str) -> tuple[float, list[str]]:
    with ThreadPoolExecutor(1) as pool:
        broken = pool.submit(play, stage, first, _options("one"))
        time.sleep(SECONDS_TO_STOP_SERVING)
        stage.kill(first)
        killed = time.time()
        run = broken.result()
    flaws = unmet({"the run whose manager died says so": run.exit_code != 0})
    stage.say(f"the run on the killed manager ended {time.time() - killed:.0f} s later: {run.failures}")
    view.look_at_first(stage, without=[first])
    deployment = deploy(stage, second, slow("one"))
    late = deployment.ended - deployment.began
    flaws += unmet(
        {
            f"the run through another manager converges ({deployment.message})": deployment.verdict == "converged",
            f"it is release 1 ({deployment.result.get('release')})": deployment.result.get("release") == 1,
        }
    )
    stage.start_server(first)
    view.look_at_first(stage)
    return late, flaws


def _at_once(stage: Stage, first: str, second: str, _third: str) -> tuple[float, list[str]]:
    began = time.time()
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(deploy, stage, first, slow("one"))
        other = pool.submit(deploy, stage, second, slow("two"))
        deployments = sorted((one.result(), other.result()), key=lambda deployment: deployment.ended)
    releases = [deployment.result.get("release") for deployment in deployments]
    services, _tasks = look(stage, first).of_stack()
    value = services[0]["Spec"]["TaskTemplate"]["ContainerSpec"]["Env"][0]
    last = "VALUE=one" if one.result() is deployments[-1] else "VALUE=two"
    return time.time() - began, unmet(
        {
            f"both converge ({[deployment.message for deployment in deployments]})": all(
                deployment.verdict == "converged" for deployment in deployments
            ),
            f"one after the other ({releases})": releases == [1, 2],
            f"the last one stays ({value})": value == last,
        }
    )


CASES: dict[str, Callable[[Stage, str, str, str], tuple[float, list[str]]]] = {
    "global on a drained node": _drained,
    "engine restarted while waiting": _restarted,
    "manager killed while waiting": _killed,
    "two deployments at once": _at_once,
}


def _options(value: str) -> dict[str, Any]:
    return {"compose": str(slow(value)), "resolve_image": "never"}


def _with_outage(stage: Stage, manager: str, outage: Callable[[], object]) -> Deployment:
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(play, stage, manager, _options("one"))
        time.sleep(SECONDS_TO_STOP_SERVING)
        outage()
        return told(run.result())


def _converged(deployment: Deployment, late: float) -> list[str]:
    return unmet(
        {
            f"it converges ({deployment.message})": deployment.verdict == "converged",
            f"it is told within {LONGEST:g} s ({late:.1f} s)": late <= LONGEST,
        }
    )
