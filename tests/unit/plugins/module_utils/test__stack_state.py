# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import base64
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_state
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    STACK,
    compose,
    owned,
    released,
    service,
)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"A": 1}, {"A": 1, "B": None, "C": {}, "D": [], "E": "", "F": False, "G": {"H": {}}}, True),
        ({"T": {"ForceUpdate": 1}}, {"T": {"ForceUpdate": 2, "Runtime": "container"}}, True),
        ({"Mode": {"Replicated": {"Replicas": 0}}}, {"Mode": {"Replicated": {}}}, False),
        ({"T": {"C": {"Env": ["A=1"]}}}, {"T": {"C": {"Env": ["A=2"]}}}, False),
    ],
)
def test_only_what_means_something_is_digested(one: Any, other: Any, same: bool) -> None:
    assert (_stack_state.spec_digests(one) == _stack_state.spec_digests(other)) is same


def test_digests_go_by_path() -> None:
    spec = {"Name": "a", "TaskTemplate": {"ContainerSpec": {"Env": ["A=1"], "Labels": {"x": "y"}}}}
    assert list(_stack_state.spec_digests(spec)) == [
        "Name",
        "TaskTemplate.ContainerSpec.Env",
        "TaskTemplate.ContainerSpec.Labels",
    ]


def config(name: str, data: bytes, labels: dict[str, str]) -> dict[str, Any]:
    return {"ID": name, "Spec": {"Name": name, "Labels": labels, "Data": base64.b64encode(data).decode()}}


def client(configs: list[dict[str, Any]]) -> Any:
    return SimpleNamespace(
        services=lambda: [service("app_a"), service("app_a_b"), service("app2_a", "app2"), service("alone", None)],
        networks=lambda: list(owned(["app_n"]).values()),
        secrets=lambda: list(owned(["app_s"]).values()),
        configs=lambda: configs,
        nodes=list,
    )


def record(number: int, data: bytes | None = None) -> dict[str, Any]:
    release = released(compose({"a": None}), number)
    labels = {_stack_state.STACK_LABEL: STACK, _stack_state.RELEASE_LABEL: str(number)}
    return config(release.name(STACK), release.encoded() if data is None else data, labels)


def test_state_is_read_by_label() -> None:
    key = config("app.key", b"ab12", {_stack_state.STACK_LABEL: STACK, _stack_state.KEY_LABEL: "names"})
    foreign = config("app2.key", b"ff", {_stack_state.STACK_LABEL: "app2", _stack_state.KEY_LABEL: "names"})
    lock = config("app.lock", b"lock", {_stack_state.STACK_LABEL: STACK, _stack_state.LOCK_LABEL: "ann@m1"})
    state = _stack_state.read(client([record(10), record(9), foreign, key, lock]), STACK)
    assert set(state.services) == {"a", "a_b"}
    assert [other["Spec"]["Name"] for other in state.others] == ["app2_a", "alone"]
    assert [release.number for release in state.releases] == [9, 10]
    assert state.release == released(compose({"a": None}), 10)
    assert state.hash_key == "ab12"
    assert lock["Spec"]["Name"] == _stack_state.lock_name(STACK)
    assert list(state.owned(state.configs)) == []
    assert list(state.owned(state.networks)) == ["app_n"]


def test_a_record_that_cannot_be_read_is_named() -> None:
    with pytest.raises(Refused, match=r"app\.release\.3.*docker config rm"):
        _stack_state.read(client([record(3, b"no json")]), STACK)


@pytest.mark.parametrize(
    ("there", "wanted", "found"),
    [
        ([{"Name": "app_data"}, {"Name": "theirs"}], ["app_old", "app_data", "app_data"], ["app_data"]),
        ([{"Name": "b"}, {"Name": "a"}], ["b", "a"], ["a", "b"]),
        (None, ["app_data"], []),
    ],
)
def test_volumes_are_those_of_this_engine(there: Any, wanted: list[str], found: list[str]) -> None:
    engine: Any = SimpleNamespace(volumes=lambda: {"Volumes": there})
    assert _stack_state.volumes_here(engine, wanted) == found


def test_no_volume_is_asked_for_where_none_is_named() -> None:
    assert _stack_state.volumes_here(client([]), []) == []
