# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module hcloud_fleet against the lab's API, without machines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _fleet_apply, _hcloud
from ansible_collections.triad.hetzner_swarm.plugins.modules import hcloud_fleet

if TYPE_CHECKING:
    from collections.abc import Callable

FLEET = [
    {
        "name": name,
        "server_type": "cpx22",
        "image": "ubuntu-22.04",
        "location": location,
        "labels": {"project": "voting"},
        "ssh_keys": ["admin"],
        "firewalls": ["swarm"],
        "placement_group": "swarm",
        "private_networks": [{"network": "swarm", "ip": ip}],
        "user_data": "#cloud-config",
    }
    for name, location, ip in [
        ("server-fsn-1", "fsn1", "10.0.0.2"),
        ("server-fsn-2", "fsn1", "10.0.0.3"),
        ("server-nbg-1", "nbg1", "10.0.0.4"),
    ]
]


class Lab:
    """A served API with what the tests ask of it."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def servers(self) -> dict[str, Any]:
        return {server["name"]: server for server in self.api.do("GET", "/servers")["servers"]}

    def ids(self, kind: str) -> dict[str, int]:
        return {one["name"]: one["id"] for one in self.api.do("GET", f"/{kind}")[kind]}

    def faults(self, *faults: dict[str, Any]) -> None:
        self.api.lab.put("/faults", json=list(faults)).raise_for_status()

    def forget_requests(self) -> None:
        self.api.lab.delete("/requests").raise_for_status()

    def requests(self) -> dict[str, int]:
        """Requests since they were last forgotten, by "METHOD endpoint"."""
        counted = self.api.lab.get("/requests").raise_for_status().json()
        return {f"{one['method']} {one['endpoint']}": one["count"] for one in counted["endpoints"]}

    def writes(self) -> int:
        return int(self.api.lab.get("/requests").raise_for_status().json()["writes"])


@pytest.fixture
def empty_lab(serve: Callable[..., Any]) -> Lab:
    return Lab(serve(latencies={"*": 0.05}))


@pytest.fixture
def lab(empty_lab: Lab) -> Lab:
    """With all that the servers need."""
    key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8jVqKmB5hqcRbPrOe+Yr0NsBbCrZJrQ1yVY0mJz9dM admin"
    empty_lab.api.network("swarm")
    empty_lab.api.do("POST", "/ssh_keys", {"name": "admin", "public_key": key})
    for name in ("swarm", "strict"):
        empty_lab.api.do("POST", "/firewalls", {"name": name})
    empty_lab.api.do("POST", "/placement_groups", {"name": "swarm", "type": "spread"})
    empty_lab.forget_requests()
    return empty_lab


class Module:
    """Runs the module and gives its result."""

    def __init__(self, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
        self._api = lab.api
        self._capsys = capsys

    def arguments(self, servers: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        return {
            "servers": servers,
            "api_token": self._api.token,
            "api_endpoint": self._api.endpoint,
            "_ansible_diff": True,
            **options,
        }

    def __call__(self, servers: list[dict[str, Any]], **options: Any) -> dict[str, Any]:
        arguments = self.arguments(servers, **options)
        with patch_module_args(arguments), pytest.raises(SystemExit):
            hcloud_fleet.main()
        printed = self._capsys.readouterr().out
        assert self._api.token not in printed
        result: dict[str, Any] = json.loads(printed)
        return result


@pytest.fixture
def run(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Module:
    return Module(lab, capsys)


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of outcomes: polls do not wait for their second."""
    monkeypatch.setattr(_hcloud, "POLL_INTERVAL", 0.05)


def names_and_addresses(servers: list[dict[str, Any]]) -> dict[str, str]:
    return {server["name"]: server["private_ips"]["swarm"] for server in servers}


ADDRESSES = {"server-fsn-1": "10.0.0.2", "server-fsn-2": "10.0.0.3", "server-nbg-1": "10.0.0.4"}


