# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""One manager cut off for a minute: a run meanwhile fails clearly or waits, as configured; nothing is to be mended."""

from __future__ import annotations

import threading
import time

from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "one manager cut off for 60 s"
SECONDS = 60.0
IMPATIENT = {"hetzner_ready_timeout": 10}


def judge(stage: Stage) -> Finding:
    """Packets vanish in both directions, on both networks."""
    stage.reach("app")
    names = list(blueprint_addresses())
    cut = names[-1]
    before = view.look_at_first(stage)
    began = time.monotonic()
    stage.lab("partition", cut)
    healing = threading.Timer(SECONDS, stage.lab, ("heal", cut))
    healing.start()
    try:
        impatient = stage.play("site.yml", IMPATIENT)
        told_after = time.monotonic() - began
        patient = stage.play("site.yml")
    finally:
        healing.join()
    after = time.monotonic() - began
    stage.api.forget_requests()
    again = stage.play("site.yml")
    writes = stage.api.requests().writes
    said = "; ".join(map(str, impatient.failures))
    roles = dict.fromkeys(names, "manager")
    labels = {node.name: node.labels for node in before.nodes}
    problems = unmet(
        {
            f"with little patience the run fails ({impatient.exit_code}) while it is cut off": impatient.exit_code != 0
            and told_after < SECONDS,
            f"and names the server ({said})": cut in said,
            f"with patience the run waits and succeeds ({'; '.join(map(str, patient.failures))})": patient.exit_code
            == 0,
            f"it changes nothing ({patient.changed})": patient.changed == 0,
            f"nor does one afterwards ({again.changed}, {writes} write requests)": again.exit_code == 0
            and again.changed == 0
            and writes == 0,
        }
    )
    problems += view.flaws(view.look_at_first(stage), before.cluster, roles, labels)
    figure = (
        f"impatient: failed after {impatient.seconds:.0f} s, named {cut}; patient: waited, done {after:.0f} s after "
        f"the cut, changed={patient.changed}; afterwards changed={again.changed}"
    )
    return Finding(figure, problems, data={"failed_after": round(impatient.seconds, 1), "done_after": round(after, 1)})
