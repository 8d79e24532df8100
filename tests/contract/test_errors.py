# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every error of the API, as tables of requests, in errors/.

The project that the requests are made to holds: server "one" (running, on network "net" as 10.0.0.2), server "off"
(stopped, on no network), server "v6" (stopped, without IPv4), networks "overlapping" and "bare" (without subnets),
firewall "wall" (applied to "one"), firewall "spare", placement group "group", primary IP "ip" (IPv4, fsn1), SSH key
"key", volume "volume" (20 GB) and floating IP "float", both of "one", volume "far_volume" (nbg1), load balancer "lb"
(lb11, on network "net", with SERVICES and TARGETS), load balancer "lone" (on no network, protected), certificate "cert"
(used by "lb"), certificate "unissued" (managed). ``{one}`` and the like stand for their ids. ``server``, ``rule`` and
``balancer`` change single keys of a valid request.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.conftest import self_signed

CASES = [
    case
    for path in sorted(Path(__file__).with_name("errors").glob("*.yml"))
    for case in yaml.safe_load(path.read_text(encoding="utf-8"))
]
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1vQy0vTQ0oK7n1oJ2hVhX4m4V9gR0bX0mJm6b8k1aB contract"
RULE = {"direction": "in", "protocol": "tcp", "port": "22", "source_ips": ["0.0.0.0/0"]}
BALANCER = {"name": "new", "load_balancer_type": "lb11", "location": "fsn1"}
SERVICES = [
    {"protocol": "https", "http": {"certificates": ["{cert}"], "redirect_http": True}},
    {"protocol": "http", "listen_port": 8080},
]
TARGETS = [
    {"type": "server", "server": {"id": "{one}"}, "use_private_ip": True},
    {"type": "label_selector", "label_selector": {"selector": "role=web"}},
]
SERVER = {"name": "new", "server_type": "cpx22", "image": "ubuntu-22.04", "location": "fsn1"}


@pytest.fixture(scope="module")
def world(serve_module: Callable[..., Any]) -> tuple[Any, dict[str, Any]]:
    """The project, and the ids of what is in it. Refused requests do not change it."""
    api = serve_module(out_of_stock=["cx53@fsn1"])
    net = api.network()
    wall = api.do("POST", "/firewalls", {"name": "wall"})["firewall"]
    one = api.server(networks=[net["id"]], firewalls=[{"firewall": wall["id"]}], labels={"role": "web"})
    ids = {
        "one": one["id"],
        "off": api.server("off", start_after_create=False)["id"],
        "v6": api.server("v6", public_net={"enable_ipv4": False}, start_after_create=False)["id"],
        "net": net["id"],
        "overlapping": api.network("overlapping", "10.0.0.0/8", "10.9.0.0/24")["id"],
        "bare": api.do("POST", "/networks", {"name": "bare", "ip_range": "192.168.0.0/16"})["network"]["id"],
        "wall": wall["id"],
        "spare": api.do("POST", "/firewalls", {"name": "spare"})["firewall"]["id"],
        "group": api.do("POST", "/placement_groups", {"name": "group", "type": "spread"})["placement_group"]["id"],
        "ip": api.do("POST", "/primary_ips", {"name": "ip", "type": "ipv4", "location": "fsn1"})["primary_ip"]["id"],
        "one_ipv4": one["public_net"]["ipv4"]["id"],
        "volume": api.do("POST", "/volumes", {"name": "volume", "size": 20, "server": one["id"]})["volume"]["id"],
        "far_volume": api.do("POST", "/volumes", {"name": "far", "size": 10, "location": "nbg1"})["volume"]["id"],
        "public_key": KEY,
    }
    _settle(api, one["id"])
    ids["float"] = api.do("POST", "/floating_ips", {"type": "ipv4", "server": one["id"]})["floating_ip"]["id"]
    _settle(api, one["id"])
    api.do("POST", "/ssh_keys", {"name": "key", "public_key": KEY})
    pem = self_signed("example.com")
    unissued = api.do("POST", "/certificates", {"name": "unissued", "type": "managed", "domain_names": ["a.example"]})
    ids |= pem | {
        "cert": api.do("POST", "/certificates", {"name": "cert"} | pem)["certificate"]["id"],
        "unissued": unissued["certificate"]["id"],
        "other_key": self_signed("example.com")["private_key"],
        "one_address": one["public_net"]["ipv4"]["ip"],
    }
    parts = _filled({"services": SERVICES, "targets": TARGETS}, ids)
    created = [
        api.do("POST", "/load_balancers", BALANCER | {"name": "lb", "network": net["id"]} | parts),
        api.do("POST", "/load_balancers", BALANCER | {"name": "lone"}),
    ]
    api.wait(unissued["action"], *(answer["action"] for answer in created))
    ids |= {answer["load_balancer"]["name"]: answer["load_balancer"]["id"] for answer in created}
    api.wait(api.do("POST", f"/load_balancers/{ids['lone']}/actions/change_protection", {"delete": True})["action"])
    return api, ids


def _settle(api: Any, server: int) -> None:
    api.wait(*api.do("GET", f"/servers/{server}/actions?per_page=50")["actions"])


def _filled(value: Any, ids: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {key: _filled(item, ids) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, ids) for item in value]
    return ids[value[1:-1]] if isinstance(value, str) and value[1:-1] in ids and value.startswith("{") else value


def _body(case: dict[str, Any]) -> Any:
    if "server" in case:
        return SERVER | case["server"]
    if "balancer" in case:
        return BALANCER | case["balancer"]
    if "user_data_bytes" in case:
        return SERVER | {"user_data": "x" * case["user_data_bytes"]}
    if "rule" in case:
        rule = {key: value for key, value in (RULE | case["rule"]).items() if value is not None}
        return {"rules": [rule] * case.get("times", 1)}
    return case.get("body")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_refuses(world: tuple[Any, dict[str, Any]], case: dict[str, Any]) -> None:
    api, ids = world
    method, path = case["request"].split(" ", 1)
    token = case.get("token", api.token)
    content = {"content": case["raw"].encode("latin-1")} if "raw" in case else {"json": _filled(_body(case), ids)}
    headers = {"Authorization": f"Bearer {token}"} if token else {"Authorization": ""}
    response = api.http.request(method, path.format(**ids), headers=headers, **content)
    error = response.json()["error"]
    assert f"{response.status_code} {error['code']}" == case["error"], error
    assert error["message"]
    if "fields" in case:
        assert [field["name"] for field in error["details"]["fields"]] == case["fields"]
