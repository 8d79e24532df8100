# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fleets of servers: what is asked for, what they stand on, and what the cloud must hold of them in the end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from lab.config import PROJECT
from tests.acceptance.alone import KEY
from tests.acceptance.api import Api

SERVERS_PER_GROUP = 10
LOCATIONS = ("fsn1", "nbg1", "hel1")
NETWORK = "fleet"
BLUEPRINT = PROJECT / "inventory" / "group_vars" / "all" / "blueprint.yml"


def fleet(size: int) -> list[dict[str, Any]]:
    """Servers as hcloud_fleet takes them, with all that a server of a swarm has."""
    return [
        {
            "name": f"server-{number}",
            "server_type": "cpx22",
            "image": "ubuntu-22.04",
            "location": LOCATIONS[number % len(LOCATIONS)],
            "labels": {"cluster": "fleet", "swarm_role": "worker"},
            "ssh_keys": ["fleet"],
            "firewalls": ["fleet"],
            "placement_group": f"fleet-{number // SERVERS_PER_GROUP}",
            "private_networks": [{"network": NETWORK, "ip": f"10.0.0.{number + 2}"}],
        }
        for number in range(size)
    ]


def lay_foundation(api: Api, size: int) -> None:
    """Make what a fleet of this size stands on."""
    subnet = {"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}
    api.ask("POST", "/v1/networks", {"name": NETWORK, "ip_range": "10.0.0.0/16", "subnets": [subnet]})
    api.ask("POST", "/v1/firewalls", {"name": "fleet"})
    api.ask("POST", "/v1/ssh_keys", {"name": "fleet", "public_key": KEY})
    for number in range(-(-size // SERVERS_PER_GROUP)):
        api.ask("POST", "/v1/placement_groups", {"name": f"fleet-{number}", "type": "spread"})


def addresses(servers: list[dict[str, Any]]) -> dict[str, str]:
    """The fixed private addresses of a fleet, by name."""
    return {server["name"]: server["private_networks"][0]["ip"] for server in servers}


def blueprint() -> list[dict[str, Any]]:
    """The servers of the blueprint, as it has them."""
    servers: list[dict[str, Any]] = yaml.safe_load(BLUEPRINT.read_text(encoding="utf-8"))["hetzner_servers"]
    return servers


def blueprint_addresses() -> dict[str, str]:
    """The fixed private addresses of the blueprint's servers, by name."""
    return {server["name"]: server["private_ip"] for server in blueprint()}


def shortcomings(api: Api, wanted: Mapping[str, str]) -> list[str]:
    """What keeps the project from holding these servers, running at these private addresses, and nothing else.

    Every primary IP must belong to a server, two to each, and servers must be in a placement group and have a firewall.
    """
    servers = api.all("servers")
    ids = {server["id"]: server["name"] for server in servers}
    found = [f"{name} is missing" for name in sorted(wanted.keys() - set(ids.values()))]
    found += [f"{name} is an orphan" for name in sorted(set(ids.values()) - wanted.keys())]
    found += [f"{name} is there twice" for name in set(ids.values()) if list(ids.values()).count(name) > 1]
    found += [f"primary IP {ip['ip']} is left over" for ip in api.all("primary_ips") if ip["assignee_id"] not in ids]
    for server in servers:
        if server["name"] in wanted:
            found += [f"{server['name']} {words}" for words in _flaws(server, wanted[server["name"]])]
    return found


def identities(api: Api) -> dict[str, tuple[int, str]]:
    """Id and public address of each server, by name: what a server loses when it is made anew."""
    return {server["name"]: (server["id"], server["public_net"]["ipv4"]["ip"]) for server in api.all("servers")}


def _flaws(server: Mapping[str, Any], address: str) -> list[str]:
    private, public = [net["ip"] for net in server["private_net"]], server["public_net"]
    conditions = {
        f"is {server['status']}": server["status"] == "running",
        f"has the private addresses {private}, not {address}": private == [address],
        "lacks a public address": bool(public["ipv4"] and public["ipv6"]),
        "has no firewall in effect": [one["status"] for one in public["firewalls"]] == ["applied"],
        "is in no placement group": server["placement_group"] is not None,
        "is locked": not server["locked"],
    }
    return [words for words, fine in conditions.items() if not fine]
