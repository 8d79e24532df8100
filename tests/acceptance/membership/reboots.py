# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two managers and a worker: the server that asks for a reboot gets it, and comes back into service; no other does."""

from __future__ import annotations

from pathlib import Path

from tests.acceptance.fleets import blueprint
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "only servers that ask for it are rebooted; one of two managers never"
PLAY = str(Path(__file__).parents[1] / "plays" / "members.yml")
# When the first process began, which is another moment after a reboot.
BOOT = "cut --delimiter=' ' --fields=22 /proc/1/stat"
ASKS = "touch /var/run/reboot-required"
ONLY_REQUIRED = {"reboot_only_required": True, "swarm_timeout": 10}


def judge(stage: Stage) -> Finding:
    """A package that wants a reboot leaves a file, which this row does in its place."""
    stage.reach("swarm")
    stage.level = None
    servers = blueprint()
    servers[-1]["swarm_role"] = "worker"
    prepared = stage.play(PLAY, {"hetzner_servers": servers})
    if prepared.exit_code:
        raise StageError(f"members.yml: {'; '.join(map(str, prepared.failures))}")
    names = [server["name"] for server in servers]
    worker = names[-1]
    before = {name: stage.on(name, BOOT) for name in names}
    roles = {server["name"]: server["swarm_role"] for server in servers}
    cluster = view.look_at_first(stage).cluster

    stage.on(worker, ASKS)
    run = stage.play("reboot.yml", ONLY_REQUIRED)
    rebooted = [name for name in names if stage.on(name, BOOT) != before[name]]
    seen = view.look_at_first(stage)
    problems = view.flaws(seen, cluster, roles, {})
    problems += unmet(
        {
            f"reboot.yml succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
            f"the worker was rebooted, and no other ({rebooted})": rebooted == [worker],
            **{
                f"{node.name} is in service again ({node.availability}, {dict(node.labels)})": node.availability
                == "active"
                and "swarm.availability" not in node.labels
                for node in seen.nodes
            },
        }
    )
    stage.on(names[0], ASKS)
    refused = stage.play("reboot.yml", ONLY_REQUIRED)
    said = "; ".join(map(str, refused.failures))
    problems += unmet(
        {
            f"one of two managers is not ({said})": refused.exit_code != 0 and "quorum" in said,
            "it is not rebooted": stage.on(names[0], BOOT) == before[names[0]],
        }
    )
    figure = f"{', '.join(rebooted)} rebooted in {run.seconds:.0f} s; one of two managers refused"
    return Finding(figure, problems, data={"seconds": round(run.seconds, 1)})
