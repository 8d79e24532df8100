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


@pytest.mark.parametrize(
    ("service", "update", "rollback"),
    [
        ({}, "start-first", "start-first"),
        ({"deploy": {"mode": "replicated", "replicas": 3}}, "start-first", "start-first"),
        ({"volumes": [{"type": "volume", "source": "v", "target": "/v"}]}, None, None),
        ({"volumes": [{"type": "volume", "target": "/anonymous"}]}, None, None),
        ({"volumes": [{"type": "bind", "source": "/b", "target": "/b"}]}, None, None),
        ({"volumes": [{"type": "bind", "source": "/b", "target": "/b", "read_only": True}]}, *["start-first"] * 2),
        ({"volumes": [{"type": "tmpfs", "target": "/t"}]}, "start-first", "start-first"),
        ({"ports": [{"target": 80, "published": 80, "mode": "host"}]}, None, None),
        ({"ports": [{"target": 80, "published": 80, "mode": "ingress"}]}, "start-first", "start-first"),
        ({"deploy": {"mode": "global"}}, None, None),
        ({"deploy": {"mode": "replicated-job"}}, None, None),
        ({"deploy": {"placement": {"max_replicas_per_node": 1}}}, None, None),
        ({"deploy": {"placement": {"constraints": ["node.role == worker"]}}}, "start-first", "start-first"),
        ({"deploy": {"update_config": {"order": "stop-first"}}}, "stop-first", "start-first"),
        ({"deploy": {"rollback_config": {"order": "stop-first"}}}, "start-first", "stop-first"),
        ({"deploy": {"update_config": {"parallelism": 2}}}, "start-first", "start-first"),
    ],
)
def test_new_tasks_start_first_where_two_can_be_there_at_once(
    service: dict[str, Any], update: str | None, rollback: str | None
) -> None:
    file = compose({"a": service})
    _compose.start_new_tasks_first(file)
    deploy = file["services"]["a"].get("deploy", {})
    orders = [deploy.get(option, {}).get("order") for option in ("update_config", "rollback_config")]
    assert orders == [update, rollback]
    for option, given in service.get("deploy", {}).items():
        assert deploy[option] == ({**given, "order": deploy[option]["order"]} if option.endswith("config") else given)


def test_the_volumes_of_a_service_are_those_it_mounts_by_name() -> None:
    mounts: list[dict[str, Any]] = [{"type": "volume", "source": key} for key in ("own", "named", "theirs", "plain")]
    mounts += [{"type": "volume"}, {"type": "bind", "source": "own"}]
    declared = {
        "own": {"driver": "nfs"},
        "named": {"name": "data"},
        "theirs": {"external": True},
        "plain": None,
        "unused": None,
    }
    file = compose({"a": {"volumes": mounts}, "b": None}, volumes=declared)
    assert _compose.volumes_of(file, "app", "a") == {
        "app_own": {"driver": "nfs"},
        "data": {"name": "data"},
        "app_plain": {},
    }
    assert _compose.volumes_of(file, "app", "b") == {}


def test_what_normalising_leaves_behind_and_loses_is_mended() -> None:
    file = compose(
        {
            "a": {
                "env_file": ["/web.env"],
                "x-owner": "ann",
                "ulimits": {"core": {}, "memlock": {"hard": 5}, "nofile": 9},
            }
        },
        **{"x-more": 1, "version": "3.3"},
    )
    _compose.clear(file)
    limits = {"core": {"soft": 0, "hard": 0}, "memlock": {"soft": 0, "hard": 5}, "nofile": 9}
    assert file == compose({"a": {"ulimits": limits}})


@pytest.mark.parametrize(
    ("environment", "borrowed"),
    [
        (None, []),
        ({}, []),
        ({"HOME": "/home/web", "PATH": "/bin", "EMPTY": None}, []),
        ({"HOME": None}, ["HOME"]),
        ({"DOCKER_HOST": "", "PATH": None}, ["PATH", "DOCKER_HOST"]),
    ],
)
def test_variables_that_deploying_would_take_from_the_manager(
    environment: dict[str, str | None] | None, borrowed: list[str]
) -> None:
    file = compose({"a": {"environment": environment}, "b": None})
    found = _compose.borrowed_variables(file, ("PATH", "HOME", "DOCKER_HOST"))
    assert found == [
        f"services.a.environment.{name} has no value, and deploying would give it that of the manager: give it one, or "
        "leave it out"
        for name in borrowed
    ]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("web:$TAG", ["TAG"]),
        ("web:${TAG}", ["TAG"]),
        ("${TAG}-$TAG", ["TAG", "TAG"]),
        ("$_a1/${B_2}", ["_a1", "B_2"]),
        ("$é", []),
        ("$SET and ${SET}", []),
        ("${A:-b}${A-b}${A:?why}${A?why}", []),
        ("$$TAG, $${TAG}", []),
        ("$$$TAG", ["TAG"]),
        ("5$, $5, $ and ${", []),
    ],
)
def test_variables_without_a_value_are_found(text: str, names: list[str]) -> None:
    file = {"services": {"a": {"environment": [text]}}}
    assert list(_compose.unset_variables(file, {"SET"})) == [f"services.a.environment has ${name}" for name in names]


def test_variables_are_looked_for_where_the_command_line_fills_them_in() -> None:
    sections = ("services", "networks", "volumes", "secrets", "configs")
    file: dict[str, Any] = {section: {"a": {"x-b": "$A", "$A": 1, "on": True}} for section in sections}
    file.update({"version": "$A", "name": "$A", "x-c": {"services": "$A"}})
    assert list(_compose.unset_variables(file, ())) == [f"{section}.a.x-b has $A" for section in sections]
    assert list(_compose.unset_variables(None, ())) == []


def test_folders_of_a_user_are_refused() -> None:
    mounts = [
        {"type": "bind", "source": "/srv/~/data"},
        {"type": "bind", "source": "/srv/a~b"},
        {"type": "volume", "source": "~"},
    ]
    (words,) = _compose.homeless_folders(compose({"a": {"volumes": mounts}}))
    assert words.startswith("services.a.volumes: /srv/~/data")
