# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which accounts the app has, and which one a rotation leads to, by what releases have recorded."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2.meta
import jinja2.nativetypes
import pytest
import yaml

ROOT = Path(__file__).parents[3]
VARS: dict[str, Any] = yaml.safe_load((ROOT / "roles/voting_app/vars/main.yml").read_text(encoding="utf-8"))
CASES = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))


def value(name: str, **known: Any) -> Any:
    """A variable of the role, with the variables of the role that it names."""
    environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    # Ansible's own, as far as these variables need them.
    environment.filters["regex_replace"] = lambda text, pattern, new: re.sub(pattern, new, text)
    environment.filters["flatten"] = lambda lists: [item for items in lists for item in items]
    environment.tests["match"] = lambda text, pattern: bool(re.match(pattern, text))

    class Known(dict[str, Any]):
        def __missing__(self, key: str) -> Any:
            return environment.from_string(VARS[key]).render(self.over(VARS[key]))

        def over(self, template: str) -> dict[str, Any]:
            names = jinja2.meta.find_undeclared_variables(environment.parse(template))
            return {name: self[name] for name in names if name in self or name in VARS}

    return Known(known)[name]


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
