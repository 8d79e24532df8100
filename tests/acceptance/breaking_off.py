# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Provisioning that is broken off anywhere: the next run must go on from there and leave nothing behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from lab.daemons import MARK, Daemon
from lab.playbook import Run
from tests.acceptance.alone import ApiAlone
from tests.acceptance.api import KINDS, Api
from tests.acceptance.fleets import blueprint_addresses, identities, shortcomings
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

# Without machines a moment takes half a minute; with machines, a minute and a half.
MOMENTS_ALONE = 16
MOMENTS_ON_MACHINES = 4
# As slow as the cloud, so that most moments fall into the work on servers.
LATENCIES = {"create_server": 5.0, "*": 1.0}
SEED_VARIABLE = "ACCEPTANCE_SEED"
# One of each but servers and their primary IPs.
SHARED = ("networks", "firewalls", "ssh_keys", "placement_groups")

Provision = Callable[[Mapping[str, str]], Run]
"""Runs provision.yml with changes to the environment."""


@dataclass(frozen=True)
class Moment:
    """share: of the time that an undisturbed run takes. victim: the playbook's process alone, or all it has started."""

    share: float
    victim: Literal["the playbook", "all its processes"]


@dataclass(frozen=True)
class Attempt:
    """One run that was broken off, and what came of it. held: what the project held when it was, by kind."""

    where: str
    share: float
    seconds: float
    victim: str
    held: dict[str, int]
    problems: list[str]


def judge(stage: Stage) -> Finding:
    """Moments drawn by a seed, most of them on an API without machines, the rest on machines."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(10**6))
    stage.say(f"seed {seed}; {SEED_VARIABLE}={seed} draws the same moments again")
    draw = random.Random(seed)  # noqa: S311 - nothing secret
    moments = [_moment(draw) for _ in range(MOMENTS_ALONE + MOMENTS_ON_MACHINES)]
    with ApiAlone(stage.state, latencies=LATENCIES) as alone:
        attempts = _attempts(stage, "API alone", alone.api, alone.begin_anew, alone.provision, moments[:MOMENTS_ALONE])
    attempts += _attempts(
        stage,
        "machines",
        stage.api,
        lambda: stage.start_again_from("nothing"),
        stage.provision,
        moments[MOMENTS_ALONE:],
    )
    return _finding(seed, attempts)


def _moment(draw: random.Random) -> Moment:
    return Moment(draw.uniform(0.05, 0.9), draw.choice(("the playbook", "all its processes")))


def _attempts(
    stage: Stage, where: str, api: Api, clear: Callable[[], None], provision: Provision, moments: list[Moment]
) -> list[Attempt]:
    clear()
    undisturbed = provision({})
    if undisturbed.exit_code:
        raise StageError(f"provision.yml, undisturbed: {'; '.join(map(str, undisturbed.failures))}")
    stage.say(f"{where}: an undisturbed run takes {undisturbed.seconds:.1f} s")
    attempts = []
    for moment in moments:
        clear()
        seconds = moment.share * undisturbed.seconds
        # A busy machine may have become a quick one: then the run ends before its moment has come.
        while (run := _kill_after(seconds, moment.victim, provision)).exit_code == 0:
            seconds = moment.share * run.seconds
            stage.say(f"{where}: ended after {run.seconds:.1f} s, before its moment")
            clear()
        attempts.append(attempt := _attempt(where, api, provision, moment, seconds, run))
        stage.say(f"{where}: {attempt.victim} killed after {attempt.seconds:.1f} s: {attempt.problems or 'converges'}")
    return attempts


def _attempt(where: str, api: Api, provision: Provision, moment: Moment, seconds: float, killed: Run) -> Attempt:
    """What comes of a run that was broken off after some seconds."""
    held = {kind: len(api.all(kind)) for kind in KINDS}
    before = identities(api)
    second = provision({})
    lost = [name for name, identity in before.items() if identities(api).get(name) != identity]
    problems = unmet({"it ends by the kill": killed.exit_code == -signal.SIGKILL})
    problems += unmet({f"the next run converges ({'; '.join(map(str, second.failures))})": second.exit_code == 0})
    problems += [f"{name} keeps its id and its address" for name in lost]
    problems += shortcomings(api, blueprint_addresses())
    problems += [f"one of {kind} ({count})" for kind in SHARED if (count := len(api.all(kind))) != 1]
    problems += nothing_left_to_do(api, provision)
    return Attempt(where, round(moment.share, 3), round(seconds, 1), moment.victim, held, problems)


def nothing_left_to_do(api: Api, provision: Provision) -> list[str]:
    """What keeps one more run from changing nothing."""
    api.forget_requests()
    run = provision({})
    writes = api.requests().writes
    return unmet(
        {
            f"one more run exits with 0 ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
            f"one more run has changed=0 ({run.changed})": run.changed == 0,
            f"one more run sends no write request ({writes})": writes == 0,
        }
    )


def _kill_after(seconds: float, victim: str, provision: Provision) -> Run:
    """Run it, and kill -9 it after some seconds. Returns when all that it left running has ended too."""
    daemon = Daemon("acceptance", "provision", Path(os.devnull))

    def kill() -> None:
        for pid in daemon.pids():
            if victim == "all its processes" or _parent(pid) == os.getpid():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        return provision({MARK: daemon.mark})
    finally:
        timer.cancel()


def _parent(pid: int) -> int:
    """The parent of a process; 0 when it is gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _finding(seed: int, attempts: list[Attempt]) -> Finding:
    problems = [
        f"{one.where}, {one.victim} killed after {one.seconds} s: {words}" for one in attempts for words in one.problems
    ]
    well = sum(not one.problems for one in attempts)
    machines = sum(one.where == "machines" for one in attempts)
    servers = [one.held["servers"] for one in attempts]
    figure = (
        f"seed {seed}: {well} of {len(attempts)} converge ({len(attempts) - machines} on the API alone, {machines} on "
        f"machines); killed with {min(servers)} to {max(servers)} servers made"
    )
    return Finding(figure, problems, data={"seed": seed, "attempts": [asdict(one) for one in attempts]})
