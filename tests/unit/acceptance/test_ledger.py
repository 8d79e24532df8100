# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the acceptance suite `data` makes of attempts to vote. Cases are in test_ledger.yml."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance.data import ledger
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.losses import plan
from tests.acceptance.data.stores import Container, Look
from tests.acceptance.data.throughput import pace

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
OK = 200


def cases(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: case["case"])


def attempts(lines: list[str]) -> list[Attempt]:
    """Each line: voter, choice, when it began and ended, what it came to."""
    made = []
    for line in lines:
        voter, choice, began, ended, status = line.split()
        told = int(status) if status.isdecimal() else status
        made.append(Attempt(voter, choice, "192.0.2.1", float(began), float(ended), told, told == OK))
    return made


def steady(spans: list[list[float]], step: float = 0.25) -> list[Attempt]:
    """Votes that are answered at once, in each of these spans of time."""
    moments = [since + step * number for since, until in spans for number in range(int((until - since) / step))]
    return [Attempt("steady", "a", "192.0.2.1", moment, moment, OK, acknowledged=True) for moment in moments]


@cases("judge")
def test_judge(case: dict[str, Any]) -> None:
    audit = ledger.judge(attempts(case["attempts"]), case["stored"])
    found = {name: list(getattr(audit, name)) for name in ("lost", "wrong", "strangers")}
    assert found == {"lost": [], "wrong": [], "strangers": []} | case.get("found", {})
    # At least one vote has to be acknowledged, or a load that did not work would pass.
    assert bool(audit.problems) == (any(found.values()) or not audit.acknowledged)


def test_an_audit_counts() -> None:
    audit = ledger.judge(attempts(["v a 0 1 200", "v b 2 3 503", "w a 2 3 200"]), {"v": "a", "w": "a"}, waiting=2)
    assert (audit.voters, audit.acknowledged, audit.refused) == (2, 2, 1)
    assert len(audit.problems) == 1
    assert "2 votes wait" in audit.problems[0]


@cases("accepted_again")
def test_accepted_again(case: dict[str, Any]) -> None:
    seen = steady(case["steady"]) + attempts(case.get("attempts", []))
    assert ledger.accepted_again(seen, case["since"]) == case["again"]


@cases("longest_gap")
def test_longest_gap(case: dict[str, Any]) -> None:
    assert ledger.longest_gap(attempts(case["attempts"]), *case["window"]) == case["gap"]


@cases("refused")
def test_refused(case: dict[str, Any]) -> None:
    assert ledger.refused(attempts(case["attempts"]), *case["window"]) == case["count"]


def test_timeline() -> None:
    seen = attempts(["v a 9 9.5 200", "v a 10 10.2 200", "v a 10 10.9 503", "v a 11 12.1 200", "v a 12 14 200"])
    assert ledger.timeline(seen, 10, 13) == {"acknowledged": "1 0 1", "refused": "1 0 0"}


def test_a_ledger_is_read_without_the_line_that_is_being_written() -> None:
    written = attempts(["v a 2 3 200", "w b 0 4 ReadTimeout"])
    text = "".join(f"{json.dumps(asdict(attempt))}\n" for attempt in written)
    assert ledger.read(f'{text}{{"voter": "x", "cho') == [written[1], written[0]]
    assert ledger.read("") == []


@cases("plan")
def test_plan_of_losses(case: dict[str, Any]) -> None:
    order, master = plan(case["holders"])
    assert [*order, master] == case["order"]


@cases("lacking")
def test_lacking(case: dict[str, Any]) -> None:
    containers = [Container(f"c{number}", *words) for number, words in enumerate(case["containers"])]
    look = Look(containers, case["wanted"], case.get("silent", []))
    assert look.lacking(case.get("gone", "")) == case.get("lacking", [])


def test_pace() -> None:
    assert pace([(0, 900), (2, 900), (3, 500), (5, 0)]) == 300
