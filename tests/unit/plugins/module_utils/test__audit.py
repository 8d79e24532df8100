# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judgement of a node, by the cases of test__audit.yaml, and what is written about it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _audit
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._audit_points import AUDITED, FILE_RULES, POINTS
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._audit_state import (
    Container,
    File,
    Image,
    State,
    Watches,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
CASES = [(number, case) for number, cases in DATA["cases"].items() for case in cases]
EXEMPLARY: dict[str, Any] = {
    "name": "web",
    "image": "web:1@sha256:aa",
    "uid": 999,
    "processes": ["web"],
    "cap_drop": ["ALL"],
    "network_mode": "app",
    "networks": ["app"],
    "memory": 1,
    "cpu": True,
    "pids": 100,
    "read_only": True,
    "health": True,
}
SIZES = {"1": 20, "2": 18, "3": 24, "4": 12, "5": 32, "6": 2, "7": 9}


def file(text: str) -> File:
    owner, mode, path = text.split()
    return File(path, owner, int(mode, 8))


def state(given: dict[str, Any]) -> State:
    fields = {**DATA["state"], **given, "info": {**DATA["state"]["info"], **given.get("info", {})}}
    fields["files"] = {subject: list(map(file, texts)) for subject, texts in given.get("files", {}).items()}
    watches = given.get("watches", {})
    fields["watches"] = Watches(**{key: tuple(value) if key != "source" else value for key, value in watches.items()})
    fields["containers"] = [Container(**{**EXEMPLARY, **container}) for container in given.get("containers", ())]
    fields["images"] = [Image(**{"name": "image:1", **image}) for image in given.get("images", ())]
    return State(**fields)


def judged(number: str, given: dict[str, Any], accepted: dict[str, str] | None = None) -> dict[str, Any]:
    points = _audit.judge(state(given), accepted or {})
    return next(point for point in points if point["id"] == number)


@pytest.mark.parametrize(("number", "case"), CASES, ids=[f"{number} {case['status']}" for number, case in CASES])
def test_point(number: str, case: dict[str, Any]) -> None:
    point = judged(number, case.get("state", {}))
    assert {key: point[key] for key in ("status", "found", "reason")} == {
        "status": case["status"],
        "found": str(case.get("found", "")),
        "reason": case.get("reason", ""),
    }
    assert bool(point["remedy"]) is (case["status"] in ("fail", "manual"))


def test_every_point_is_there_once_and_has_a_case() -> None:
    ids = [point.id for point in POINTS]
    assert len(ids) == len(set(ids)) == sum(SIZES.values())
    assert {section: sum(number.startswith(f"{section}.") for number in ids) for section in SIZES} == SIZES
    assert ids == sorted(ids, key=lambda number: [int(part) for part in number.split(".")])
    assert set(ids) == set(_audit.JUDGES)
    assert set(ids) - set(DATA["cases"]) <= {*AUDITED, *FILE_RULES}


@pytest.mark.parametrize(("number", "subject"), AUDITED.items())
def test_each_file_is_looked_for_among_the_rules(number: str, subject: str) -> None:
    files = {subject: ["root:root 600 /file"]}
    assert judged(number, {"files": files, "watches": {"source": "loaded", "paths": ["/file"]}})["status"] == "pass"
    assert judged(number, {"files": files, "watches": {"source": "loaded", "trees": ["/fil"]}})["status"] == "fail"
    assert judged(number, {})["status"] == "not_applicable"


@pytest.mark.parametrize(("number", "rule"), FILE_RULES.items())
def test_each_file_has_its_owner_and_permissions(number: str, rule: Any) -> None:
    assert (rule.owner is None) is not (rule.mode is None)
    good = f"{rule.owner or 'anna:anna'} {rule.mode or 0o777:o} /file"
    bad = "anna:anna 777 /file"
    assert judged(number, {"files": {rule.subject: [good]}})["status"] == "pass"
    assert judged(number, {"files": {rule.subject: [good, bad]}})["status"] == "fail"
    assert judged(number, {})["status"] == "not_applicable"


def test_what_is_accepted_counts_only_where_it_would_fail() -> None:
    reason = {"2.9": "Own users.", "2.3": "Never mind.", "4.12": "We know."}
    assert judged("2.9", {}, reason) == {
        **judged("2.9", {}),
        "status": "accepted",
        "reason": "Own users.",
    }
    for number in ("2.3", "4.12"):
        assert judged(number, {}, reason) == judged(number, {})


def test_counts_and_failures() -> None:
    points = _audit.judge(state({}), {"2.9": "Own users."})
    counts = _audit.counts(points)
    assert list(counts) == ["pass", "fail", "accepted", "manual", "not_applicable"]
    assert (sum(counts.values()), counts["accepted"]) == (len(POINTS), 1)
    lines = _audit.failures(points)
    assert len(lines) == counts["fail"]
    assert lines[1].startswith("2.1 The daemon runs without root, where possible: the daemon runs as root. Run the")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"2.1": "x", "2.99": "x", "live-restore": "x"}, "accepted names 2.99, live-restore, which is no point"),
        ({"2.10": "", "2.9": None, "2.8": " "}, "no reason for 2.10, 2.8, 2.9"),
    ],
)
def test_decisions_are_points_with_reasons(option: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=re.escape(message)):
        _audit.decisions(option)