def assert_complete(lab: Lab) -> None:
    """The lab has exactly the fleet: attached, protected and running."""
    servers = lab.servers()
    assert {name: server["private_net"][0]["ip"] for name, server in servers.items()} == ADDRESSES
    assert all(server["status"] == "running" for server in servers.values())
    assert all(len(server["public_net"]["firewalls"]) == 1 for server in servers.values())


def test_creates_once_and_then_leaves_alone(lab: Lab, run: Module) -> None:
    first = run(FLEET)
    assert "failed" not in first, first["msg"]
    assert first["changed"]
    assert first["plan"][:3] == [
        "create server server-fsn-1 (cpx22, ubuntu-22.04, fsn1)",
        "attach server server-fsn-1 (network swarm, 10.0.0.2)",
        "start server server-fsn-1",
    ]
    assert names_and_addresses(first["servers"]) == ADDRESSES
    assert all(server["created"] and server["status"] == "running" for server in first["servers"])
    assert all(server["public_ipv4"] and server["public_ipv6"] for server in first["servers"])

    requests = lab.requests()
    polls = requests.pop("GET /actions")
    assert requests == {
        "GET /servers": 2,
        **{
            f"GET /{kind}": 1
            for kind in (
                "networks",
                "locations",
                "server_types",
                "images",
                "ssh_keys",
                "firewalls",
                "placement_groups",
            )
        },
        "POST /servers": 3,
        "POST /servers/{id}/actions/attach_to_network": 3,
        "POST /servers/{id}/actions/poweron": 3,
    }
    assert polls <= 6

    lab.forget_requests()
    second = run(FLEET)
    assert not second["changed"]
    assert second["plan"] == second["diff"] == []
    assert [server | {"created": True} for server in second["servers"]] == first["servers"]
    assert lab.writes() == 0


