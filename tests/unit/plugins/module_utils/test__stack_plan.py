# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_stack, by the cases of test__stack_plan.yaml."""

from __future__ import annotations

from dataclasses import replace
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
    records,
    strangers,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
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
    releases: tuple[Release, ...] = ()
    if "released" in case:
        releases = (replace(released(compose(**case["released"])), complete=not case.get("step", False)),)
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
    part = {"complete": False, "waiting": tuple(case["waiting"])} if "waiting" in case else {}
    wanted = desired(compose(**case["file"]), made=case.get("made", ()), prune=case.get("prune", True), **part)
    found = actual(case)
    steps = plan(wanted, found)
    assert summary(steps) == case["plan"]
    assert notes(wanted, found) == case.get("notes", [])
    assert drifts(found) + strangers(found) == case.get("drifts", [])
    assert deploys(steps) is case.get("deploys", bool(case["plan"]))
    assert records(steps) is case.get("records", deploys(steps))
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


@pytest.mark.parametrize(
    ("kept", "wanted", "keep", "gone"),
    [
        # What is kept is 1 and so on, with a dot for a complete one and a comma for a step. wanted: what comes.
        ("..", ",", 2, []),
        ("..", ".", 2, [1]),
        ("..,,", ",", 2, [3]),
        ("..,,", ".", 2, [1, 3, 4]),
        ("..,,", ".", 5, [3, 4]),
        (".,", ",", 1, [2]),
        (".,", ".", 1, [1, 2]),
        # A run that ended before it had cleared away, and nothing that comes.
        (".,,.", "", 5, [2, 3]),
        (".,,", "", 1, [2]),
        # Complete ones that somebody removed.
        (",,", ",", 2, [1]),
        (",,", "", 2, []),
    ],
)
def test_steps_are_kept_until_a_complete_release_comes(kept: str, wanted: str, keep: int, gone: list[int]) -> None:
    file = compose({"a": None})
    releases = tuple(replace(released(file, number), complete=sign == ".") for number, sign in enumerate(kept, 1))
    found = state(["a"], releases, networks=owned(["app_default"]))
    coming = compose({"a": {"image": "web:2"} if wanted else None})
    complete = (wanted or kept[-1]) == "."
    steps = plan(desired(coming, keep_releases=keep, complete=complete), found)
    assert [step.name for step in steps if step.verb == "remove"] == [f"app.release.{number}" for number in gone]


def test_what_differs_beside_the_services_named() -> None:
    found = state(["a", "b", "x", "y"], (released(compose({"a": None, "b": None, "c": None})),))
    for name in "ab":
        found.services[name]["Spec"]["Mode"]["Replicated"]["Replicas"] = 3
    assert drifts(found, but=["a"]) == ["b differs in Mode.Replicated.Replicas", "c is gone"]
    assert strangers(found, but=["x"]) == ["y is not in release 1"]


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
