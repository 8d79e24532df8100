# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The main job: from nothing to a vote counted on every node of a three-manager swarm, with one command."""

from __future__ import annotations

import json
import os
import statistics
from functools import partial
from typing import Any

from lab.config import PROJECT
from lab.playbook import Run
from tests.acceptance import bad_input, commands, votes
from tests.acceptance.collection import lab_words, undocumented_lab_variables
from tests.acceptance.rows import Finding, Row, unmet
from tests.acceptance.stage import Stage, StageError

AIM_SECONDS = 60
REPETITIONS = 3
CASTING = {"verify_cast_votes": True}
REPORT = "triad.hetzner_swarm.voting_app : Report"
UNIT_TEST = "tests/unit/roles/test_voting_app_stack.py"
SERVERS = ("server-fsn-1", "server-fsn-2", "server-nbg-1")
ALL_PAIRS = len(SERVERS) ** 2
PLANNED = (*SERVERS, "begin the swarm", "join the swarm", "vote:", "result:", "worker:", "redis:", "db:", "edge:")


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    files = stage.state / "files"
    return [
        Row("upstream", "upstream contract", upstream),
        Row("clone", "make demo, clean clone, nothing cached", partial(clean_clone, stage)),
        Row("demo", "make demo", partial(demo, stage)),
        Row("again", "second run", partial(second_run, stage)),
        Row("real-cloud", "same playbooks, real cloud", partial(real_cloud, stage)),
        *(
            Row(f"bad-input-{case.level}", f"bad input: {case.name}", partial(bad_input.judge, case, stage, files))
            for case in bad_input.cases(router=str(stage.settings.router_address), files=files)
        ),
        Row("dry-run", "site.yml --check --diff on nothing", partial(dry_run, stage)),
        Row("speed", "nothing to counted vote, lab warm", partial(speed, stage)),
    ]


def upstream() -> Finding:
    """With ``upstream`` the rendered stack is the article's, service by service."""
    done = commands.run([".venv/bin/python", "-m", "pytest", "--quiet", UNIT_TEST])
    return Finding(done.output.strip().splitlines()[-1], unmet({f"{UNIT_TEST} passes": done.code == 0}))


def clean_clone(stage: Stage) -> Finding:
    """The commands of the README on a clone of what is committed, with a cache folder of its own."""
    stage.down()
    folder = stage.state / "clone"
    commands.run(["git", "clone", "--quiet", str(PROJECT), str(folder)])
    kept = {name: value for name, value in os.environ.items() if name not in ("LAB_STATE", "LAB_CACHE", "PATH")}
    path = [entry for entry in os.environ["PATH"].split(":") if not entry.startswith(str(PROJECT))]
    environment = {**kept, "PATH": ":".join(path), "XDG_CACHE_HOME": str(stage.state / "clone-cache")}
    try:
        done = {
            target: commands.run(["make", target], folder=folder, environment=environment)
            for target in ("setup", "demo")
        }
        steps = json.loads((folder / ".lab" / "timings.json").read_text(encoding="utf-8"))
    finally:
        down = commands.run(["make", "demo-down"], folder=folder, environment=environment)
    problems = unmet(
        {
            **{f"make {target} exits with 0": one.code == 0 for target, one in done.items()},
            f"the demo says {ALL_PAIRS} of {ALL_PAIRS}": f"{ALL_PAIRS} of {ALL_PAIRS}" in done["demo"].output,
            "make demo-down exits with 0": down.code == 0,
        }
    )
    seconds = {"make setup": done["setup"].seconds, "make demo": done["demo"].seconds}
    told = "Debian packages as this machine has them, every other cache empty"
    return Finding(f"{_listed(seconds)}; {told}", problems, data={"seconds": _rounded(seconds | steps)})


def demo(stage: Stage) -> Finding:
    """From nothing to three managers and a vote cast through each node, seen counted on each node."""
    stage.down()
    images = stage.settings.cache / "images"
    warmth = "images cached" if images.is_dir() and any(images.iterdir()) else "nothing cached"
    done = commands.run([".venv/bin/python", "-m", "lab.demo"])
    if done.code:
        return Finding(f"exit {done.code}", ["make demo exits with 0"])
    stage.level = "app"
    managers = stage.on(SERVERS[0], "docker node ls --format '{{.ManagerStatus}}'").split()
    addresses = {server["name"]: server["public_ipv4"] for server in stage.servers()}
    pairs = votes.pairs_counted(addresses)
    problems = unmet(
        {
            f"the demo says {ALL_PAIRS} of {ALL_PAIRS}": f"{ALL_PAIRS} of {ALL_PAIRS}" in done.output,
            "one manager leads and two are reachable": sorted(managers) == ["Leader", "Reachable", "Reachable"],
            "a vote through each node is seen counted on each": len(pairs) == ALL_PAIRS,
            "docker stack services is shown": "docker stack services" in done.output,
            "URLs are shown": all(f"http://{address}:8080" in done.output for address in addresses.values()),
        }
    )
    steps = json.loads((stage.state / "timings.json").read_text(encoding="utf-8"))
    figure = f"{len(managers)} managers, {len(pairs)} of {ALL_PAIRS} pairs; {warmth}: {done.seconds:.0f} s"
    data = {"cache": warmth, "seconds": _rounded({"make demo": done.seconds} | steps), "pairs": pairs}
    return Finding(f"{figure} ({_listed(steps)})", problems, data=data)


