# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_stack, by the cases of test__stack_plan.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import deploys, notes, plan, plan_absent
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    KEY_LABEL,
    RELEASE_LABEL,
    STACK_LABEL,
    State,
    labels_of,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    STACK,
    compose,
    desired,
    owned,
    released,
    service,
    state,
)

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def actual(case: dict[str, Any]) -> State:
    releases = (released(compose(**case["released"])),) if "released" in case else ()
    kinds = {kind: owned(case.get(kind, [])) for kind in ("networks", "secrets", "configs")}
    found = state(case.get("running", []), releases, **kinds)
    for name, spec in case.get("drift", {}).items():
        found.services[name].update(service(f"{STACK}_{name}", **spec))  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_plan(case: dict[str, Any]) -> None:
    wanted = desired(compose(**case["file"]), made=case.get("made", ()), prune=case.get("prune", True))
    found = actual(case)
    steps = plan(wanted, found)
    assert summary(steps) == case["plan"]
    assert notes(wanted, found) == case.get("notes", [])
    assert deploys(steps) is case.get("deploys", bool(case["plan"]))
    shown = {entry["before_header"].partition(" ")[2]: [entry["before"], entry["after"]] for entry in diff(steps)}
    for name, fields in case.get("diff", {}).items():
        assert shown[name] == fields


def test_old_secrets_go_with_the_release_that_leaves() -> None:
    files = [
        compose({"a": {"secrets": [{"source": "p"}]}}, secrets={"p": {"external": True, "name": f"app_p_v{number}"}})
        for number in range(1, 7)
    ]
    releases = tuple(released(file, number) for number, file in enumerate(files[:5], start=1))
    names = [f"app_p_v{number}" for number in range(1, 7)]
    found = state(["a"], releases, secrets=owned(names), networks=owned(["app_default"]))
    assert [step.name for step in plan(desired(files[5]), found) if step.verb == "remove"] == ["app_p_v1"]
    assert [step.name for step in plan(desired(files[4]), found) if step.verb == "remove"] == ["app_p_v6"]


def test_absent_removes_all_but_what_is_not_ours() -> None:
    records = {
        **owned(["app.release.1"], {STACK_LABEL: STACK, RELEASE_LABEL: "1"}),
        **owned(["app.key"], {STACK_LABEL: STACK, KEY_LABEL: "names"}),
    }
    theirs = owned(["theirs"], {STACK_LABEL: "other"})
    found = state(
        ["a"],
        (released(compose({"a": None})),),
        networks={**owned(["app_n"]), **theirs, "bridge": {"Id": "x", "Name": "bridge", "Labels": {}}},
        secrets={**owned(["app_s"], {STACK_LABEL: STACK}), **theirs},
        configs={**owned(["app_c"]), **theirs, **records},
        hash_key="00",
    )
    assert summary(plan_absent(found)) == [
        "remove service a",
        "remove network app_n",
        "remove secret app_s",
        "remove config app_c",
        "remove key app.key",
        "remove release app.release.1",
    ]
    assert plan_absent(State(STACK)) == []
    assert labels_of({"Labels": None, "Spec": {}}) == {}
