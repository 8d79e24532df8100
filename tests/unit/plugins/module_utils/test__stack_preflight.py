# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before a stack is deployed, by the cases of test__stack_preflight.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_preflight import problems, unchangeable
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import State
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
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
    node("w2", {"zone": "b"}, availability="drain"),
)


def actual(case: dict[str, Any]) -> State:
    local = {name: {"Id": name, "Name": name, "Scope": "local"} for name in case.get("local", [])}
    found = state(
        case.get("running", []),
        (released(compose(**case["released"])),) if "released" in case else (),
        others=tuple(service(f"other{index}", None, **spec) for index, spec in enumerate(case.get("others", []))),
        networks={**owned(case.get("networks", [])), **local},
        nodes=NODES,
    )
    for name, spec in case.get("specs", {}).items():
        found.services[name]["Spec"].update(spec)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_problems(case: dict[str, Any]) -> None:
    wanted = desired(compose(**case["file"]), made=case.get("made", ()))
    found = [*problems(wanted, actual(case)), *unchangeable(wanted, actual(case))]
    assert len(found) == len(case["says"]), found
    for problem, words in zip(found, case["says"], strict=True):
        assert words in problem


def test_without_prune_services_that_stay_keep_their_ports() -> None:
    port: dict[str, Any] = {"EndpointSpec": {"Ports": [{"PublishedPort": 80, "PublishMode": "ingress"}]}}
    wanted = compose({"a": {"ports": [{"target": 80, "published": 80}]}})
    found = State("app", {"old": service("app_old", **port)}, nodes=NODES)
    assert problems(desired(wanted, prune=True), found) == []
    assert "app_old" in problems(desired(wanted, prune=False), found)[0]


def test_no_active_node() -> None:
    found = State("app", nodes=NODES[2:])
    assert "no node is active" in problems(desired(compose({"a": None})), found)[0]


@pytest.mark.parametrize(("size", "problem"), [(1000 * 1024, False), (1000 * 1024 + 1, True)])
def test_configs_have_a_largest_size(size: int, problem: bool) -> None:
    file = compose({"a": None}, configs={"c": {"file": "/c", "name": "app_c_1"}})
    found = problems(desired(file, contents={"app_c_1": "x" * size}), State("app", nodes=NODES))
    assert [line.split(" ")[0] for line in found] == (["configs.c"] if problem else [])


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"content": b""}, "is empty, and Swarm takes none that is: give it a value, or leave it out"),
        ({"length": 0}, "is empty, and Swarm takes none that is: give it a value, or leave it out"),
        ({"content": b"x"}, None),
        ({"length": 1}, None),
        (
            {"length": 500 * 1024 + 1},
            "has 512001 bytes and Swarm keeps 512000 at most: put it in a volume or the image",
        ),
    ],
)
def test_secrets_hold_something_and_not_too_much(made: dict[str, Any], words: str | None) -> None:
    file = compose({"a": None}, secrets={"s": {"external": True, "name": "app_s_1"}})
    wanted = desired(file, made=[{"kind": "secret", "key": "s", "name": "app_s_1", **made}])
    assert problems(wanted, State("app", nodes=NODES)) == ([f"secrets.s {words}"] if words else [])


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_an_empty_file_is_refused(kind: str) -> None:
    file = compose({"a": None}, **{kind: {"c": {"file": "/c", "name": "app_c_1"}}})
    (found,) = problems(desired(file, contents={"app_c_1": ""}), State("app", nodes=NODES))
    assert found.startswith(f"{kind}.c is empty")


def test_a_release_must_fit_into_the_swarm() -> None:
    file = compose({"a": {"environment": {"LONG": "x" * 512_000}}})
    assert "split the stack" in problems(desired(file), State("app", nodes=NODES))[0]
