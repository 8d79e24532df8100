# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything once more: nothing changes, nothing is asked of the cloud."""

from __future__ import annotations

from tests.acceptance.mesh import CASTING
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "second run of everything"
# Every setting that the role can converge.
SETTINGS = {
    "swarm_dispatcher_heartbeat": 4,
    "swarm_task_history_limit": 3,
    "swarm_snapshot_interval": 8000,
    "swarm_node_cert_expiry": 1440,
    **CASTING,
}
PLAYS = ("site.yml", "preflight.yml", "paths.yml", "audit.yml")


def judge(stage: Stage) -> Finding:
    """With all settings of the swarm set."""
    stage.reach("app")
    stage.level = None
    first = stage.play("site.yml", SETTINGS)
    problems = unmet({f"site.yml succeeds ({'; '.join(map(str, first.failures))})": first.exit_code == 0})
    figures, data = [], {}
    for play in PLAYS:
        stage.api.forget_requests()
        run = stage.play(play, SETTINGS)
        writes = stage.api.requests().writes
        problems += unmet(
            {
                f"{play} succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
                f"{play}: changed=0 ({run.changed}), no write request ({writes})": run.changed == 0 and writes == 0,
            }
        )
        figures.append(f"{play} changed={run.changed}, {run.seconds:.0f} s")
        data[play] = {"changed": run.changed, "writes": writes, "seconds": round(run.seconds, 1)}
    return Finding("; ".join(figures), problems, data=data)
