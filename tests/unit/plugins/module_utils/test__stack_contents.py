# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import (
    Made,
    name_files,
    name_made,
    self_named,
    without_files,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import compose

KEY = "00" * 16
FILES = {"/password": b"hunter2", "/other": b"hunter3"}


def made_of(kind: str, *requests: dict[str, Any], key: str = KEY) -> list[Made]:
    file = compose({"a": None}, **{kind: {request["name"]: {"external": True} for request in requests}})
    made = name_made(file, "app", key, {kind: list(requests)}, FILES.__getitem__)
    assert [declared["name"] for declared in file[kind].values()] == [item.name for item in made]
    return made


@pytest.mark.parametrize(
    ("kind", "request_", "content", "note"),
    [
        ("secrets", {"value": "hunter2"}, b"hunter2", "named by its content"),
        ("secrets", {"file": "/password"}, b"hunter2", "named by its content"),
        ("secrets", {"generate": {"length": 40, "generation": 3}}, None, "generation 3"),
        ("configs", {"content": ""}, b"", "named by its content"),
        ("configs", {"content": "é"}, "é".encode(), "named by its content"),
        ("configs", {"file": "/password"}, b"hunter2", "named by its content"),
        ("configs", {"generate": {"length": 40, "generation": 3}}, None, "generation 3"),
    ],
)
def test_what_is_made_holds_what_its_option_gives(
    kind: str, request_: dict[str, Any], content: bytes | None, note: str
) -> None:
    (made,) = made_of(kind, {"name": "p", **request_})
    assert made == Made(kind[:-1], "p", made.name, content, 40 if content is None else 0, note)
    assert made.name.startswith("app_p_")
    assert (made.name == "app_p_v3") is (content is None)
    assert "hunter2" not in repr(made)


def test_options_of_both_kinds_are_taken_together() -> None:
    file = compose({"a": None}, secrets={"x": {"external": True}}, configs={"x": {"external": True}})
    generate = {"length": 8, "generation": 1}
    requests: dict[str, Any] = {
        "secrets": [{"name": "x", "generate": generate}],
        "configs": [{"name": "x", "content": "text"}],
    }
    made = name_made(file, "app", KEY, requests, FILES.__getitem__)
    assert [(item.kind, item.name) for item in made] == [
        ("secret", file["secrets"]["x"]["name"]),
        ("config", file["configs"]["x"]["name"]),
    ]


def test_names_depend_on_content_and_key_and_not_on_where_it_came_from() -> None:
    def name(key: str = KEY, **source: str) -> str:
        return made_of("secrets", {"name": "s", **source}, key=key)[0].name

    assert name(value="hunter2") == name(file="/password")
    names = {name(value="hunter2"), name(file="/other"), name(key="11" * 16, value="hunter2")}
    assert len(names) == 3


@pytest.mark.parametrize("kind", ["secrets", "configs"])
@pytest.mark.parametrize("declared", [{}, {"s": {"file": "/s"}}])
def test_what_the_module_makes_must_be_declared_as_external(kind: str, declared: Any) -> None:
    requests = {kind: [{"name": "s", "file": "/password"}]}
    with pytest.raises(Refused, match=rf"^{kind}: s is made .*{kind}: \{{s: \{{external: true\}}\}}"):
        name_made(compose({"a": None}, **{kind: declared}), "app", KEY, requests, FILES.__getitem__)


@pytest.mark.parametrize("source", [{"value": "x"}, {"generate": {"length": 8, "generation": 1}}])
def test_a_name_that_swarm_cannot_take_is_refused(source: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="64"):
        made_of("secrets", {"name": "s" * 60, **source})


@pytest.mark.parametrize("kind", ["secrets", "configs"])
def test_a_key_that_is_given_twice_is_refused(kind: str) -> None:
    generate = {"name": "s", "generate": {"length": 8, "generation": 1}}
    with pytest.raises(Refused, match=rf"^{kind}: s is there twice$"):
        made_of(kind, {"name": "s", "file": "/password"}, {"name": "other", "file": "/password"}, generate)


def test_without_a_key_names_do_not_tell_the_content() -> None:
    generate = {"name": "g", "generate": {"length": 8, "generation": 2}}
    made = made_of("secrets", {"name": "s", "value": "hunter2"}, generate, key="")
    assert [item.name for item in made] == ["app_s_............", "app_g_v2"]
    file = compose({"a": None}, secrets={"f": {"file": "/password"}, "n": {"file": "/other", "name": "kept"}})
    assert name_files(file, "app", "", FILES.__getitem__) == {"app_f_............": b"hunter2", "kept": b"hunter3"}


def test_files_are_named_by_content_but_for_a_name_of_their_own() -> None:
    file = compose(
        {"a": None},
        secrets={"s": {"file": "/password"}},
        configs={"c": {"file": "/password"}, "n": {"file": "/other", "name": "kept"}, "e": {"external": True}},
    )
    contents = name_files(file, "app", KEY, FILES.__getitem__)
    secret, config = file["secrets"]["s"]["name"], file["configs"]["c"]["name"]
    assert contents == {secret: b"hunter2", config: b"hunter2", "kept": b"hunter3"}
    assert secret.startswith("app_s_")
    assert secret == made_of("secrets", {"name": "s", "value": "hunter2"})[0].name
    assert file["configs"]["e"] == {"external": True}


def test_what_came_from_files_is_referred_to_as_external() -> None:
    file = compose({"a": None}, secrets={"s": {"file": "/password"}}, configs={"e": {"external": True, "name": "e_v1"}})
    name_files(file, "app", KEY, FILES.__getitem__)
    name = file["secrets"]["s"]["name"]
    without_files(file)
    assert file["secrets"] == {"s": {"external": True, "name": name}}
    assert file["configs"] == {"e": {"external": True, "name": "e_v1"}}


def test_names_that_the_file_gives_itself() -> None:
    declared = {"own": {"file": "/other", "name": "kept"}, "s": {"file": "/s"}, "e": {"external": True, "name": "e_v1"}}
    assert self_named(compose({"a": None}, secrets=declared), "secrets") == {"own": "kept"}
    assert self_named(compose({"a": None}, secrets=declared), "configs") == {}
