# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API tells the machines, and what becomes of it when they, or the API itself, fail."""

from __future__ import annotations

import time
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from pathlib import Path
from typing import Any

from lab.daemons import wait_for
from lab.machines.base import FirewallRule, PrivateLink, PublicNet


def test_a_machine_is_made_as_ordered(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines, public_ipv4="192.0.2.0/28")
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1vQy0vTQ0oK7n1oJ2hVhX4m4V9gR0bX0mJm6b8k1aB contract"
    api.do("POST", "/ssh_keys", {"name": "key", "public_key": key})
    net = api.network()
    rule = {"direction": "in", "protocol": "tcp", "port": "80-90", "source_ips": ["0.0.0.0/0"]}
    wall = api.do("POST", "/firewalls", {"name": "wall", "rules": [rule]})["firewall"]
    server = api.server(
        networks=[net["id"]],
        firewalls=[{"firewall": wall["id"]}],
        ssh_keys=["key"],
        user_data="#cloud-config",
        labels={"a": "b"},
    )
    spec = machines.called("create")[0][0]
    assert (spec.server_id, spec.name, spec.location, spec.image) == (server["id"], "one", "fsn1", "ubuntu-22.04")
    assert (spec.cores, spec.memory, spec.disk, spec.network_zone) == (2, 4, 80, "eu-central")
    assert spec.public_net == PublicNet(IPv4Address("192.0.2.2"), IPv6Interface("2001:db8:51ab:1::1/64"))
    assert (spec.user_data, spec.authorized_keys, spec.labels) == ("#cloud-config", (key,), {"a": "b"})
    link = PrivateLink(
        network_id=net["id"],
        network_name=net["name"],
        network=IPv4Network("10.0.0.0/16"),
        subnet=IPv4Network("10.0.0.0/24"),
        gateway=IPv4Address("10.0.0.1"),
        address=IPv4Address("10.0.0.2"),
        mac=server["private_net"][0]["mac_address"],
    )
    assert machines.called("attach") == [(server["id"], link)]
    assert machines.called("filter") == [(server["id"], (FirewallRule("in", "tcp", ("0.0.0.0/0",), "80-90"),))]
    assert [call[0] for call in machines.calls] == ["create", "filter", "attach", "start"]


