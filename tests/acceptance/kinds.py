# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What playbooks are told of virtual machines and of containers, side by side."""

from __future__ import annotations

import os
from typing import Any

import yaml

from lab.config import PROJECT
from tests.acceptance.collection import lab_words
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

KINDS = ("vm", "container")
# Made anew with every lab, whatever its machines are.
OF_EACH_LAB = "engine_registry_ca_certificates"


def judge(stage: Stage) -> Finding:
    """The lab comes up with each kind; what it gives to playbooks is compared."""
    told = {kind: _told(stage, kind) for kind in KINDS}
    os.environ["LAB_MACHINES"] = KINDS[0]
    one, other = (told[kind]["variables"] for kind in KINDS)
    different = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    words = lab_words()
    problems = unmet(
        {
            "each kind says its name": [told[kind]["backend"] for kind in KINDS] == list(KINDS),
            f"no variable differs ({', '.join(different)})": not different,
            "clients are pointed at the same": told["vm"]["environment"] == told["container"]["environment"],
            f"no playbook knows of the lab ({', '.join(words)})": not words,
        }
    )
    figure = f"{len(one)} variables of the inventory, {len(different)} differ; the backend's name does"
    return Finding(figure, problems, data={"variables": sorted(one), "different": different})


def _told(stage: Stage, kind: str) -> dict[str, Any]:
    stage.down()
    os.environ["LAB_MACHINES"] = kind
    stage.lab("up")
    file = stage.state / "inventory" / "group_vars" / "all" / "lab.yml"
    variables = yaml.safe_load(file.read_text(encoding="utf-8"))
    certificates = variables.pop(OF_EACH_LAB)
    return {
        "backend": stage.status()["backend"]["name"],
        "variables": {**variables, OF_EACH_LAB: sorted(certificates), "project": str(PROJECT)},
        "environment": stage.environment(),
    }
