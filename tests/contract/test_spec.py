# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The shape of the API against the official description; every answer in this folder is validated besides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lab.api import routes
from lab.api.endpoints import endpoints
from lab.api.settings import Settings
from tests.contract.conftest import self_signed

DESCRIBED = pytest.mark.usefixtures("described")


@DESCRIBED
def test_offers_nothing_that_the_cloud_does_not_have(spec: Any) -> None:
    known = {(template, method.upper()) for _, template, operations in spec.paths for method in operations}
    ours = {(endpoint.template, method) for endpoint in endpoints("", routes.CLOUD) for method in endpoint.methods}
    assert ours - known == set()


@DESCRIBED
def test_offers_what_its_clients_use(spec: Any) -> None:
    """All but DNS."""
    known = {(template, method.upper()) for _, template, operations in spec.paths for method in operations}
    ours = {(endpoint.template, method) for endpoint in endpoints("", routes.CLOUD) for method in endpoint.methods}
    assert {missing for missing in known - ours if not missing[0].startswith("/zones")} == set()


@DESCRIBED
def test_reads_are_as_described(api: Any) -> None:
    """Every list and every single thing of a project with one of each."""
    net = api.network()
    wall = api.do("POST", "/firewalls", {"name": "wall"})["firewall"]
    group = api.do("POST", "/placement_groups", {"name": "group", "type": "spread"})["placement_group"]
    api.server(networks=[net["id"]], firewalls=[{"firewall": wall["id"]}], placement_group=group["id"])
    api.server("bare", public_net={"enable_ipv4": False, "enable_ipv6": False}, start_after_create=False)
    server = api.do("GET", "/servers?name=one")["servers"][0]["id"]
    api.do("POST", "/volumes", {"name": "volume", "size": 10, "server": server})
    api.do("POST", "/floating_ips", {"type": "ipv6", "server": server})
    api.wait(api.do("POST", f"/servers/{server}/actions/create_image", {"description": "copy"})["action"])
    api.do("POST", "/certificates", {"name": "own"} | self_signed("example.com"))
    api.do("POST", "/certificates", {"name": "issued", "type": "managed", "domain_names": ["example.com"]})
    balanced = {"services": [{"protocol": "http"}, {"protocol": "tcp", "listen_port": 1, "destination_port": 2}]}
    by_label = {"type": "label_selector", "label_selector": {"selector": "!missing"}}
    balancer = {"name": "lb", "load_balancer_type": "lb11", "location": "fsn1", "network": net["id"]}
    api.wait(api.do("POST", "/load_balancers", balancer | balanced | {"targets": [by_label]})["action"])
    own: tuple[str, ...] = ("servers", "networks", "firewalls", "primary_ips", "volumes", "floating_ips")
    own += ("load_balancers", "certificates")
    lists = (*own, "placement_groups", "ssh_keys", "images", "locations", "server_types", "isos")
    for resource in (*lists, "load_balancer_types"):
        for item in api.do("GET", f"/{resource}")[resource]:
            api.do("GET", f"/{resource}/{item['id']}")
    api.do("GET", "/pricing")
    for resource in own:
        api.do("GET", f"/{resource}/actions")
        api.do("GET", f"/{resource}/{api.do('GET', f'/{resource}')[resource][0]['id']}/actions")
    action = api.do("GET", "/servers/actions")["actions"][0]
    assert api.do("GET", f"/servers/actions/{action['id']}")["action"] == action
    assert api.do("GET", f"/servers/{action['resources'][0]['id']}/actions/{action['id']}")["action"] == action
    assert api.do("GET", f"/actions/{action['id']}")["action"] == action


def test_the_defaults_of_the_blueprint_can_be_ordered(api: Any) -> None:
    kinds = {kind["name"]: kind for kind in api.do("GET", "/server_types?per_page=50")["server_types"]}
    assert (kinds["cpx22"]["id"], kinds["cpx22"]["cores"]) == (109, 2)
    assert {place["name"] for place in kinds["cpx22"]["locations"] if place["available"]} == {"fsn1", "nbg1", "hel1"}
    zones = {place["name"]: place["network_zone"] for place in api.do("GET", "/locations")["locations"]}
    assert {name for name, zone in zones.items() if zone == "eu-central"} == {"fsn1", "nbg1", "hel1"}


def test_images_say_what_really_boots(api: Any) -> None:
    image = api.do("GET", "/images?name=ubuntu-22.04&architecture=x86")["images"][0]
    assert image["description"] == "Ubuntu 22.04 (stand-in: no machine, API only)"
    assert api.server()["image"]["description"] == image["description"]


def test_stock_shows_in_server_types(serve: Callable[..., Any]) -> None:
    api = serve(out_of_stock=["cx23@fsn1"])
    kind = api.do("GET", "/server_types?name=cx23")["server_types"][0]
    assert {place["name"] for place in kind["locations"] if not place["available"]} == {"fsn1"}


@pytest.mark.parametrize(
    "settings", [{"public_ipv4": "198.51.100.0/30"}, {"public_ipv6": "2001:db8::/64"}, {"port": 0.5}]
)
def test_settings_are_checked(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        Settings(token="t", **settings)
