# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts the app has, and which one a rotation leads to, by what releases have recorded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.roles.templating import evaluate

ROLE = Path(__file__).parents[3] / "roles" / "voting_app"
CASES = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))


def value(name: str, **known: Any) -> Any:
    """A variable of the role."""
    return evaluate(ROLE, f"{{{{ {name} }}}}", known)


@pytest.mark.parametrize("case", CASES["recorded"], ids=lambda case: case["id"])
def test_the_app_keeps_to_what_its_newest_release_has(case: dict[str, Any]) -> None:
    known = {"voting_app_stack": "voteapp", "voting_app_recorded": case["told"]}
    assert value("voting_app_accounts", **known) == case["accounts"]
    assert value("voting_app_account", **known) == case["account"]


@pytest.mark.parametrize("case", CASES["rotated"], ids=lambda case: case["id"])
def test_a_rotation_leads_to_a_number_that_no_release_has_or_ends_what_was_begun(case: dict[str, Any]) -> None:
    releases = [
        {"secrets": [f"voteapp_{store}_account_{number}_v1" for number in numbers for store in ("queue", "db")]}
        for numbers in case["releases"]
    ]
    known = {"voting_app_stack": "voteapp", "voting_app_before": {"releases": releases}}
    assert value("voting_app_accounts_before", **known) == case["before"]
    if case["before"]:
        assert value("voting_app_account_next", **known) == case["next"]
