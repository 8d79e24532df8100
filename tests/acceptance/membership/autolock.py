# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Managers that stay locked after a start: unlocked by the playbook, one by one and all at once."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lab.daemons import wait_for
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.quorum_watch import QuorumWatch
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "autolock, every server rebooted in turn, and all at once"
STORE = str(Path(__file__).parents[1] / "plays" / "store_key.yml")
# A container keeps its kernel's boot; its first process is another one.
BOOT = "cut --delimiter=' ' --fields=22 /proc/1/stat"
STATE = "docker info --format '{{.Swarm.LocalNodeState}}'"
# All that could hold the key on a server: what the playbooks leave there, and the swarm's own files.
TRACES = (
    "grep --recursive --files-with-matches --fixed-strings -- {} /root /tmp /etc /var/log /run 2> /dev/null || true"
)


def judge(stage: Stage) -> Finding:
    """The key is kept beside the controller."""
    stage.reach("swarm")
    stage.level = None
    file = stage.state / "unlock.key"
    names = list(blueprint_addresses())
    variables: dict[str, Any] = {
        "swarm_autolock": True,
        "swarm_unlock_key_tasks": STORE,
        "kept_key_file": str(file),
    }
    switched = stage.play("swarm.yml", variables)
    key = file.read_text(encoding="utf-8") if file.exists() else ""
    again = stage.play("swarm.yml", variables)
    before = view.look_at_first(stage)
    boots = {name: stage.on(name, BOOT) for name in names}
    with QuorumWatch(stage.api, names) as watch:
        began = time.monotonic()
        run = stage.play("reboot.yml", variables)
        seconds = time.monotonic() - began
    rebooted = [name for name, boot in boots.items() if stage.on(name, BOOT) != boot]
    roles = dict.fromkeys(names, "manager")
    problems = unmet(
        {
            f"it is switched on ({'; '.join(map(str, switched.failures))})": switched.exit_code == 0,
            "the key is stored": key.startswith("SWMKEY"),
            f"a second run changes nothing ({again.changed})": again.changed == 0 and again.exit_code == 0,
            f"reboot.yml succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
            f"every server has rebooted ({rebooted})": rebooted == names,
            f"one manager at a time is missed ({watch.down_at_once})": watch.down_at_once <= 1,
            "no log of the playbooks holds the key": not _logged(stage, key),
            **{f"{name} holds no trace of the key ({found})": not found for name, found in _traces(stage, key).items()},
        }
    )
    problems += view.flaws(view.look_at_first(stage), before.cluster, roles, {})

    # The next run of the role has the old configuration again.
    engines = [stage.play("engine.yml", {"engine_daemon_config": config}) for config in ({"debug": True}, {})]
    failures = "; ".join(str(failure) for run in engines for failure in run.failures)
    problems += unmet(
        {
            f"engines are restarted and unlocked by their role ({failures})": not any(r.exit_code for r in engines),
            f"all of them, each time ({[r.changed for r in engines]})": all(r.changed > len(names) for r in engines),
        }
    )
    problems += view.flaws(view.look_at_first(stage), before.cluster, roles, {})

    with ThreadPoolExecutor() as pool:
        list(pool.map(stage.kill, names))
        list(pool.map(stage.start_server, names))
    if not wait_for(lambda: _all_locked(stage, names), seconds=120, interval=2):
        raise StageError("the managers do not come back locked")
    keyless = stage.play("swarm.yml", variables)
    said = " ".join(failure.reason for failure in keyless.failures)
    unlocked = stage.play("swarm.yml", {**variables, "swarm_unlock_key": f"{{{{ lookup('file', '{file}') }}}}"})
    problems += unmet(
        {
            f"without a key it says which setting is missing ({said})": "swarm_unlock_key" in said,
            f"all at once: unlocked by the playbook ({'; '.join(map(str, unlocked.failures))})": unlocked.exit_code
            == 0,
        }
    )
    problems += view.flaws(view.look_at_first(stage), before.cluster, roles, {})
    figure = (
        f"reboot.yml {seconds:.0f} s for three servers, longest time without a leader {watch.longest_gap():.1f} s; "
        f"engine.yml with another configuration {engines[0].seconds:.0f} s; "
        f"three locked at once: swarm.yml {unlocked.seconds:.0f} s"
    )
    data = {
        "reboot_seconds": round(seconds, 1),
        "unlock_seconds": round(unlocked.seconds, 1),
        "longest_seconds_without_leader": round(watch.longest_gap(), 1),
    }
    return Finding(figure, problems, data=data)


def _all_locked(stage: Stage, names: list[str]) -> bool:
    try:
        return all(stage.on(name, STATE).strip() == "locked" for name in names)
    except StageError:
        return False


def _logged(stage: Stage, key: str) -> bool:
    return any(json.dumps(key)[1:-1] in log.read_text(encoding="utf-8") for log in (stage.state / "logs").glob("*"))


def _traces(stage: Stage, key: str) -> dict[str, str]:
    return {name: stage.on(name, TRACES.format(f"'{key}'")).strip() for name in blueprint_addresses()}
