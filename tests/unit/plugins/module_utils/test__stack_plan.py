# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_stack, by the cases of test__stack_plan.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import diff, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import (
    deploys,
    drifts,
    notes,
    plan,
    plan_absent,
    strangers,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    KEY_LABEL,
    LOCK_LABEL,
    RELEASE_LABEL,
    STACK_LABEL,
    State,
    labels_of,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    STACK,
    compose,
    desired,
    node,
    owned,
    released,
    service,
    state,
)

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
NODES = (
    node("m1", role="manager"),
    node("w1", {"zone": "a"}),
    node("w2", {"zone": "a"}),
    node("w3", {"zone": "b"}, availability="drain"),
)


def actual(case: dict[str, Any]) -> State:
    releases = (released(compose(**case["released"])),) if "released" in case else ()
    for release in releases:
        for name in case.get("recorded", []):
            del release.compose["services"][name]
    kinds = {kind: owned(case.get(kind, [])) for kind in ("networks", "secrets", "configs")}
    found = state(case.get("running", []), releases, nodes=NODES, **kinds)
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
    assert drifts(found) + strangers(found) == case.get("drifts", [])
    assert deploys(steps) is case.get("deploys", bool(case["plan"]))
    shown = {entry["before_header"].partition(" ")[2]: [entry["before"], entry["after"]] for entry in diff(steps)}
    for name, fields in case.get("diff", {}).items():
        assert shown[name] == fields


@pytest.mark.parametrize(
    ("number", "keep", "gone"),
    [
        (6, 6, []),
        (6, 5, [1]),
        (6, 2, [1, 2, 3, 4]),
        (6, 1, [1, 2, 3, 4, 5]),
        (5, 5, [6]),
        (5, 2, [1, 2, 3, 6]),
    ],
)
def test_old_secrets_go_with_the_releases_that_leave(number: int, keep: int, gone: list[int]) -> None:
    """Five releases, each with a secret of its own, and a sixth secret. number: that of the wanted one."""
    numbers = range(1, 7)
    files = {
        each: compose(
            {"a": {"secrets": [{"source": "p"}]}}, secrets={"p": {"external": True, "name": f"app_p_v{each}"}}
        )
        for each in numbers
    }
    releases = tuple(released(files[each], each) for each in numbers[:5])
    secrets = owned([f"app_p_v{each}" for each in numbers])
    found = state(["a"], releases, secrets=secrets, networks=owned(["app_default"]))
    steps = plan(desired(files[number], keep_releases=keep), found)
    removed = [step.name for step in steps if step.verb == "remove"]
    assert removed == [f"app.release.{each}" for each in gone if each < 6] + [f"app_p_v{each}" for each in gone]


def test_absent_removes_all_but_what_is_not_ours() -> None:
    records = {
        **owned(["app.release.1"], {STACK_LABEL: STACK, RELEASE_LABEL: "1"}),
        **owned(["app.key"], {STACK_LABEL: STACK, KEY_LABEL: "names"}),
        **owned(["app.lock"], {STACK_LABEL: STACK, LOCK_LABEL: "ann@m1"}),
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
    assert summary(plan_absent(found, ["app_data"])) == [
        "remove service a",
        "remove network app_n",
        "remove secret app_s",
        "remove config app_c",
        "remove key app.key",
        "remove release app.release.1",
        "remove volume app_data",
    ]
    assert plan_absent(State(STACK), []) == []
    assert labels_of({"Labels": None, "Spec": {}}) == {}
