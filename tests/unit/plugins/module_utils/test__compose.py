# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _compose
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import compose

KEY = "00" * 16


@pytest.mark.parametrize(
    ("value", "fed"),
    [
        ("$HOME", "$$HOME"),
        ("a$$b", "a$$$$b"),
        ("é😀", "é😀"),
        ("a\x7fb\x85c\x9f", "a\x7fb\x85c\x9f"),
        (
            ["$A", {"B": "$C", "D": 1e-05, "E": None, "F": True}],
            ["$$A", {"B": "$$C", "D": 1e-05, "E": None, "F": True}],
        ),
    ],
)
def test_escaping_survives_one_interpolation_and_is_yaml(value: Any, fed: Any) -> None:
    text = _compose.escaped({"services": {"K$": {"x": value}}})
    assert json.loads(text) == {"services": {"K$": {"x": fed}}}
    assert yaml.safe_load(text)["services"].keys() == {"K$"}


def test_ignored_options_are_listed_with_advice() -> None:
    file = compose(
        {"db": {"shm_size": "1g", "ipc": "host", "networks": {"n": {"ipv4_address": "10.0.0.9"}, "m": None}}}
    )
    assert _compose.ignored_options(file) == [
        "services.db.ipc",
        "services.db.shm_size: mount a tmpfs on /dev/shm",
        "services.db.networks.n.ipv4_address",
    ]


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (None, "app_x"),
        ({"driver": "overlay"}, "app_x"),
        ({"external": True}, "x"),
        ({"external": True, "name": "theirs"}, "theirs"),
        ({"name": "ours"}, "ours"),
    ],
)
def test_full_name(declared: Any, name: str) -> None:
    assert _compose.full_name({"services": {}, "networks": {"x": declared}}, "app", "networks", "x") == name


def test_undeclared_references_are_named() -> None:
    file = compose(
        {
            "a": {
                "secrets": [{"source": "s"}],
                "configs": [{"source": "c"}],
                "networks": {"n": None},
                "volumes": [
                    {"type": "volume", "source": "v", "target": "/v"},
                    {"type": "bind", "source": "/b", "target": "/b"},
                ],
            },
            "b": None,
        },
        secrets={"s": {"external": True}},
    )
    assert [line.split(",")[0] for line in _compose.undeclared(file)] == [
        "services.a.networks names n",
        "services.a.configs names c",
        "services.a.volumes names v",
    ]


@pytest.mark.parametrize(
    ("before", "after", "equal"),
    [
        (
            {"secrets": {"s": {"external": True, "name": "s_v1"}}},
            {"secrets": {"s": {"external": True, "name": "s_v2"}}},
            False,
        ),
        ({"volumes": {"v": None}}, {"volumes": {"v": {"driver": "nfs"}}}, False),
        ({"networks": {"n": {"name": "one"}}}, {"networks": {"n": {"name": "two"}}}, False),
        ({"secrets": {"other": {"file": "/a"}}}, {"secrets": {"other": {"file": "/b"}}}, True),
    ],
)
def test_a_service_changes_with_what_it_refers_to(before: Any, after: Any, equal: bool) -> None:
    service = {
        "secrets": [{"source": "s"}],
        "networks": {"n": None},
        "volumes": [{"type": "volume", "source": "v", "target": "/v"}],
    }
    both = [_compose.effective(compose({"a": service}, **rest), "app", "a") for rest in (before, after)]
    assert (both[0] == both[1]) is equal


def test_a_service_does_not_change_with_what_is_ignored() -> None:
    one = compose({"a": {"container_name": "x", "networks": {"n": {"ipv4_address": "10.0.0.9", "aliases": ["b"]}}}})
    other = compose({"a": {"networks": {"n": {"aliases": ["b"]}}}})
    assert _compose.effective(one, "app", "a") == _compose.effective(other, "app", "a")


@pytest.mark.parametrize(
    ("reference", "image"),
    [
        ("redis", ("redis", "", "")),
        ("redis:alpine", ("redis", "alpine", "")),
        ("registry:5000/app/web", ("registry:5000/app/web", "", "")),
        ("registry:5000/app/web:1.2", ("registry:5000/app/web", "1.2", "")),
        ("198.51.100.1:5000/web:1@sha256:ab", ("198.51.100.1:5000/web", "1", "sha256:ab")),
        ("web@sha256:ab", ("web", "", "sha256:ab")),
    ],
)
def test_image_references(reference: str, image: tuple[str, str, str]) -> None:
    assert _compose.Image.parse(reference) == _compose.Image(*image)


