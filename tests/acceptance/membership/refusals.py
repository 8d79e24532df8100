# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""With one of three managers dead, all that would cost the majority is refused before anything is changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "what would lose the majority"
DEED = str(Path(__file__).parents[1] / "plays" / "swarm_deed.yml")
# An engine that has been asked for another configuration has to be restarted.
OTHER_DAEMON = {"engine_daemon_config": {"debug": True}, "engine_quorum_timeout": 5}
CONFIGURATION = "cat /etc/docker/daemon.json; cat /run/docker.pid"


@dataclass(frozen=True)
class Deed:
    """words: what the refusal must hold."""

    name: str
    play: str
    words: tuple[str, ...]
    variables: Mapping[str, Any] = field(default_factory=dict)


def judge(stage: Stage) -> Finding:
    """Each once as a dry run and once in earnest."""
    stage.reach("swarm")
    asked, wanted, dead = blueprint_addresses()
    stage.level = None
    stage.kill(dead)
    before = view.look_at_first(stage, without=[dead])
    engines = [stage.on(name, CONFIGURATION) for name in (asked, wanted)]
    stage.say(f"{dead} is dead; {before.managers()} are left")
    problems: list[str] = []
    refused: dict[str, bool] = {}
    for deed in _deeds(asked, wanted):
        for arguments in (("--check",), ()):
            run = stage.play(deed.play, deed.variables, arguments=(*arguments, "--limit", f"{asked},{wanted}"))
            reasons = " ".join(failure.reason for failure in run.failures)
            how = f"{deed.name}{' (check mode)' if arguments else ''}"
            refused[how] = run.exit_code != 0
            problems += unmet(
                {
                    f"{how} is refused": refused[how],
                    f"{how}: nothing is reported as changed ({run.changed})": run.changed == 0,
                    **{f"{how}: the refusal has: {word} ({reasons})": word in reasons for word in deed.words},
                }
            )
            stage.say(f"{how}: {reasons}")
    after = view.look_at_first(stage, without=[dead])
    problems += unmet(
        {
            "all nodes are as before": [(n.id, n.role, n.availability) for n in after.nodes]
            == [(n.id, n.role, n.availability) for n in before.nodes],
            "no engine was restarted or configured anew": engines
            == [stage.on(name, CONFIGURATION) for name in (asked, wanted)],
        }
    )
    stage.start_server(dead)
    figure = f"{sum(refused.values())} of {len(refused)} refused: {', '.join(refused)}"
    return Finding(figure, problems, data={"refused": refused})


def _deeds(asked: str, wanted: str) -> list[Deed]:
    on_manager = {"deed_host": asked, "deed_node": wanted}
    return [
        Deed("demote", DEED, ("quorum", wanted), {**on_manager, "deed": "demote"}),
        Deed("leave", DEED, ("quorum", wanted), {**on_manager, "deed": "leave", "deed_host": wanted}),
        Deed("remove", DEED, (wanted, "leave"), {**on_manager, "deed": "remove"}),
        Deed("engine restart", "engine.yml", ("quorum",), OTHER_DAEMON),
        Deed("reboot", "reboot.yml", ("quorum",), {"swarm_timeout": 5}),
    ]
