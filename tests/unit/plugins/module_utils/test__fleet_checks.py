# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is refused before anything is created, by the cases of test__fleet_checks.yaml."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import Catalog
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_checks import (
    USER_DATA_LIMIT,
    PlannedNetwork,
    check_offers,
    check_parents,
    parse,
    parse_names,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
CATALOG = Catalog(**DATA["catalog"])


def cases(group: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", DATA[group], ids=lambda case: case["case"])


def asked(case: dict[str, Any]) -> list[dict[str, Any]]:
    return [DATA["asked"] | entry for entry in case["asked"]]


def verdict(case: dict[str, Any]) -> AbstractContextManager[Any]:
    return Expected(case["refused"]) if "refused" in case else nullcontext()


class Expected:
    """Refused, with exactly this message."""

    def __init__(self, message: str) -> None:
        self._message = message

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> bool:
        assert isinstance(exc, Refused), exc
        assert str(exc) == self._message
        return True


@cases("parse")
def test_parse(case: dict[str, Any]) -> None:
    with verdict(case):
        assert [server.name for server in parse(asked(case))] == [entry["name"] for entry in asked(case)]


@cases("offers")
def test_offers(case: dict[str, Any]) -> None:
    networks = [PlannedNetwork.from_options(one) for one in case.get("networks", [])]
    with verdict(case):
        check_offers(parse(asked(case)), DATA["found"], CATALOG, networks)


@cases("parents")
def test_parents(case: dict[str, Any]) -> None:
    with verdict(case):
        check_parents(parse(asked(case)), CATALOG)


@cases("planned_networks")
def test_planned_networks(case: dict[str, Any]) -> None:
    with verdict(case):
        PlannedNetwork.from_options(case["network"])


def test_names_to_remove() -> None:
    assert parse_names([{"name": "a"}, {"name": "b"}]) == ["a", "b"]
    with pytest.raises(Refused, match="the name a is given to more than one server"):
        parse_names([{"name": "a"}, {"name": "a"}])


@pytest.mark.parametrize("text", ["x" * USER_DATA_LIMIT, "ä" * (USER_DATA_LIMIT // 2)])
def test_user_data_is_measured_in_bytes(text: str) -> None:
    parse([DATA["asked"] | {"user_data": text}])
    with pytest.raises(Refused, match=r"servers\[web-1\].user_data has 32769 bytes, and the cloud takes 32768"):
        parse([DATA["asked"] | {"user_data": text + "x"}])
