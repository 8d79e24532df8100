# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many of one thing another may have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

SERVER = {"server_type": "cpx22", "image": "debian-13", "location": "fsn1"}


def _refusal(api: Any, path: str, body: dict[str, Any], status: int = 422) -> str:
    error = api.do("POST", path, body, expect=status)["error"]
    return f"{error['code']}: {error['message']}"


def test_servers_of_a_placement_group(api: Any) -> None:
    group = api.do("POST", "/placement_groups", {"name": "group", "type": "spread"})["placement_group"]["id"]
    for number in range(10):
        api.do("POST", "/servers", SERVER | {"name": f"s{number}", "placement_group": group})
    assert "at most 10" in _refusal(api, "/servers", SERVER | {"name": "more", "placement_group": group})
    late = api.server("late", start_after_create=False)["id"]
    path = f"/servers/{late}/actions/add_to_placement_group"
    assert "at most 10" in _refusal(api, path, {"placement_group": group})


def test_servers_of_a_project(serve: Callable[..., Any]) -> None:
    api = serve(server_limit=1)
    api.server()
    assert _refusal(api, "/servers", SERVER | {"name": "two"}, 403).startswith("resource_limit_exceeded")


def test_firewalls_of_a_server(api: Any) -> None:
    walls = [api.do("POST", "/firewalls", {"name": f"wall{n}"})["firewall"]["id"] for n in range(6)]
    chosen = [{"firewall": wall} for wall in walls]
    assert "at most 5" in _refusal(api, "/servers", SERVER | {"name": "one", "firewalls": chosen})
    one = api.server(firewalls=chosen[:5])
    resource = {"apply_to": [{"type": "server", "server": {"id": one["id"]}}]}
    assert "has 5" in _refusal(api, f"/firewalls/{walls[5]}/actions/apply_to_resources", resource)


def test_networks_and_aliases_of_a_server(api: Any) -> None:
    nets = [api.network(f"net{n}", f"10.{n}.0.0/16", f"10.{n}.0.0/24")["id"] for n in range(4)]
    assert "at most 3" in _refusal(api, "/servers", SERVER | {"name": "one", "networks": nets})
    one = api.server(networks=nets[:1])["id"]
    aliases = {"network": nets[0], "alias_ips": [f"10.0.0.{100 + n}" for n in range(6)]}
    assert "at most 5" in _refusal(api, f"/servers/{one}/actions/change_alias_ips", aliases)


def test_volumes_of_a_server(api: Any) -> None:
    made = [api.do("POST", "/volumes", {"name": f"v{n}", "size": 10, "location": "fsn1"}) for n in range(17)]
    api.wait(*(answer["action"] for answer in made))
    volumes = [answer["volume"]["id"] for answer in made]
    assert "at most 16" in _refusal(api, "/servers", SERVER | {"name": "one", "volumes": volumes})
    one = api.server(volumes=volumes[:16])["id"]
    assert "at most 16" in _refusal(api, f"/volumes/{volumes[16]}/actions/attach", {"server": one})
    assert "at most 16" in _refusal(api, "/volumes", {"name": "more", "size": 10, "server": one})