@pytest.mark.parametrize(
    ("mode", "known", "image", "pinned", "asked"),
    [
        ("changed", {}, "web", "web:latest@sha256:new", ["web"]),
        ("changed", {"web:1": "web:1@sha256:old"}, "web:1", "web:1@sha256:old", []),
        ("changed", {"web:1": "web:1"}, "web:1", "web:1@sha256:new", ["web:1"]),
        ("always", {"web:1": "web:1@sha256:old"}, "web:1", "web:1@sha256:new", ["web:1"]),
        ("never", {"web:1": "web:1@sha256:old"}, "web:1", "web:1", []),
        ("always", {}, "web:1@sha256:mine", "web:1@sha256:mine", []),
    ],
)
def test_pinning(mode: str, known: dict[str, str], image: str, pinned: str, asked: list[str]) -> None:
    questions: list[str] = []

    def digest_of(reference: str) -> str:
        questions.append(reference)
        return "sha256:new"

    file = compose({"a": {"image": image}, "b": {"image": image}})
    assert _compose.pin_images(file, mode, known, digest_of) == {image: pinned}
    assert [service["image"] for service in file["services"].values()] == [pinned, pinned]
    assert questions == asked


@pytest.mark.parametrize("service", [{"image": ""}, {"image": "@sha256:ab"}])
def test_a_service_needs_an_image(service: dict[str, str]) -> None:
    with pytest.raises(Refused):
        _compose.pin_images(compose({"a": service}), "never", {}, str)


def test_made_secrets_and_configs_are_named() -> None:
    file = compose(
        {"a": None}, secrets={"p": {"external": True}, "v": {"external": True}}, configs={"c": {"external": True}}
    )
    generate = {"length": 40, "generation": 3}
    options: list[dict[str, Any]] = [{"name": "p", "generate": generate}, {"name": "v", "value": "hunter2"}]
    made = _compose.name_made(file, "app", KEY, options, [{"name": "c", "content": "text"}])
    named = [file["secrets"]["p"], file["secrets"]["v"], file["configs"]["c"]]
    assert [item.name for item in made] == [declared["name"] for declared in named]
    assert made[0] == _compose.Made("secret", "p", "app_p_v3", None, 40, "generation 3")
    assert made[1].name.startswith("app_v_")
    assert made[2].content == b"text"
    assert "hunter2" not in repr(made)


def test_content_names_depend_on_content_and_key() -> None:
    def name(value: str, key: str = KEY) -> str:
        file = compose({"a": None}, secrets={"s": {"external": True}})
        return _compose.name_made(file, "app", key, [{"name": "s", "value": value}], [])[0].name

    assert name("one") == name("one")
    assert len({name("one"), name("two"), name("one", "11" * 16)}) == 3


@pytest.mark.parametrize("secrets", [{}, {"s": {"file": "/s"}}])
def test_what_the_module_makes_must_be_declared_as_external(secrets: Any) -> None:
    with pytest.raises(Refused, match=r"secrets: \{s: \{external: true\}\}"):
        _compose.name_made(compose({"a": None}, secrets=secrets), "app", KEY, [{"name": "s", "value": "x"}], [])


def test_a_name_that_swarm_cannot_take_is_refused() -> None:
    file = compose({"a": None}, secrets={"s" * 60: {"external": True}})
    with pytest.raises(Refused, match="64"):
        _compose.name_made(file, "app", KEY, [{"name": "s" * 60, "value": "x"}], [])


def test_files_are_named_by_content_but_for_a_name_of_their_own() -> None:
    file = compose(
        {"a": None}, configs={"c": {"file": "/c"}, "n": {"file": "/n", "name": "kept"}, "e": {"external": True}}
    )
    contents = _compose.name_files(file, "app", KEY, lambda path: path.encode())
    assert contents == {file["configs"]["c"]["name"]: b"/c", "kept": b"/n"}
    assert file["configs"]["c"]["name"].startswith("app_c_")
