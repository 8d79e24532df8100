# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud layer: module hcloud_fleet and role hetzner against the lab's API, at scale, broken off and faulty."""

from __future__ import annotations

from functools import partial

from tests.acceptance import breaking_off, drift, faults, restarts, scale
from tests.acceptance.fleets import blueprint_addresses, shortcomings
from tests.acceptance.rows import Finding, Row, unmet
from tests.acceptance.stage import Stage


def rows(stage: Stage) -> list[Row]:
    """In the order that shares most of the preparation."""
    return [
        Row("scale", scale.NAME, partial(scale.judge, stage)),
        Row("faults", faults.NAME, partial(faults.judge, stage)),
        Row("kill", "kill -9 of provision.yml, then again", partial(breaking_off.judge, stage)),
        Row("restart", "kill -9 of the API while servers are made", partial(restarts.judge, stage)),
        Row("again", "provision.yml on a complete fleet", partial(second_run, stage)),
        Row("drift", "another server type on a live swarm", partial(drift.judge, stage)),
    ]


def second_run(stage: Stage) -> Finding:
    """Provisioning once more changes nothing and asks the cloud for nothing."""
    stage.reach("servers")
    stage.api.forget_requests()
    run = stage.play("provision.yml")
    requests = stage.api.requests()
    problems = unmet(
        {
            "it exits with 0": run.exit_code == 0,
            "changed=0": run.changed == 0,
            "no write request reached the cloud": requests.writes == 0,
        }
    )
    problems += shortcomings(stage.api, blueprint_addresses())
    figure = f"changed={run.changed}, {requests.writes} write requests, {requests.reads} reads; {run.seconds:.1f} s"
    data = {
        "changed": run.changed,
        "writes": requests.writes,
        "reads": requests.reads,
        "seconds": round(run.seconds, 1),
    }
    return Finding(figure, problems, data=data)
