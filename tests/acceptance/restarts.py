# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API is killed while servers are made, and started again: the run goes on or fails clearly, the next converges."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass

from tests.acceptance.alone import ApiAlone
from tests.acceptance.api import Api
from tests.acceptance.breaking_off import Provision, nothing_left_to_do
from tests.acceptance.fleets import blueprint_addresses, shortcomings
from tests.acceptance.outages import Mortal, outage
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

DOWN_SECONDS = 2.0
LATENCIES = {"*": 2.0}
# When the API is killed: as soon as so many requests to this endpoint have been answered.
MOMENTS = {
    "the first server is ordered": ("/servers", 1),
    "all servers are ordered": ("/servers", 3),
    "the first server is being attached": ("/servers/{id}/actions/attach_to_network", 1),
    "the first server is starting": ("/servers/{id}/actions/poweron", 1),
}
MOMENTS_ON_MACHINES = ("all servers are ordered",)


@dataclass(frozen=True)
class Restart:
    """went_on: whether the run that lost the API has converged; else, message says why not."""

    where: str
    moment: str
    went_on: bool
    message: str
    problems: list[str]


def judge(stage: Stage) -> Finding:
    """Each moment on an API without machines, some of them on machines."""
    restarts = []
    with ApiAlone(stage.state, latencies=LATENCIES) as alone:
        for moment in MOMENTS:
            alone.begin_anew()
            restarts.append(_restart("API alone", moment, alone, alone.api, alone.provision))
            stage.say(f"API alone, killed when {moment}: {restarts[-1].problems or restarts[-1].message or 'goes on'}")
    for moment in MOMENTS_ON_MACHINES:
        stage.start_again_from("nothing")
        restarts.append(_restart("machines", moment, stage, stage.api, stage.provision))
        stage.say(f"machines, killed when {moment}: {restarts[-1].problems or restarts[-1].message or 'goes on'}")
    return _finding(restarts)


def _restart(where: str, moment: str, mortal: Mortal, api: Api, provision: Provision) -> Restart:
    api.forget_requests()
    with outage(mortal, DOWN_SECONDS, _reached(api, *MOMENTS[moment])) as killed:
        run = provision({})
    message = "; ".join(failure.reason for failure in run.failures)
    problems = unmet({"the API is killed": killed.is_set()})
    if run.exit_code:
        problems += unmet({f"it fails clearly ({message})": bool(message) and "Traceback" not in message})
        again = provision({})
        problems += unmet({f"the next run converges ({'; '.join(map(str, again.failures))})": again.exit_code == 0})
    problems += shortcomings(api, blueprint_addresses())
    problems += nothing_left_to_do(api, provision)
    return Restart(where, moment, run.exit_code == 0, message, problems)


def _reached(api: Api, endpoint: str, count: int) -> Callable[[], bool]:
    return lambda: api.requests().endpoints.get(("POST", endpoint), 0) >= count


def _finding(restarts: list[Restart]) -> Finding:
    problems = [f"{one.where}, {one.moment}: {words}" for one in restarts for words in one.problems]
    went_on = sum(one.went_on for one in restarts)
    machines = sum(one.where == "machines" for one in restarts)
    figure = (
        f"{len(restarts)} restarts ({machines} of them on machines): {went_on} runs go on, {len(restarts) - went_on} "
        f"fail; {sum(not one.problems for one in restarts)} converge"
    )
    return Finding(figure, problems, data={"restarts": [asdict(one) for one in restarts]})
