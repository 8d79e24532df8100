# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Another version of the edge while people come through a load balancer; beside it, each server's own address."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from tests.acceptance import images
from tests.acceptance.data.load import audit
from tests.acceptance.images import NEXT, VERSION
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, probing, services
from tests.acceptance.updates.balanced import BALANCED, balanced_app
from tests.acceptance.updates.drill import ENOUGH, Drill, Span
from tests.acceptance.updates.probing import Probe

NAME = "the edge updated under load, through a load balancer"


def judge(stage: Stage) -> Finding:
    """To another version and back."""
    drills: list[Drill] = []
    problems: list[str] = []
    spans: list[Span] = []
    with balanced_app(stage) as address:
        images.push(stage, "edge", NEXT)
        with drill.visitors(stage, [address]) as running, probing.probed(stage, problems) as files:
            for version in (NEXT, VERSION):
                before = services.look(stage)
                with drill.watched(f"edge to {version}", drills):
                    run = services.deploy(stage, {"edge": version} if version == NEXT else {}, **BALANCED)
                after = services.look(stage)
                said = "; ".join(map(str, run.failures))
                problems += unmet(
                    {
                        f"edge to {version}: deploy.yml succeeds ({said})": not run.exit_code,
                        f"edge to {version}: it has this version ({after.version('edge')})": after.version("edge")
                        == version,
                        f"edge to {version}: no task of the old one is left": not before.of("edge") & after.of("edge"),
                    }
                )
                spans += [after.updated["edge"]] if "edge" in after.updated else []
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    probes = {server: probing.read(file.read_text(encoding="utf-8")) for server, file in files.items()}
    met = drill.meeting(attempts, spans)
    problems += drill.failing(told, attempts) + unasked(probes, drills)
    problems += unmet({f"{ENOUGH} requests meet the updates ({met})": met >= ENOUGH})
    windows = {server: closed(answers, drills) for server, answers in probes.items()}
    shut = [one["closed"] for own in windows.values() for one in own]
    leaving, starting = ([one[what] for own in windows.values() for one in own] for what in ("leaving", "starting"))
    figure = (
        f"{len(drills)} updates of {len(windows)} edges met by {met} requests, each says for {median(leaving):.1f} s "
        f"that it leaves and for {median(starting):.1f} s that it has just started; its own address is closed for "
        f"{median(shut):.1f} s in the median, {max(shut):.1f} s at most"
    )
    return drill.finding(told, audited, figure, problems, met=met, closed=windows, grid=_grid(windows))


def closed(probes: Sequence[Probe], drills: Sequence[Drill]) -> list[dict[str, Any]]:
    """For each update, the longest time in seconds in which nobody answered, and for how long an edge said before it
    that it leaves, and after it that it has just started.

    others: how many shorter times there were in which nobody did, as where the asker itself had no time.
    """
    unready = probing.spans(probes, lambda probe: probe.is_unready)
    refused = probing.spans(probes, lambda probe: probe.is_refused)
    found = []
    for one in drills:
        own = probing.within(refused, one.began, one.ended)
        longest = max(own, key=lambda span: span[1] - span[0], default=(one.ended, one.ended))
        found.append(
            {
                "update": one.name,
                "leaving": round(probing.seconds(probing.within(unready, one.began, longest[0])), 2),
                "closed": round(probing.seconds([longest]), 2),
                "starting": round(probing.seconds(probing.within(unready, longest[1], one.ended)), 2),
                "others": max(0, len(own) - 1),
            }
        )
    return found


def unasked(probes: Mapping[str, Sequence[Probe]], drills: Sequence[Drill]) -> list[str]:
    """The edges that were asked less than half as often as they should have been while they were updated."""
    wanted = sum(one.ended - one.began for one in drills) / probing.INTERVAL / 2
    asked = {
        server: sum(any(one.began <= probe.began <= one.ended for one in drills) for probe in answers)
        for server, answers in probes.items()
    }
    return unmet({f"{server} is asked all the time ({count} times)": count > wanted for server, count in asked.items()})


def _grid(windows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, str]]:
    return {
        server: {
            "says that it leaves, for": ", ".join(f"{one['leaving']:.1f} s" for one in own),
            "closed, for": ", ".join(f"{one['closed']:.2f} s" for one in own),
            "has just started, for": ", ".join(f"{one['starting']:.1f} s" for one in own),
            "shorter times without an answer": ", ".join(str(one["others"]) for one in own),
        }
        for server, own in windows.items()
    }
