# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every module of the official collection that the lab has the resources for, run in this process."""

from __future__ import annotations

import importlib
import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.testing import patch_module_args

from tests.contract.conftest import self_signed

MODULES = yaml.safe_load(Path(__file__).with_name("official").joinpath("modules.yml").read_text(encoding="utf-8"))
INFO = (
    "firewall", "floating_ip", "image", "iso", "load_balancer", "load_balancer_type", "location", "network",
    "primary_ip", "server", "server_type", "ssh_key", "volume",
)  # fmt: skip
Run = Callable[..., dict[str, Any]]
# The collection still asks its SDK for data centers, traffic and a misspelt class as they once were.
pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*' property is deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The '.*HealtCheckHttp' class is deprecated:DeprecationWarning"),
]


@pytest.fixture
def run(api: Any, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a module; gives its result."""
    if importlib.util.find_spec("ansible_collections.hetzner") is None:
        pytest.skip("the collection hetzner.hcloud is not here: run `make setup`")

    def run_module(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        module = importlib.import_module(f"ansible_collections.hetzner.hcloud.plugins.modules.{name}")
        access = {"api_token": api.token, "api_endpoint": api.endpoint}
        with patch_module_args(access | arguments), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert not result.get("failed"), f"{name}: {result}"
        return result

    return run_module


def test_everything_is_made_once_and_removed(api: Any, run: Run) -> None:
    made = [run(entry["module"], entry["with"])["changed"] for entry in MODULES]
    again = [run(entry["module"], entry["with"])["changed"] for entry in MODULES]
    assert (made, again) == ([True] * len(MODULES), [False] * len(MODULES))
    shown = {name: run(f"{name}_info", {})[f"hcloud_{name}_info"] for name in INFO}
    assert [name for name, items in shown.items() if not items] == []
    for entry in MODULES[::-1]:
        leave = entry["with"] | entry.get("leaves_with", {}) | {"state": "absent"}
        assert run(entry["module"], leave)["changed"], leave
    kinds = ("servers", "networks", "firewalls", "volumes", "primary_ips", "floating_ips", "ssh_keys", "load_balancers")
    assert {kind: api.do("GET", f"/{kind}")[kind] for kind in kinds} == {kind: [] for kind in kinds}


def test_a_server_is_changed_in_place(api: Any, run: Run) -> None:
    server = {"name": "one", "server_type": "cpx22", "image": "debian-13", "location": "fsn1"}
    run("server", server)
    run("firewall", {"name": "wall"})
    changes: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({"state": "stopped"}, {"status": "off"}),
        ({"state": "started"}, {"status": "running"}),
        ({"labels": {"role": "web"}}, {"labels": {"role": "web"}}),
        ({"backups": True}, {"backup_window": "22-02"}),
        ({"firewalls": ["wall"]}, {}),
        ({"server_type": "cpx32", "upgrade_disk": True, "force": True}, {"primary_disk_size": 160}),
        ({"rescue_mode": "linux64"}, {"rescue_enabled": True}),
        ({"delete_protection": True, "rebuild_protection": True}, {"protection": {"delete": True, "rebuild": True}}),
        (
            {"delete_protection": False, "rebuild_protection": False},
            {"protection": {"delete": False, "rebuild": False}},
        ),
    )
    for change, seen in changes:
        wanted = server | change
        assert run("server", wanted)["changed"], change
        if not {"state", "rescue_mode"} & change.keys():
            assert not run("server", wanted)["changed"], change
        found = api.do("GET", "/servers?name=one")["servers"][0]
        assert {key: found[key] for key in seen} == seen
        server |= {key: value for key, value in change.items() if key == "server_type"}
    assert run("server", server | {"state": "restarted"})["changed"]
    assert run("server", server | {"state": "rebuild", "image": "debian-12"})["changed"]
    assert api.do("GET", "/servers?name=one")["servers"][0]["image"]["name"] == "debian-12"


def test_a_service_with_everything_is_told_back(api: Any, run: Run) -> None:
    run("certificate", {"name": "own"} | self_signed("example.com"))
    run("load_balancer", {"name": "lb", "load_balancer_type": "lb11", "location": "fsn1"})
    http = {"certificates": ["own"], "cookie_name": "STAY", "cookie_lifetime": 60, "sticky_sessions": True}
    asked = {"domain": "example.com", "path": "/health", "status_codes": ["200"]}
    check = {"protocol": "http", "port": 8080, "interval": 5, "timeout": 3, "retries": 2, "http": asked}
    service = {"protocol": "https", "listen_port": 443, "destination_port": 8443, "proxyprotocol": True}
    run("load_balancer_service", {"load_balancer": "lb", "http": http, "health_check": check} | service)
    (balancer,) = run("load_balancer_info", {})["hcloud_load_balancer_info"]
    (told,) = balancer["services"]
    assert told | service == told
    assert told["http"] | http == told["http"]
    assert told["health_check"] | check | {"http": told["health_check"]["http"]} == told["health_check"]
    assert (told["health_check"]["http"]["domain"], told["health_check"]["http"]["path"]) == ("example.com", "/health")
