# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Three releases, each with a secret and a config of its own; back to the first, forward to the third."""

from __future__ import annotations

import json
from typing import Any

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stack.deployment import Deployment, deploy, look, play, remove, told
from tests.acceptance.stage import Stage

NAME = "rollback drill: three releases with rotated secrets, back to the first, forward to the third"


def judge(stage: Stage) -> Finding:
    """The spec of the service as the engine has it, and what is in its containers, are the same each time."""
    stage.reach("swarm")
    first, second, third = blueprint_addresses()
    problems: list[str] = []
    seen: dict[int, dict[str, str]] = {}
    for number, manager in enumerate((first, second, third), 1):
        deployment = deploy(stage, manager, _file(number), **_contents(number))
        problems += _released(deployment, f"release {number}", number)
        seen[number] = _seen(stage, first)
        stage.say(f"release {number}: {seen[number]['secret'][:4]}..., {seen[number]['config']}")
    problems += unmet({"each release has a secret of its own": len({one["secret"] for one in seen.values()}) == 3})
    seconds = {}
    for number, becomes, manager in ((1, 4, second), (3, 5, third)):
        deployment = told(play(stage, manager, {"release": str(number)}))
        seconds[f"to release {number}"] = round(deployment.ended - deployment.began, 1)
        problems += _released(deployment, f"back to {number}", becomes)
        now = _seen(stage, first)
        problems += unmet(
            {
                f"back to {number}: the {part} is as it was": now[part] == seen[number][part]
                for part in ("spec", "secret", "config")
            }
        )
        again = told(play(stage, manager, {"release": str(number)}))
        problems += unmet({f"once more to {number} changes nothing": again.result["changed"] is False})
    unknown = told(play(stage, first, {"release": "99"}))
    problems += unmet({f"a release that is not kept is refused ({unknown.message})": unknown.verdict == "refused"})
    remove(stage, first)
    listed = ", ".join(f"{name} {value} s" for name, value in seconds.items())
    return Finding(f"{listed}; spec, secret and config equal each time", problems, data={"seconds": seconds})


def _file(number: int) -> dict[str, Any]:
    service = {
        "image": "${IMAGE}",
        "command": ["sleep", "infinity"],
        "environment": {"RELEASE": str(number), "PRICE": "5$$"},
        "stop_grace_period": "1s",
        "healthcheck": {"disable": True},
        "secrets": ["token"],
        "configs": [{"source": "motd", "target": "/tmp/motd"}],
        "deploy": {"replicas": number},
    }
    external = {"external": True}
    return {"services": {"web": service}, "secrets": {"token": external}, "configs": {"motd": external}}


def _contents(number: int) -> dict[str, Any]:
    secrets = [{"name": "token", "generate": {"generation": number, "length": 24}}]
    return {"secrets": secrets, "configs": [{"name": "motd", "content": f"day {number}"}]}


def _released(deployment: Deployment, name: str, number: int) -> list[str]:
    release = deployment.result.get("release")
    return unmet(
        {
            f"{name} converges ({deployment.message})": deployment.verdict == "converged",
            f"{name} is recorded as {number} ({release})": release == number,
        }
    )


def _seen(stage: Stage, manager: str) -> dict[str, str]:
    """The spec as the engine has it, and what a container finds in its secret and its config."""
    swarm = look(stage, manager)
    services, tasks = swarm.of_stack()
    running = [task for task in tasks if task["Status"]["State"] == "running" and task["DesiredState"] == "running"]
    container = running[-1]["Status"]["ContainerStatus"]["ContainerID"]
    words = {"secret": "/run/secrets/token", "config": "/tmp/motd"}
    node = swarm.hostname(running[-1])
    found = {name: stage.on(node, f"docker exec {container} cat {path}") for name, path in words.items()}
    spec = dict(services[0]["Spec"])
    spec["TaskTemplate"] = {key: value for key, value in spec["TaskTemplate"].items() if key != "ForceUpdate"}
    return {**found, "spec": json.dumps(spec, sort_keys=True)}
