# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page on the CIS Docker Benchmark against the module's points and the playbook's own deviations."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _audit
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._audit_points import POINTS

PROJECT = Path(__file__).parents[3]


def test_the_page_and_the_collections_own_deviations_are_in_step() -> None:
    text = (PROJECT / "docs/cis.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| [1-7]\..*\|$", text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [row[:3] for row in rows] == [[point.id, str(point.level), point.title] for point in POINTS]
    path = PROJECT / "playbooks/vars/audit_accepted.yml"
    own = yaml.safe_load(path.read_text(encoding="utf-8"))["audit_accepted_default"]
    assert _audit.decisions(own)
    assert {row[0] for row in rows if row[3] == "accepted"} == set(own)