def second_run(stage: Stage) -> Finding:
    """Playing it all once more changes nothing and asks the cloud for nothing."""
    _require_app(stage)
    first = _must_verify(stage)
    stage.api.forget_requests()
    run = stage.play("site.yml", CASTING)
    writes = stage.api.requests().writes
    changed = {host: counts["changed"] for host, counts in run.hosts.items()}
    problems = unmet(
        {
            "site.yml exits with 0": run.exit_code == 0,
            "changed=0 on every host": set(changed) == {*SERVERS, "localhost"} and not any(changed.values()),
            "the totals are unchanged": run.exit_code == 0 and _votes(run) == first,
            "no write request reached the cloud": writes == 0,
        }
    )
    hosts = ", ".join(f"{host} changed={count}" for host, count in changed.items())
    data = {"changed": changed, "votes": first, "writes": writes, "seconds": round(run.seconds, 1)}
    return Finding(f"{hosts}; totals {first}; {writes} write requests; {run.seconds:.0f} s", problems, data=data)


def real_cloud(stage: Stage) -> Finding:
    """Only the endpoint, the token and the values of the inventory differ."""
    if stage.level is None:
        stage.reach("nothing")
    words, variables = lab_words(), undocumented_lab_variables(stage.settings)
    problems = [f"no word of the lab ({word})" for word in words]
    problems += [f"the lab's inventory has documented variables only ({name})" for name in variables]
    figure = (
        f"{len(words)} words of the lab in the collection, {len(variables)} undocumented variables in its inventory"
    )
    return Finding(figure, problems)


def dry_run(stage: Stage) -> Finding:
    """A readable plan of what would exist, and nothing created."""
    stage.reach("nothing")
    stage.api.forget_requests()
    command = [".venv/bin/ansible-playbook", "playbooks/site.yml", "--check", "--diff"]
    done = commands.run(command, environment={**os.environ, **stage.environment()})
    writes, servers = stage.api.requests().writes, stage.servers()
    problems = unmet(
        {
            "it exits with 0": done.code == 0,
            **{f"the plan mentions {words}": words in done.output for words in PLANNED},
            "no write request reached the cloud": writes == 0,
            "there are no servers": not servers,
        }
    )
    lines = len(done.output.splitlines())
    figure = f"exit {done.code}, {lines} lines, {writes} write requests, {len(servers)} servers; {done.seconds:.0f} s"
    return Finding(figure, problems, data={"seconds": round(done.seconds, 1), "lines": lines})


def speed(stage: Stage) -> Finding:
    """The lab is up and has no servers; then site.yml, votes cast and counted."""
    runs = []
    for number in range(REPETITIONS):
        stage.reach("nothing")
        runs.append(run := stage.play("site.yml", CASTING))
        stage.say(f"run {number + 1}: exit {run.exit_code}, {run.seconds:.1f} s ({_listed(run.phases)})")
        if run.exit_code:
            stage.level = None
            return Finding(f"run {number + 1} failed", [f"site.yml exits with 0 ({'; '.join(map(str, run.failures))})"])
        stage.level = "app"
    totals = sorted(run.seconds for run in runs)
    median = statistics.median(totals)
    phases = {phase: statistics.median(run.phases[phase] for run in runs) for phase in runs[0].phases}
    figure = f"median of {REPETITIONS}: {median:.1f} s ({totals[0]:.1f} to {totals[-1]:.1f}); {_listed(phases)}"
    data = {"seconds": _rounded({"all": median} | phases), "runs": [_rounded(run.phases) for run in runs]}
    return Finding(figure, missed=unmet({f"under {AIM_SECONDS} s": median < AIM_SECONDS}), data=data)


def _require_app(stage: Stage) -> None:
    """The app runs and its fixed voters have voted."""
    if stage.level != "app":
        stage.reach("app")
        _must_verify(stage)


def _must_verify(stage: Stage) -> dict[str, int]:
    """The totals, once the fixed voters' votes are counted."""
    run = stage.play("verify.yml", CASTING)
    if run.exit_code:
        raise StageError(f"verify.yml: {'; '.join(map(str, run.failures))}")
    return _votes(run)


def _votes(run: Run) -> dict[str, int]:
    """The totals that verifying reported."""
    told: dict[str, int] = run.reports[REPORT][0]["votes"]
    return told


def _rounded(seconds: dict[str, float]) -> dict[str, Any]:
    return {step: round(value, 1) for step, value in seconds.items()}


def _listed(seconds: dict[str, float]) -> str:
    return ", ".join(f"{step} {value:.1f}" for step, value in seconds.items())
