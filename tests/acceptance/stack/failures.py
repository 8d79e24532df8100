# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What deployments come to, each told as what it is, with its reason, as soon as that can be known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stack.deployment import Deployment, deploy, known_since, look, remove
from tests.acceptance.stage import Stage

NAME = "failures and successes, told as what they are"
CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))["cases"]
LONGEST = 15.0
"""Seconds between the moment a verdict can be known and the module's answer."""


def judge(stage: Stage) -> Finding:
    """One after another, each on a swarm without the stack."""
    stage.reach("swarm")
    manager = next(iter(blueprint_addresses()))
    problems: list[str] = []
    seconds: dict[str, float] = {}
    grid: dict[str, dict[str, str]] = {}
    for case in CASES:
        deployment = _deploy(stage, manager, case)
        late = deployment.ended - known_since(case["fact"], deployment, look(stage, manager))
        seconds[case["case"]] = round(late, 1)
        problems += [f"{case['case']}: {words}" for words in _flaws(case, deployment, late)]
        grid[case["case"]] = {"verdict": deployment.verdict, "seconds": f"{late:.1f}"}
        stage.say(f"{case['case']}: {deployment.verdict}, {late:.1f} s after it could be known")
        remove(stage, manager)
    right = len(CASES) - len({problem.partition(":")[0] for problem in problems})
    figure = f"{right} of {len(CASES)} right; at most {max(seconds.values()):.1f} s after it could be known"
    return Finding(figure, problems, data={"seconds": seconds, "grid": grid}, grid=grid)


def _deploy(stage: Stage, manager: str, case: dict[str, Any]) -> Deployment:
    if "before" in case:
        deploy(stage, manager, case["before"], **case.get("before_options", {}))
    return deploy(stage, manager, case["file"], **case.get("options", {}))


def _flaws(case: dict[str, Any], deployment: Deployment, late: float) -> list[str]:
    said = deployment.message
    return unmet(
        {
            f"the verdict is {case['verdict']} ({deployment.verdict}: {said})": deployment.verdict == case["verdict"],
            **{f"the message has: {word} ({said})": word in said for word in case.get("words", [])},
            f"it is told within {LONGEST:g} s ({late:.1f} s)": late <= LONGEST,
        }
    )
