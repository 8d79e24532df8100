# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that reboot, one by one, and that lose their power all at once: everything comes back without hands."""

from __future__ import annotations

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

import httpx

from lab.daemons import wait_for
from tests.acceptance import votes
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import CASTING, public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

# An emulated server takes minutes to boot, three at once still more.
LONGEST = 1200
BOOT = "cat /proc/sys/kernel/random/boot_id"
NODES = "docker node ls --format '{{.Status}} {{.ManagerStatus}}'"
SERVICES = "docker service ls --format '{{.Replicas}}'"


def one_by_one(stage: Stage) -> Finding:
    """Each through its operating system, as the cloud's button does it; the next when all is whole again."""
    before = _begin(stage)
    seconds, problems = {}, []
    ids = {server["name"]: server["id"] for server in stage.api.all("servers")}
    for name in blueprint_addresses():
        boot, began = stage.on(name, BOOT), time.monotonic()
        stage.api.ask("POST", f"/v1/servers/{ids[name]}/actions/reboot")
        problems += _come_back(stage, {name: boot}, before)
        seconds[name] = round(time.monotonic() - began, 1)
        stage.say(f"{name}: whole again after {seconds[name]} s")
    listed = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    figure = f"{listed} until quorum, app and totals {before} are as before on every node"
    return Finding(figure, problems, data={"seconds": seconds, "votes": before})


def all_at_once(stage: Stage) -> Finding:
    """Power off everywhere, without a word to anybody, and on again."""
    before = _begin(stage)
    names = list(blueprint_addresses())
    boots = {name: stage.on(name, BOOT) for name in names}
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        list(pool.map(stage.kill, names))
        list(pool.map(stage.start_server, names))
    problems = _come_back(stage, boots, before)
    seconds = round(time.monotonic() - began, 1)
    figure = f"{seconds:.0f} s until quorum, app and totals {before} are as before on every node"
    return Finding(figure, problems, data={"seconds": seconds, "votes": before})


def _begin(stage: Stage) -> dict[str, int]:
    """The app runs, votes have been counted; the totals."""
    stage.reach("app")
    run = stage.play("verify.yml", CASTING)
    if run.exit_code:
        raise StageError(f"verify.yml: {'; '.join(map(str, run.failures))}")
    return votes.totals(next(iter(public_addresses(stage).values())))


def _come_back(stage: Stage, boots: Mapping[str, str], totals: Mapping[str, int]) -> list[str]:
    """What does not, without anybody's hands: quorum, services, pages and totals on every node."""
    whole = wait_for(
        lambda: _has_rebooted(stage, boots) and _is_whole(stage) and _shows_everywhere(stage, totals),
        seconds=LONGEST,
        interval=2,
    )
    return unmet({f"after {', '.join(boots)}: all is whole within {LONGEST} s, and no counted vote is lost": whole})


def _has_rebooted(stage: Stage, boots: Mapping[str, str]) -> bool:
    try:
        return all(stage.on(name, BOOT) != boot for name, boot in boots.items())
    except StageError:
        return False


def _is_whole(stage: Stage) -> bool:
    """Whether every manager is ready and reachable, and every service has all its tasks."""
    try:
        told = stage.on(next(iter(blueprint_addresses())), f"{NODES}; echo; {SERVICES}")
    except StageError:
        return False
    nodes, _, services = told.partition("\n\n")
    counts = [line.split()[0].split("/") for line in services.splitlines()]
    return (
        sorted(line.split()[-1] for line in nodes.splitlines()) == ["Leader", "Reachable", "Reachable"]
        and all(line.startswith("Ready") for line in nodes.splitlines())
        and all(running == wanted for running, wanted in counts)
    )


def _shows_everywhere(stage: Stage, totals: Mapping[str, int]) -> bool:
    try:
        return all(votes.totals(address) == totals for address in public_addresses(stage).values())
    except (httpx.HTTPError, ValueError):
        return False
