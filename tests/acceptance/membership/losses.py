# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers that die, one after another and the leader in the middle of a run, and come back empty."""

from __future__ import annotations

import threading
from typing import Any

from lab.daemons import wait_for
from lab.playbook import Run
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "each server killed and rebuilt empty, the leader during site.yml"
HAND_LABEL = ("by.hand", "yes")
# The app's data stays on one server; the role refuses to begin without it, so it is the last to go.
DATA_LABEL = "voteapp.data"


def judge(stage: Stage) -> Finding:
    """Labels that people gave stay, too, and so does the cluster."""
    stage.reach("servers")
    stage.level = None
    names = list(blueprint_addresses())
    variables = {"voting_app_data_node": names[-1]}
    roles = dict.fromkeys(names, "manager")

    broken = _site_while_the_leader_dies(stage, variables)
    before = view.look_at_first(stage)
    problems = unmet({f"the broken run tells that it failed ({broken.exit_code})": broken.exit_code != 0})
    dead = next(iter(set(names) - set(before.managers())))
    cluster, seconds, said = before.cluster, {}, ""
    for name in [dead, *(other for other in names if other != dead)]:
        if name != dead:
            stage.kill(name)
            before = view.look_at_first(stage, without=[name])
        survivor = next(node.name for node in before.nodes if node.name != name and node.status == "ready")
        _label_by_hand(stage, survivor, before, name)
        take_away(stage, name)
        wanted = {node.name: dict(node.labels) for node in view.look(stage, survivor).nodes}
        if DATA_LABEL in wanted[name]:
            wanted[name][DATA_LABEL] = "lost"
        run = stage.play("site.yml", variables)
        seconds[name] = round(run.seconds, 1)
        said = "; ".join(map(str, run.failures))
        refused = name == names[-1] and DATA_LABEL in said
        problems += unmet({f"after {name}, site.yml converges ({said})": run.exit_code == 0 or refused})
        problems += [f"after {name}: {one}" for one in view.flaws(view.look(stage, survivor), cluster, roles, wanted)]
        stage.say(f"{name}: rebuilt in {run.seconds:.0f} s, {len(problems)} problems so far")
    stage.on(survivor, f"docker node update --label-rm {DATA_LABEL} {names[-1]}")
    given_up = stage.play("site.yml", variables)
    problems += unmet(
        {
            f"the data's server, empty, is not taken for a first deployment ({said})": DATA_LABEL in said,
            f"with the votes given up it is ({'; '.join(map(str, given_up.failures))})": given_up.exit_code == 0,
        }
    )
    listed = ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items())
    return Finding(
        f"{len(problems)} flaws in cluster ID, managers, entries and labels; site.yml after each: {listed}",
        problems,
        data={"seconds": seconds, "leader_killed": dead},
    )


def _site_while_the_leader_dies(stage: Stage, variables: dict[str, Any]) -> Run:
    """site.yml, in which the first manager loses its power as soon as the app is to be deployed."""
    killed = threading.Event()

    def watch(phase: str, _task: str) -> None:
        if phase == "Deploy" and not killed.is_set():
            killed.set()
            leader = view.look_at_first(stage).leader
            stage.kill(leader)
            stage.say(f"{leader} led the swarm and has lost its power")

    return stage.play("site.yml", variables, progress=watch)


def _label_by_hand(stage: Stage, survivor: str, seen: view.View, name: str) -> None:
    """As a person labels a node; its machine is dead already."""
    node = next(node for node in seen.nodes if node.name == name)
    stage.on(survivor, f"docker node update --label-add {'='.join(HAND_LABEL)} {node.id}")


def take_away(stage: Stage, name: str) -> None:
    """Delete the server; site.yml makes one of its name and address, with an empty disk."""
    server = next(server for server in stage.api.all("servers") if server["name"] == name)
    stage.api.ask("DELETE", f"/v1/servers/{server['id']}")
    gone = wait_for(lambda: name not in {server["name"] for server in stage.api.all("servers")}, seconds=60)
    if not gone:
        raise StageError(f"{name} could not be deleted")
