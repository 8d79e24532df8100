# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host that is in another swarm already, and two clusters in one inventory: refused, both named, nothing changed."""

from __future__ import annotations

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.world import differences, world

NAME = "a member of another swarm, two clusters"
CLUSTER = "docker info --format '{{.Swarm.Cluster.ID}}'"
TOKEN = "docker swarm join-token --quiet worker"


def judge(stage: Stage) -> Finding:
    """Both cases are made by hand, as people make them."""
    stage.reach("servers")
    stage.level = None
    stage.play("engine.yml")
    (first, address), (second, other), (third, _) = blueprint_addresses().items()

    begin = "docker swarm init --advertise-addr {0} --listen-addr {0}:2377 > /dev/null"
    stage.on(first, begin.format(address))
    stage.on(second, begin.format(other))
    clusters = [stage.on(name, CLUSTER).strip() for name in (first, second)]
    problems, two = _refused(stage, "two clusters", (*clusters, first, second))

    # The worker's own manager is gone; what it says of itself is all there is.
    stage.on(third, f"docker swarm join --token {stage.on(second, TOKEN).strip()} {other}:2377 > /dev/null")
    stage.on(second, "docker swarm leave --force > /dev/null")
    found, foreign = _refused(stage, "a worker of another swarm", (*clusters, third))
    problems += found
    return Finding(f"two clusters: {two}; a worker of another swarm: {foreign}", problems)


def _refused(stage: Stage, case: str, words: tuple[str, ...]) -> tuple[list[str], str]:
    """What is not so about the refusal, and what it said."""
    before = world(stage)
    run = stage.play("swarm.yml")
    said = " ".join(failure.reason for failure in run.failures)
    stage.say(said)
    changes = differences(before, world(stage))
    conditions = {
        f"{case}: it is refused": run.exit_code != 0,
        **{f"{case}: the refusal has {word} ({said})": word in said for word in words},
        **{f"{case}: nothing changes ({change})": False for change in changes},
    }
    named = sum(word in said for word in words)
    verdict = "refused" if run.exit_code else "not refused"
    return unmet(conditions), f"{verdict}, {named} of {len(words)} names in the message, {len(changes)} changes"
