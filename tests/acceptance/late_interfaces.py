# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A private interface that a server gets to see a minute late, or never: the run waits, or fails with one message."""

from __future__ import annotations

import yaml

from lab.playbook import Run
from tests.acceptance.fleets import BLUEPRINT
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

LATE = 60
LONGEST_WAIT = 300
WORDS = ("has no interface with 10.0.0.2", "MTU 1450", "eth0")


def judge(stage: Stage) -> Finding:
    """One server of the blueprint: as it comes, then with its interface a minute after that, then without."""
    server = yaml.safe_load(BLUEPRINT.read_text(encoding="utf-8"))["hetzner_servers"][0]
    variables = {"hetzner_servers": [server], "hetzner_ready_timeout": LONGEST_WAIT}
    stage.start_again_from("nothing")
    normal = stage.play("provision.yml", variables)

    stage.start_again_from("nothing")
    delay = normal.seconds + LATE
    stage.api.put_faults([{"on": "interface", "delay": delay, "times": 1}])
    late = stage.play("provision.yml", variables)

    stage.start_again_from("nothing")
    stage.api.put_faults([{"on": "interface", "drop": True, "times": 1}])
    never = stage.play("provision.yml", variables)
    stage.api.put_faults([])
    stage.level = None
    said = [failure.reason for failure in never.failures]
    problems = unmet(
        {
            f"with its interface in time it succeeds ({_failures(normal)})": normal.exit_code == 0,
            f"late, it waits and succeeds ({_failures(late)})": late.exit_code == 0,
            f"it waits as long as it has to ({late.seconds:.0f} s)": late.seconds >= delay,
            f"never, it fails with one message ({said})": never.exit_code != 0 and len(said) == 1,
            **{f"the message has: {words}": words in " ".join(said) for words in WORDS},
        }
    )
    figure = (
        f"ready after {normal.seconds:.0f} s; with the interface {LATE} s after that, after {late.seconds:.0f} s; "
        f"without, one message after {never.seconds:.0f} s"
    )
    data = {
        "seconds": {
            "in time": round(normal.seconds, 1),
            "late": round(late.seconds, 1),
            "never": round(never.seconds, 1),
        },
        "message": said,
    }
    return Finding(figure, problems, data=data)


def _failures(run: Run) -> str:
    return "; ".join(map(str, run.failures))