def test_dry_run_on_an_empty_project(empty_lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    networks = [{"name": "swarm", "ip_range": "10.0.0.0/16", "subnets": ["10.0.0.0/24"]}]
    result = Module(empty_lab, capsys)(FLEET, networks=networks, _ansible_check_mode=True)
    assert result["changed"]
    assert len(result["plan"]) == len(result["diff"]) == 9
    assert names_and_addresses(result["servers"]) == ADDRESSES
    assert all(server["created"] and server["id"] is None for server in result["servers"])
    assert empty_lab.writes() == 0


def test_missing_parents_are_refused_before_anything_is_created(
    empty_lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    result = Module(empty_lab, capsys)(FLEET[:1])
    assert result["failed"]
    for setting in ("ssh_keys: admin", "firewalls: swarm", "placement_group: swarm", "private_networks: swarm"):
        assert f"servers[server-fsn-1].{setting} does not exist" in result["msg"]
    assert empty_lab.writes() == 0


BAD_INPUT = [
    ({"image": "ubuntu-99.04"}, "servers[server-fsn-1].image: ubuntu-99.04 does not exist"),
    ({"location": "fsn9"}, "servers[server-fsn-1].location: fsn9 does not exist"),
    ({"server_type": "cpx99"}, "servers[server-fsn-1].server_type: cpx99 does not exist"),
    ({"name": "server-nbg-1"}, "the name server-nbg-1 is given to more than one server"),
    ({"private_networks": [{"network": "swarm", "ip": "10.0.7.2"}]}, "outside the subnets of swarm"),
    ({"private_networks": [{"network": "swarm", "ip": "10.0.0.4"}]}, "is also given to server-fsn-1"),
]


@pytest.mark.parametrize(("change", "message"), BAD_INPUT)
def test_bad_input_is_refused_before_anything_is_created(
    lab: Lab, run: Module, change: dict[str, Any], message: str
) -> None:
    result = run([FLEET[0] | change, *FLEET[1:]])
    assert result["failed"]
    assert message in result["msg"]
    assert lab.writes() == 0


def test_the_wrong_token(run: Module) -> None:
    result = run(FLEET, api_token="another")
    assert result["msg"].endswith("Check the token: HCLOUD_TOKEN or hetzner_api_token.")


def test_an_interrupted_run_is_continued(lab: Lab, run: Module, quick_polls: None) -> None:
    for server in FLEET[:2]:
        lab.api.server(
            **{key: server[key] for key in ("name", "server_type", "image", "location", "labels")},
            firewalls=[{"firewall": lab.ids("firewalls")["swarm"]}],
            placement_group=lab.ids("placement_groups")["swarm"],
            start_after_create=False,
        )
    result = run(FLEET)
    assert "failed" not in result, result["msg"]
    assert result["plan"] == [
        "attach server server-fsn-1 (network swarm, 10.0.0.2)",
        "start server server-fsn-1",
        "attach server server-fsn-2 (network swarm, 10.0.0.3)",
        "start server server-fsn-2",
        "create server server-nbg-1 (cpx22, ubuntu-22.04, nbg1)",
        "attach server server-nbg-1 (network swarm, 10.0.0.4)",
        "start server server-nbg-1",
    ]
    assert [server["created"] for server in result["servers"]] == [False, False, True]
    assert_complete(lab)


@pytest.mark.parametrize("endpoint", ["POST /servers", "attach_to_network", "poweron"])
def test_a_killed_run_is_continued(lab: Lab, run: Module, quick_polls: None, endpoint: str) -> None:
    script = (
        "import json, sys\n"
        "from ansible.module_utils.testing import patch_module_args\n"
        "from ansible_collections.triad.hetzner_swarm.plugins.modules import hcloud_fleet\n"
        "with patch_module_args(json.load(sys.stdin)): hcloud_fleet.main()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdin
        json.dump(run.arguments(FLEET), process.stdin)
        process.stdin.close()
        while process.poll() is None and not any(endpoint in request for request in lab.requests()):
            time.sleep(0.01)
        process.kill()
    result = run(FLEET)
    assert "failed" not in result, result["msg"]
    assert_complete(lab)
    lab.forget_requests()
    assert not run(FLEET)["changed"]
    assert lab.writes() == 0


CREATE = {"method": "POST", "path": "/servers"}
ATTACH = {"method": "POST", "path": "/servers/[0-9]+/actions/attach_to_network"}
START = {"method": "POST", "path": "/servers/[0-9]+/actions/poweron"}
POLL = {"method": "GET", "path": "/actions"}
PASSING = {
    "a rate limit": {**CREATE, "status": 429, "code": "rate_limit_exceeded", "times": 1},
    "a failing create": {**CREATE, "status": 500, "code": "server_error", "times": 1},
    "a create whose answer is lost": {**CREATE, "status": 504, "code": "timeout", "when": "after", "times": 1},
    "an unavailable API": {"method": "GET", "path": "/servers", "status": 503, "code": "unavailable", "times": 1},
    "a lock": {**ATTACH, "status": 423, "code": "locked", "times": 2},
    "a conflict": {**ATTACH, "status": 409, "code": "conflict", "times": 2},
    "an attachment whose answer is lost": {**ATTACH, "status": 502, "code": "bad_gateway", "when": "after", "times": 1},
    "a start whose answer is lost": {**START, "status": 502, "code": "bad_gateway", "when": "after", "times": 1},
    "a failing poll": {**POLL, "status": 502, "code": "bad_gateway", "times": 1},
    "an action that meets a lock": {"on": "action", "command": "attach_to_network", "code": "locked", "times": 1},
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_passing_faults_are_waited_out(lab: Lab, run: Module, quick_polls: None, fault: dict[str, Any]) -> None:
    lab.faults(fault)
    result = run(FLEET)
    assert "failed" not in result, result["msg"]
    assert all(server["created"] for server in result["servers"])
    assert_complete(lab)


LASTING = {
    "out of stock": (
        {**CREATE, "status": 412, "code": "resource_unavailable", "times": 1},
        "The location is out of stock: choose another server_type or another location.",
    ),
    "an address that is taken": (
        {**ATTACH, "status": 422, "code": "ip_not_available", "times": 1},
        "fault injected by the lab (ip_not_available)",
    ),
    "an action that fails": (
        {"on": "action", "command": "start_server", "code": "action_failed", "times": 1},
        "fault injected by the lab (action_failed)",
    ),
}


@pytest.mark.parametrize(("fault", "reason"), LASTING.values(), ids=LASTING)
def test_one_failure_hides_no_other_server(
    lab: Lab, run: Module, quick_polls: None, fault: dict[str, Any], reason: str
) -> None:
    lab.faults(fault)
    result = run(FLEET)
    assert result["failed"]
    assert result["changed"]
    assert result["msg"].startswith("1 of 3 servers are unfinished. ")
    assert result["msg"].endswith(" Run it again to go on.")
    (unfinished,) = result["unfinished"]
    assert reason in unfinished["reason"]
    assert unfinished["not_done"]
    assert len(unfinished["done"]) + len(unfinished["not_done"]) == 3
    running = [server["name"] for server in result["servers"] if server["status"] == "running"]
    assert sorted([*running, unfinished["name"]]) == sorted(ADDRESSES)

    assert "failed" not in run(FLEET)
    assert_complete(lab)


def test_a_name_taken_by_another_kind_of_server(lab: Lab, run: Module, quick_polls: None) -> None:
    """Somebody creates a server of that name after the state was read: it is not taken over, and not asked again."""
    lab.faults({**CREATE, "status": 409, "code": "uniqueness_error", "times": 1})
    result = run(FLEET[:1])
    assert result["failed"]
    assert "uniqueness_error" in result["msg"]
    assert lab.requests()["POST /servers"] == 1


def test_time_runs_out(lab: Lab, run: Module, quick_polls: None) -> None:
    lab.faults({"on": "action", "command": "create_server", "delay": 30})
    result = run(FLEET[:1], timeout=1)
    assert "create_server" in result["msg"]
    assert result["unfinished"][0]["done"] == []


def test_changes_a_running_server_in_place(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.forget_requests()
    changes = {"labels": {"project": "voting", "tier": "web"}, "firewalls": ["strict"], "backups": True}
    changed = [FLEET[0] | changes | {"protection": True}, *FLEET[1:]]
    plan = [
        "apply firewall to server server-fsn-1 (strict)",
        "remove firewall from server server-fsn-1 (swarm)",
        "label server server-fsn-1",
        "enable backups of server server-fsn-1",
        "protect server server-fsn-1",
    ]
    assert run(changed, _ansible_check_mode=True)["plan"] == plan
    assert lab.writes() == 0
    result = run(changed)
    assert result["plan"] == plan
    assert result["servers"][0]["labels"] == {"project": "voting", "tier": "web"}
    assert not run(changed)["changed"]
    assert lab.writes() == 5


def test_other_user_data_is_a_warning_and_no_change(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.forget_requests()
    result = run([FLEET[0] | {"user_data": "#cloud-config\n"}, *FLEET[1:]])
    assert "servers[server-fsn-1].user_data is not what the server was made with." in str(result["warnings"])
    assert not result["changed"]
    assert lab.writes() == 0


def resized(server_type: str) -> list[dict[str, Any]]:
    return [server | {"server_type": server_type} for server in FLEET]


def test_restarts_one_server_after_the_other(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    planned = run(resized("cpx32"), on_drift="restart", _ansible_check_mode=True)
    lab.forget_requests()
    result = run(resized("cpx32"), on_drift="restart")
    assert "failed" not in result, result["msg"]
    assert (result["plan"], result["disrupted"]) == (planned["plan"], planned["disrupted"])
    assert [(one["name"], one["by"]) for one in result["disrupted"]] == [(name, "restart") for name in ADDRESSES]
    assert {server["server_type"] for server in result["servers"]} == {"cpx32"}
    assert_complete(lab)
    written = [one for one in lab.api.lab.get("/requests").json()["log"] if one["method"] != "GET"]
    assert [one["path"].rpartition("/")[2] for one in written] == ["shutdown", "change_type", "poweron"] * 3
    assert not run(resized("cpx32"))["changed"]


@pytest.mark.parametrize("action", ["shutdown", "change_type", "poweron"])
def test_a_restart_whose_answers_are_lost(lab: Lab, run: Module, quick_polls: None, action: str) -> None:
    run(FLEET)
    path = f"/servers/[0-9]+/actions/{action}"
    lab.faults({"method": "POST", "path": path, "status": 502, "code": "bad_gateway", "when": "after", "times": 3})
    result = run(resized("cpx32"), on_drift="restart")
    assert "failed" not in result, result["msg"]
    assert_complete(lab)


def test_a_restart_that_fails_is_the_last_one(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.faults({"on": "action", "command": "change_server_type", "code": "action_failed", "times": 1, "nth": 2})
    result = run(resized("cpx32"), on_drift="restart")
    assert {one["name"] for one in result["unfinished"]} == {"server-fsn-2", "server-nbg-1"}
    assert "server-nbg-1: stop server server-nbg-1: It was left alone" in result["msg"]
    assert [server["status"] for server in result["servers"]] == ["running", "off", "running"]
    assert "failed" not in run(resized("cpx32"), on_drift="restart")
    assert_complete(lab)


def test_an_operating_system_that_does_not_shut_down_loses_its_power(
    lab: Lab, run: Module, quick_polls: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(FLEET[:1])
    monkeypatch.setattr(_fleet_apply, "SHUTDOWN_SECONDS", 0.2)

    async def deaf(_: int) -> None:
        """The machine was asked, and goes on."""

    monkeypatch.setattr(lab.api.backend, "shutdown", deaf)
    result = run([FLEET[0] | {"status": "off"}], on_drift="restart")
    assert result["servers"][0]["status"] == "off"
    assert {"POST /servers/{id}/actions/shutdown", "POST /servers/{id}/actions/poweroff"} <= set(lab.requests())


def test_another_image_and_another_location(lab: Lab, run: Module, quick_polls: None) -> None:
    first = run(FLEET)
    changed = [FLEET[0] | {"image": "debian-13"}, FLEET[1] | {"location": "hel1"}, FLEET[2]]
    assert "on_drift=replace" in run(changed, on_drift="restart")["msg"]
    result = run(changed, on_drift="replace")
    assert "failed" not in result, result["msg"]
    assert [one["by"] for one in result["disrupted"]] == ["replace", "replace"]
    assert [server["image"] for server in result["servers"]] == ["debian-13", "ubuntu-22.04", "ubuntu-22.04"]
    assert [server["location"] for server in result["servers"]] == ["fsn1", "hel1", "nbg1"]
    assert [server["created"] for server in result["servers"]] == [False, True, False]
    assert result["servers"][0]["id"] == first["servers"][0]["id"]
    assert_complete(lab)
    assert not run(changed)["changed"]


def test_public_addresses_come_and_go(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    private = [FLEET[0] | {"enable_ipv4": False, "enable_ipv6": False}, *FLEET[1:]]
    result = run(private, on_drift="restart")
    assert "failed" not in result, result["msg"]
    assert result["servers"][0]["public_ipv4"] is None
    assert len(lab.ids("primary_ips")) == 4
    assert not run(private)["changed"]
    result = run(FLEET, on_drift="restart")
    assert result["servers"][0]["public_ipv4"]
    assert len(lab.ids("primary_ips")) == 6
    assert not run(FLEET)["changed"]


@pytest.mark.parametrize(
    "gone", [{"status": 412}, {"on": "action", "command": "create_server"}], ids=["asked", "begun"]
)
def test_alternatives_where_the_cloud_is_out_of_stock(
    lab: Lab, run: Module, quick_polls: None, gone: dict[str, Any]
) -> None:
    lab.faults((CREATE if "status" in gone else {}) | gone | {"code": "resource_unavailable", "times": 1})
    flexible = FLEET[0] | {"alternatives": [{"server_type": "cpx32"}, {"location": "nbg1"}]}
    result = run([flexible])
    assert "failed" not in result, result["msg"]
    assert (result["servers"][0]["server_type"], result["servers"][0]["location"]) == ("cpx32", "fsn1")
    assert "It was ordered as cpx32 in fsn1." in str(result["warnings"])
    lab.forget_requests()
    assert not run([flexible])["changed"]
    assert lab.writes() == 0


def test_prunes_what_a_selector_finds(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.api.server("other", labels={"project": "other"})
    planned = run(FLEET[:1], prune="project=voting", _ansible_check_mode=True)
    assert planned["plan"] == ["delete server server-fsn-2", "delete server server-nbg-1"]
    assert [(one["name"], one["by"]) for one in planned["disrupted"]] == [
        ("server-fsn-2", "delete"),
        ("server-nbg-1", "delete"),
    ]
    assert len(lab.servers()) == 4
    protect(lab, "server-nbg-1")
    assert "servers[server-nbg-1] is protected against deletion." in run(FLEET[:1], prune="project=voting")["msg"]
    assert len(lab.servers()) == 4
    protect(lab, "server-nbg-1", False)
    assert run(FLEET[:1], prune="project=voting")["changed"]
    assert set(lab.servers()) == {"server-fsn-1", "other"}
    assert not run(FLEET[:1], prune="project=voting")["changed"]


def test_what_is_somebody_elses_is_not_deleted(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET[:1])
    mine = {"name": "server-fsn-1", "labels": {"project": "voting"}}
    theirs = {"name": "server-fsn-1", "labels": {"project": "other"}}
    assert "has no label project=other, so it is somebody else's" in run([theirs], state="absent")["msg"]
    assert run([mine], state="absent")["changed"]
    assert lab.servers() == {}


def protect(lab: Lab, name: str, protected: bool = True) -> None:
    path = f"/servers/{lab.servers()[name]['id']}/actions/change_protection"
    lab.api.wait(lab.api.do("POST", path, {"delete": protected, "rebuild": protected})["action"])


def test_disruptive_changes_are_refused(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.forget_requests()
    result = run([FLEET[0] | {"server_type": "cpx32", "labels": {}}, *FLEET[1:]])
    assert "servers[server-fsn-1]: server_type is cpx22 and cpx32 is asked for." in result["msg"]
    assert lab.writes() == 0


def test_removes(lab: Lab, run: Module, quick_polls: None) -> None:
    run(FLEET)
    lab.forget_requests()
    names = [{"name": server["name"]} for server in FLEET]
    assert len(run(names, state="absent", _ansible_check_mode=True)["plan"]) == 3
    assert lab.writes() == 0

    protect(lab, "server-fsn-1")
    assert "servers[server-fsn-1] is protected against deletion." in run(names, state="absent")["msg"]
    assert len(lab.servers()) == 3

    result = run(names[1:], state="absent")
    assert result["changed"]
    assert result["servers"] == []
    assert set(lab.servers()) == {"server-fsn-1"}
    assert not run(names[1:], state="absent")["changed"]


@pytest.mark.parametrize(("concurrency", "least"), [(2, 2.0), (4, 1.0)])
def test_as_many_servers_at_a_time_as_asked(
    lab: Lab, run: Module, quick_polls: None, concurrency: int, least: float
) -> None:
    one_after_another = 4.0
    plain = {key: FLEET[0][key] for key in ("server_type", "image", "location")}
    lab.faults({"on": "action", "command": "create_server", "delay": 1.0})
    began = time.monotonic()
    assert len(run([plain | {"name": f"web-{n}"} for n in range(4)], concurrency=concurrency)["servers"]) == 4
    assert least <= time.monotonic() - began < one_after_another
