# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_ingress, by the cases of test__ingress.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._ingress import (
    Ingress,
    Wish,
    find,
    kept_because,
    plan,
    remark,
    users,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, summary

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
OPTIONS = {"mtu": None, "encrypted": None, "when_used": "refuse"}


def network(written: dict[str, Any]) -> Ingress:
    return Ingress.from_api({**DATA["network"], **written})


def planned(case: dict[str, Any]) -> list[Step]:
    actual = None if case["network"] is None else network(case["network"])
    return plan(Wish.from_options({**OPTIONS, **case["wish"]}), actual, case.get("used_by", []), case.get("esp4", True))


@pytest.mark.parametrize("case", DATA["plans"], ids=lambda case: case["case"])
def test_plan(case: dict[str, Any]) -> None:
    steps = planned(case)
    assert summary(steps) == case["plan"]
    assert [step.payload["options"] for step in steps] == [case["options"] for _step in steps]


@pytest.mark.parametrize("case", DATA["refusals"], ids=lambda case: case["case"])
def test_refusal(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        planned(case)
    assert case["refused"] in str(refusal.value)


@pytest.mark.parametrize("case", DATA["users"], ids=lambda case: case["case"])
def test_users(case: dict[str, Any]) -> None:
    assert users(case["services"]) == case["users"]


def test_only_what_changes_is_shown() -> None:
    [step] = planned({"network": DATA["fitted"], "wish": {"mtu": 1400, "encrypted": False}})
    assert (step.before, step.after) == ({"mtu": 1450}, {"mtu": 1400})
    [step] = planned({"network": None, "wish": {"mtu": 1400}})
    assert (step.before, step.after) == (None, {"mtu": 1400, "encrypted": False})


def test_labels_go_over() -> None:
    [step] = planned({"network": {"Labels": {"a": "b"}}, "wish": {"mtu": 1400}})
    assert step.payload["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("wish", "used_by", "reason"),
    [
        (Wish(mtu=1450, when_used="keep"), ["api", "web"], "services publish ports through it: api, web"),
        (Wish(mtu=1450, when_used="keep"), [], None),
        (Wish(mtu=1450), ["api"], None),
        (Wish(when_used="keep"), ["api"], None),
    ],
)
def test_kept(wish: Wish, used_by: list[str], reason: str | None) -> None:
    assert kept_because(wish, network({}), used_by) == reason
    assert kept_because(wish, None, used_by) is None


def test_what_is_kept_is_told() -> None:
    told = remark(Wish(mtu=1450), network({}), "of that")
    assert told.startswith("The network ingress is kept as it is (mtu 1450 was asked for), because of that. Remove")


def test_what_the_swarm_has_comes_before_what_is_torn_down() -> None:
    listed = [{**DATA["network"], "Id": name, "Ingress": name != "app"} for name in ("app", "new", "old")]
    found = find(listed)
    assert found is not None
    assert found.id == "new"
    assert find(listed[:1]) is None
