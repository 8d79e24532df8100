# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another server type in the blueprint of a live swarm: refused; when asked for, done one manager at a time."""

from __future__ import annotations

from tests.acceptance.fleets import blueprint_addresses, identities, shortcomings
from tests.acceptance.quorum_watch import QuorumWatch, Watch
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.world import differences, world

OTHER_TYPE = "cpx32"
LONGEST_ELECTION = 15.0
"""Seconds within which managers that can see each other have a leader again."""


def judge(stage: Stage) -> Finding:
    """The app runs meanwhile; what it is made of is the same afterwards."""
    stage.reach("app")
    problems = _refused(stage)
    servers, before = identities(stage.api), world(stage)
    stage.level = None
    with QuorumWatch(stage.api, list(blueprint_addresses())) as watch:
        run = stage.play("provision.yml", {"hetzner_server_type": OTHER_TYPE, "hetzner_on_drift": "restart"})
    after = world(stage)
    problems += unmet(
        {
            f"asked for, it is done ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
            f"every server is a {OTHER_TYPE}": _types(stage) == {OTHER_TYPE},
            "every server keeps its id and its address": identities(stage.api) == servers,
            f"one server at a time is off ({watch.off_at_once})": watch.off_at_once == 1,
            "every server is seen off": set(watch.off) == set(blueprint_addresses()),
            f"one manager at a time is missed ({watch.down_at_once})": watch.down_at_once <= 1,
            f"no time without a leader but elections ({watch.longest_gap():.1f} s)": watch.longest_gap()
            <= LONGEST_ELECTION,
            **{f"all is as before ({words})": False for words in differences(before, after)},
        }
    )
    problems += shortcomings(stage.api, blueprint_addresses())
    problems += _nothing_left(stage)
    return _finding(watch, run.seconds, problems)


def _refused(stage: Stage) -> list[str]:
    before = world(stage)
    stage.api.forget_requests()
    run = stage.play("provision.yml", {"hetzner_server_type": OTHER_TYPE})
    writes = stage.api.requests().writes
    said = " ".join(failure.reason for failure in run.failures)
    return unmet(
        {
            "it is refused unless asked for": run.exit_code != 0,
            **{f"the refusal has: {words} ({said})": words in said for words in ("hetzner_on_drift", "restart")},
            f"the refusal sends no write request ({writes})": writes == 0,
            "the refusal changes nothing": world(stage) == before,
        }
    )


def _nothing_left(stage: Stage) -> list[str]:
    stage.api.forget_requests()
    run = stage.play("provision.yml", {"hetzner_server_type": OTHER_TYPE})
    writes = stage.api.requests().writes
    done = run.exit_code == 0 and run.changed == 0 and writes == 0
    return unmet({f"one more run changes nothing ({run.changed} changed, {writes} write requests)": done})


def _types(stage: Stage) -> set[str]:
    return {server["server_type"]["name"] for server in stage.api.all("servers")}


def _finding(watch: Watch, seconds: float, problems: list[str]) -> Finding:
    off = watch.seconds_off()
    listed = ", ".join(f"{name} {gone} s" for name, gone in off.items())
    figure = (
        f"{seconds:.0f} s; off: {listed}; at most {watch.off_at_once} at once; longest time without a leader "
        f"{watch.longest_gap():.1f} s in {watch.looks} looks"
    )
    data = {
        "seconds": round(seconds, 1),
        "seconds_off": off,
        "off_at_once": watch.off_at_once,
        "managers_down_at_once": watch.down_at_once,
        "longest_seconds_without_leader": round(watch.longest_gap(), 1),
        "looks": watch.looks,
    }
    return Finding(figure, problems, data=data)
