# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Parts of a stack, by the cases of test__stack_merge.yaml."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_merge import part
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    compose,
    desired,
    released,
)

CASES = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
OLD, NEW = "web:1@sha256:aa", "web:1@sha256:bb"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_part(case: dict[str, Any]) -> None:
    whole, release = desired(compose(**case["file"])), released(compose(**case["released"]))
    before = copy.deepcopy((whole, release))
    if "refused" in case:
        with pytest.raises(Refused, match=case["refused"]):
            part(whole, release, case["names"])
        return
    result = part(whole, release, case["names"])
    assert result.compose == compose(**case["merged"])
    assert list(result.compose["services"]) == sorted(result.compose["services"])
    assert (result.waiting, result.complete) == (tuple(case.get("waiting", ())), "waiting" not in case)
    assert (whole, release) == before


def test_a_part_of_a_step_is_one() -> None:
    whole = replace(desired(compose({"a": None})), complete=False)
    assert part(whole, released(compose({"a": {"image": "web:2"}})), ["a"]).complete is False


@pytest.mark.parametrize(
    ("pinned", "expected"),
    [
        ([NEW, OLD, OLD], {"web:1": NEW, "db:1": "db:1@sha256:dd"}),
        ([OLD, OLD, OLD], {"web:1": OLD, "db:1": "db:1@sha256:dd"}),
    ],
)
def test_images_are_those_of_the_services(pinned: list[str], expected: dict[str, str]) -> None:
    """The answer for what is deployed is kept for those that are deployed next."""
    file = {name: {"image": image} for name, image in zip("abc", pinned, strict=True)}
    images = {"web:1": pinned[0], "next:1": "next:1@unknown"}
    whole = replace(desired(compose({**file, "d": {"image": "next:1@unknown"}})), images=images)
    known = {"web:1": OLD, "db:1": "db:1@sha256:dd", "gone:1": "gone:1@sha256:ee"}
    before = {name: {"image": OLD} for name in "abc"}
    release = replace(released(compose({**before, "d": {"image": known["db:1"]}})), images=known)
    result = part(whole, release, ["a"])
    assert result.images == expected
    assert result.waiting == ("d",)


def test_only_what_is_deployed_is_made() -> None:
    made = [{"kind": kind, "key": key, "name": f"app_{key}_v2"} for kind, key in (("secret", "s"), ("secret", "t"))]
    whole = desired(
        compose(
            {"a": {"secrets": [{"source": "s"}], "configs": [{"source": "c"}]}, "b": {"secrets": [{"source": "t"}]}},
            secrets={
                "s": {"external": True, "name": "app_s_v2"},
                "t": {"external": True, "name": "app_t_v2"},
                "f": {"file": "/f", "name": "mine"},
            },
            configs={"c": {"file": "/c", "name": "app_c_1"}, "d": {"file": "/d", "name": "app_d_1"}},
        ),
        made=made,
        contents={"app_c_1": "c", "app_d_1": "d", "mine": "f"},
        self_named={"f": "mine"},
    )
    release = released(
        compose({"b": {"secrets": [{"source": "t"}]}}, secrets={"t": {"external": True, "name": "app_t_v1"}})
    )
    result = part(whole, release, ["a"])
    assert [item.name for item in result.made] == ["app_s_v2"]
    assert (result.contents, result.self_named) == ({"app_c_1": b"c"}, {})
    everything = part(whole, release, ["a", "b"])
    assert everything == whole