def test_an_interface_may_come_later_than_its_action_told(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    net = api.network()
    api.lab.put("/faults", json=[{"on": "interface", "delay": 0.5, "times": 1}])
    server = api.server(networks=[net["id"]])
    assert server["private_net"][0]["ip"] == "10.0.0.2"
    assert machines.called("attach") == []
    assert wait_for(lambda: len(machines.called("attach")) == 1, seconds=5)


def test_an_interface_may_never_come(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    net = api.network()
    api.lab.put("/faults", json=[{"on": "interface", "drop": True, "times": 1}])
    api.server(networks=[net["id"]])
    assert machines.called("attach") == []
    api.server(name="two", networks=[net["id"]])
    assert len(machines.called("attach")) == 1


def test_a_firewall_is_lifted_when_none_applies(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    wall = api.do("POST", "/firewalls", {"name": "wall"})["firewall"]
    server = api.server(firewalls=[{"firewall": wall["id"]}])
    target = {"remove_from": [{"type": "server", "server": {"id": server["id"]}}]}
    api.wait(*api.do("POST", f"/firewalls/{wall['id']}/actions/remove_from_resources", target)["actions"])
    assert [rules for _, rules in machines.called("filter")] == [(), None]


def test_a_server_that_cannot_be_made_leaves_nothing(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    machines.refuse["create"] = "the disk is full"
    body = {"name": "one", "server_type": "cpx22", "image": "debian-13", "networks": [api.network()["id"]]}
    answer = api.do("POST", "/servers", body)
    ended = api.wait(answer["action"], *answer["next_actions"])
    assert [action["status"] for action in ended] == ["error"] * 3
    assert ended[0]["error"] == {"code": "action_failed", "message": "the disk is full"}
    assert api.do("GET", "/servers")["servers"] == []
    assert api.do("GET", "/primary_ips")["primary_ips"] == []
    machines.refuse.clear()
    assert api.server(networks=body["networks"])["private_net"][0]["ip"] == "10.0.0.2"


def test_an_interface_that_cannot_be_plugged_gives_its_address_back(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    net, server = api.network(), api.server()
    machines.refuse["attach"] = "no such bridge"
    body = {"network": net["id"], "ip": "10.0.0.5"}
    path = f"/servers/{server['id']}/actions/attach_to_network"
    assert api.wait(api.do("POST", path, body)["action"])[0]["status"] == "error"
    machines.refuse.clear()
    assert api.wait(api.do("POST", path, body)["action"])[0]["status"] == "success"


def test_a_change_of_type_that_fails_is_not_recorded(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    server = api.server(start_after_create=False)
    machines.refuse["resize"] = "no room on the host"
    path = f"/servers/{server['id']}/actions/change_type"
    ended = api.wait(api.do("POST", path, {"server_type": "cpx32", "upgrade_disk": True})["action"])
    assert ended[0]["error"]["message"] == "no room on the host"
    after = api.do("GET", f"/servers/{server['id']}")["server"]
    assert (after["status"], after["server_type"]["name"], after["primary_disk_size"]) == ("off", "cpx22", 80)


def test_what_machines_cannot_do_is_refused(serve: Callable[..., Any], machines: Any) -> None:
    """Backends need not know how to resize a machine or to change its public addresses."""
    api = serve(type("Plain", (type(machines),), {"readdress": None, "resize": None})())
    server = api.server(start_after_create=False)
    ip = server["public_net"]["ipv4"]["id"]
    requests = (
        (f"/servers/{server['id']}/actions/change_type", {"server_type": "cpx32", "upgrade_disk": False}),
        (f"/primary_ips/{ip}/actions/unassign", None),
    )
    for path, body in requests:
        assert api.do("POST", path, body, expect=422)["error"]["code"] == "unsupported_error"


def test_a_machine_that_went_off_by_itself_is_seen(serve: Callable[..., Any], machines: Any) -> None:
    api = serve(machines)
    server = api.server()
    machines._running.clear()
    deadline = time.monotonic() + 5
    while api.do("GET", f"/servers/{server['id']}")["server"]["status"] != "off":
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_nothing_is_lost_by_a_restart(serve: Callable[..., Any], machines: Any, tmp_path: Path) -> None:
    state = tmp_path / "state" / "lab.sqlite3"
    first = serve(state_file=state)
    wall = first.do("POST", "/firewalls", {"name": "wall"})["firewall"]
    server = first.server(networks=[first.network()["id"]], firewalls=[{"firewall": wall["id"]}], labels={"a": "b"})
    off = first.server("off", start_after_create=False)
    paths = ("/servers", "/networks", "/firewalls", "/primary_ips", f"/servers/{server['id']}/actions")
    before = {path: first.do("GET", path) for path in paths}
    first.stop()
    second = serve(machines, state_file=state)
    assert {path: second.do("GET", path) for path in paths} == before
    assert machines.called("filter") == [(server["id"], ()), (off["id"], None)]
    assert machines.called("start") == [(server["id"],)]
    assert (
        second.do("POST", "/placement_groups", {"name": "g", "type": "spread"})["placement_group"]["id"] > server["id"]
    )


def test_a_creation_goes_on_after_a_restart(serve: Callable[..., Any], machines: Any, tmp_path: Path) -> None:
    state = tmp_path / "lab.sqlite3"
    first = serve(state_file=state, latencies={"create_server": 30})
    body = {"name": "one", "server_type": "cpx22", "image": "debian-13", "networks": [first.network()["id"]]}
    answer = first.do("POST", "/servers", body)
    first.stop()
    second = serve(machines, state_file=state)
    ended = second.wait(answer["action"], *answer["next_actions"])
    assert [action["status"] for action in ended] == ["success"] * 3
    assert [call[0] for call in machines.calls] == ["create", "attach", "start"]
    server = second.do("GET", f"/servers/{answer['server']['id']}")["server"]
    assert (server["status"], server["locked"], server["private_net"][0]["ip"]) == ("running", False, "10.0.0.2")
