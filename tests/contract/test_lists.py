# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Pages, sorting, filters, label selectors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from lab.api import selectors

LABELS = {"env": "prod", "example.com/tier": "web", "empty": ""}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("env=prod", True),
        ("env==prod", True),
        ("env = prod", True),
        ("env=test", False),
        ("env!=test", True),
        ("missing!=test", True),
        ("env", True),
        ("!env", False),
        ("!missing", True),
        ("env in (test, prod)", True),
        ("env in (test)", False),
        ("env notin (test)", True),
        ("missing notin (test)", True),
        ("empty=", True),
        ("example.com/tier=web,env in (prod,test),!missing", True),
        ("example.com/tier=web,!env", False),
    ],
)
def test_selector(selector: str, matches: bool) -> None:
    assert selectors.parse(selector).matches(LABELS) is matches


@pytest.mark.parametrize(
    "selector", ["a b", "=x", "a in b", "a in (b", "a=b=c", "a,,b", "-a=b", "a=-b", "hetzner.cloud/a=b"]
)
def test_bad_selector(selector: str) -> None:
    with pytest.raises(ValueError, match="label selector"):
        selectors.parse(selector)


@pytest.mark.parametrize(
    ("labels", "good"),
    [
        ({"a": ""}, True),
        ({"a" * 63: "b" * 63}, True),
        ({"a" * 64: ""}, False),
        ({"a": "b" * 64}, False),
        ({"A.b_c-d": "A.b_c-d"}, True),
        ({"example.com/a": "b"}, True),
        ({"Example.com/a": "b"}, False),
        ({"/a": "b"}, False),
        ({"": "b"}, False),
        ({"a": "b c"}, False),
    ],
)
def test_labels(labels: dict[str, str], good: bool) -> None:
    assert (selectors.check_labels(labels) == []) is good


@pytest.fixture(scope="module")
def groups(serve_module: Callable[..., Any]) -> Any:
    """An API with 60 placement groups, g00 to g59; every third one is odd=yes."""
    api = serve_module()
    for number in range(60):
        labels = {"odd": "yes"} if number % 3 == 0 else {}
        api.do("POST", "/placement_groups", {"name": f"g{number:02}", "type": "spread", "labels": labels})
    return api


@pytest.mark.parametrize(
    ("query", "names", "pagination"),
    [
        ("", (0, 25), (1, 25, None, 2, 3, 60)),
        ("page=3", (50, 60), (3, 25, 2, None, 3, 60)),
        ("page=2&per_page=50", (50, 60), (2, 50, 1, None, 2, 60)),
        ("per_page=500", (0, 50), (1, 50, None, 2, 2, 60)),
        ("page=9", (0, 0), (9, 25, 3, None, 3, 60)),
    ],
)
def test_pages(groups: Any, query: str, names: tuple[int, int], pagination: tuple[int | None, ...]) -> None:
    answer = groups.do("GET", f"/placement_groups?{query}")
    assert [group["name"] for group in answer["placement_groups"]] == [f"g{at:02}" for at in range(*names)]
    keys = ("page", "per_page", "previous_page", "next_page", "last_page", "total_entries")
    assert answer["meta"]["pagination"] == dict(zip(keys, pagination, strict=True))


def test_link_header(groups: Any) -> None:
    response = groups.http.get("/placement_groups", params={"page": 2, "per_page": 10})
    assert {rel: dict(httpx.URL(link["url"]).params) for rel, link in response.links.items()} == {
        "prev": {"page": "1", "per_page": "10"},
        "next": {"page": "3", "per_page": "10"},
        "last": {"page": "6", "per_page": "10"},
    }


@pytest.mark.parametrize(
    ("query", "count", "first"),
    [
        ("name=g07", 1, "g07"),
        ("name=g0", 0, None),
        ("label_selector=odd%3Dyes", 20, "g00"),
        ("label_selector=!odd", 40, "g01"),
        ("sort=name:desc", 60, "g59"),
        ("sort=created:desc&sort=name:desc", 60, "g59"),
        ("type=spread", 60, "g00"),
    ],
)
def test_filters_and_sorting(groups: Any, query: str, count: int, first: str | None) -> None:
    answer = groups.do("GET", f"/placement_groups?{query}")
    assert answer["meta"]["pagination"]["total_entries"] == count
    assert next((group["name"] for group in answer["placement_groups"]), None) == first


def test_servers_by_status_and_actions_by_id(api: Any) -> None:
    running, stopped = api.server("one"), api.server("two", start_after_create=False)
    for status, server in (("running", running), ("off", stopped)):
        assert [item["id"] for item in api.do("GET", f"/servers?status={status}")["servers"]] == [server["id"]]
    assert api.do("GET", "/servers?status=running&status=off")["meta"]["pagination"]["total_entries"] == 2
    commands = [action["command"] for action in api.do("GET", f"/servers/{stopped['id']}/actions")["actions"]]
    assert commands == ["create_server"]
