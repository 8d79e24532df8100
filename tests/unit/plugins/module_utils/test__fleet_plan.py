# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of fleets, by the cases of test__fleet_plan.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import (
    Catalog,
    Server,
    moving,
    preview,
    view,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_plan import (
    Fleet,
    disruptions,
    plan,
    warnings,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, diff, summary

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))
CATALOG = Catalog(**DATA["catalog"])


def merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """base with the values of over, dictionaries merged one level down."""
    return base | {key: base[key] | value if key == "public_net" else value for key, value in over.items()}


def found(case: dict[str, Any]) -> dict[str, Any]:
    return {"web-1": merged(DATA["found"], case["found"])} if "found" in case else {}


def asked(case: dict[str, Any]) -> Server:
    return Server.from_options(DATA["asked"] | case.get("asked", {}))


def requests(steps: list[Step]) -> list[dict[str, Any]]:
    sent = [step.payload["request"] for step in steps]
    return [{"method": one.method, "path": one.path, "json": one.json} for one in sent]


def asked_fleet(case: dict[str, Any]) -> Fleet:
    return Fleet([asked(case)], on_drift=case.get("on_drift", "refuse"))


def check(case: dict[str, Any], fleet: Fleet) -> None:
    if "refused" in case:
        with pytest.raises(Refused) as refusal:
            plan(fleet, found(case), CATALOG)
        assert str(refusal.value) == case["refused"]
        return
    steps = plan(fleet, found(case), CATALOG).get("web-1", [])
    assert summary(steps) == case["plan"]
    assert requests(steps) == case.get("requests", requests(steps))
    disrupted = {one.name: [one.by, *one.settings] for one in disruptions(fleet, found(case), CATALOG)}
    assert disrupted == ({"web-1": case["disrupted"]} if "disrupted" in case else {})


@pytest.mark.parametrize("case", DATA["present"], ids=lambda case: case["case"])
def test_present(case: dict[str, Any]) -> None:
    check(case, asked_fleet(case))


@pytest.mark.parametrize("case", DATA["drift"], ids=lambda case: case["case"])
def test_drift(case: dict[str, Any]) -> None:
    check(case, asked_fleet(case))


@pytest.mark.parametrize("case", DATA["absent"], ids=lambda case: case["case"])
def test_absent(case: dict[str, Any]) -> None:
    check(case, Fleet(gone=["web-1"], owner={"web-1": case.get("owner", {})}))


@pytest.mark.parametrize("case", DATA["records"], ids=lambda case: case["case"])
def test_records(case: dict[str, Any]) -> None:
    """What a server is made with is recorded, and a difference is a warning, never a step."""
    made = plan(asked_fleet(case | {"asked": case["made_with"]}), {}, CATALOG)["web-1"][0].payload["request"].json
    actual = {"web-1": DATA["found"] | {"labels": made["labels"]}}
    fleet = asked_fleet(case | {"asked": case["made_with"] | case["now"]})
    assert plan(fleet, actual, CATALOG) == {"web-1": []}
    assert [
        setting for warning in warnings(fleet, actual, CATALOG) for setting in case["warns"] if setting in warning
    ] == (case["warns"])
    assert len(warnings(fleet, actual, CATALOG)) == len(case["warns"])


def test_refusals_of_several_servers_come_together() -> None:
    servers = [asked({"asked": {"name": name, "location": "nbg1"}}) for name in ("web-1", "web-2")]
    actual = {name: DATA["found"] | {"name": name} for name in ("web-1", "web-2")}
    with pytest.raises(Refused, match=r"servers\[web-1\].*servers\[web-2\]"):
        plan(Fleet(servers), actual, CATALOG)


def test_out_of_stock_has_substitutes() -> None:
    options = {"alternatives": [{"server_type": "cpx32"}, {"location": "nbg1"}]}
    request = plan(asked_fleet({"asked": options}), {}, CATALOG)["web-1"][0].payload["request"]
    ordered = [(body["server_type"], body["location"]) for body in (request.json, *request.substitutes)]
    assert ordered == [("cpx22", "fsn1"), ("cpx32", "fsn1"), ("cpx22", "nbg1")]


def test_user_data_is_never_shown() -> None:
    steps = plan(asked_fleet({"asked": {"user_data": "token: hush"}}), {}, CATALOG)["web-1"]
    assert "hush" not in str(diff(steps)) + str(summary(steps)) + repr(steps)


def test_view_and_preview_have_the_same_fields() -> None:
    raw = merged(DATA["found"], {"private_net": [{"network": 11, "ip": "10.0.0.2"}]})
    server = asked({"asked": {"private_networks": [{"network": "swarm", "ip": "10.0.0.2"}]}})
    shown = view(raw, CATALOG, created=True)
    assert shown == {
        "name": "web-1",
        "id": 7,
        "status": "running",
        "created": True,
        "public_ipv4": "198.51.100.10",
        "public_ipv6": "2001:db8:1::1",
        "private_ips": {"swarm": "10.0.0.2"},
        "location": "fsn1",
        "server_type": "cpx22",
        "image": "ubuntu-22.04",
        "image_description": "Ubuntu 22.04",
        "labels": {},
    }
    unknown = dict.fromkeys(["id", "status", "public_ipv4", "public_ipv6", "image_description"])
    assert preview(server) == shown | unknown


def test_view_of_a_private_server() -> None:
    raw = merged(DATA["found"], {"public_net": {"ipv4": None, "ipv6": None}, "image": None})
    shown = view(raw, CATALOG, created=False)
    assert (shown["public_ipv4"], shown["public_ipv6"], shown["image"]) == (None, None, None)


@pytest.mark.parametrize(
    ("status", "words"), [("running", ""), ("off", ""), ("initializing", "web-1 is initializing"), ("unknown", "")]
)
def test_moving(status: str, words: str) -> None:
    others = {"name": "web-2", "status": "starting"}
    assert moving([{"name": "web-1", "status": status}, others], ["web-1"]) == words
