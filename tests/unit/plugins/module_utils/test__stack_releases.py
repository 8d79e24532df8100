# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release, chosen
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    STACK,
    compose,
    released,
)

NAME = "app.release.3"


def kept(numbers: list[int]) -> list[Release]:
    return [released(compose({"a": None}), number) for number in numbers]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("previous", 4), ("3", 3), ("4", 4), ("12", 12)],
)
def test_a_kept_release_is_chosen(wanted: str, number: int) -> None:
    assert chosen(kept([3, 4, 12]), wanted).number == number


@pytest.mark.parametrize(
    ("numbers", "wanted", "words"),
    [
        ([3, 4, 12], "2", r"'2' is neither 'previous' nor the number of a release that is kept \(3, 4, 12\)"),
        ([3, 4, 12], "1", r"\(3, 4, 12\)"),
        ([3, 4, 12], "latest", r"\(3, 4, 12\)"),
        ([3], "previous", r"none before the newest one \(kept: 3\)"),
        ([], "previous", r"\(kept: none\)"),
        ([], "1", r"\(none\)"),
    ],
)
def test_a_release_that_is_not_kept_is_refused_with_those_that_are(numbers: list[int], wanted: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        chosen(kept(numbers), wanted)


def test_what_is_before_a_return_is_ambiguous() -> None:
    releases = [*kept([3, 4]), replace(released(compose({"a": None}), 5), restores=3)]
    words = r"^release: the newest one, 5, is a return to 3 already, .* name the number .* \(kept: 3, 4, 5\)$"
    with pytest.raises(Refused, match=words):
        chosen(releases, "previous")
    assert [chosen(releases, wanted).number for wanted in ("4", "5")] == [4, 5]
    assert chosen([*releases, *kept([6])], "previous").number == 5


@pytest.mark.parametrize(
    ("kept", "restores", "means"),
    [
        # What is kept is 1 and so on, with a dot for a complete one and a comma for a step. restores: of the newest.
        (".,", None, 1),
        (".,,", None, 1),
        ("..,", None, 2),
        (".,.", None, 1),
        (".,.,", None, 3),
        # A step on the way back is continued, but nothing is undone.
        (".,", 1, 1),
        ("..,", 2, 2),
        ("..,", 1, "the newest one, 3, is a return to 1 already"),
        (",", None, r"none before the newest one \(kept: 1 \(a step\)\)"),
        (",.", None, r"none before the newest one \(kept: 1 \(a step\), 2\)"),
        (",,", None, r"none before the newest one"),
    ],
)
def test_previous_is_never_a_step(kept: str, restores: int | None, means: int | str) -> None:
    file = compose({"a": None})
    releases = [replace(released(file, number), complete=sign == ".") for number, sign in enumerate(kept, 1)]
    releases[-1] = replace(releases[-1], restores=restores)
    if isinstance(means, int):
        assert chosen(releases, "previous").number == means
    else:
        with pytest.raises(Refused, match=means):
            chosen(releases, "previous")
    assert [chosen(releases, str(number)).number for number in range(1, len(kept) + 1)] == [
        release.number for release in releases
    ]


def test_a_record_is_read_as_it_was_written() -> None:
    file = compose({"a": {"environment": {"PRICE": "5 €"}}})
    release = replace(
        released(file, 3), images={"web:1": "web:1@sha256:aa"}, deployed_by="ann@m1", restores=1, complete=False
    )
    assert release.name(STACK) == NAME
    assert Release.decoded(NAME, release.encoded()) == release


def test_a_record_of_before_there_were_names_returns_and_steps_is_read() -> None:
    written = json.loads(released(compose({"a": None}), 3).encoded())
    del written["deployed_by"], written["restores"], written["complete"]
    release = Release.decoded(NAME, json.dumps(written).encode())
    assert (release.deployed_by, release.restores, release.complete) == ("", None, True)


@pytest.mark.parametrize("text", [b"", b"\xff", b"{}", b"[1]", b"no json", b'{"number": 3}', b'{"later": true}'])
def test_a_record_that_cannot_be_read_is_named(text: bytes) -> None:
    with pytest.raises(Refused, match=r"app\.release\.3.*docker config rm app\.release\.3"):
        Release.decoded(NAME, text)


def test_the_file_of_a_release_needs_no_other_files() -> None:
    file = compose(
        {"a": None},
        secrets={"s": {"file": "/s", "name": "app_s_12"}, "made": {"external": True, "name": "app_made_v1"}},
        configs={"c": {"file": "/c", "name": "app_c_34"}},
    )
    release = released(file)
    recorded = copy.deepcopy(release)
    assert release.file() == compose(
        {"a": None},
        secrets={"s": {"external": True, "name": "app_s_12"}, "made": {"external": True, "name": "app_made_v1"}},
        configs={"c": {"external": True, "name": "app_c_34"}},
    )
    assert release == recorded
