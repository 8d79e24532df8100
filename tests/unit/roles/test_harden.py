# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The firewall's rules as the role renders them, held against ``test_harden.yml``, and the hours of upgrades."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import jinja2.nativetypes
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles" / "harden"
CASES: dict[str, dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
DEFAULTS: dict[str, Any] = yaml.safe_load((ROLE / "defaults" / "main.yml").read_text(encoding="utf-8"))
VARS: dict[str, str] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text(encoding="utf-8"))


def evaluate(name: str, known: dict[str, Any]) -> Any:
    """A variable of the role."""
    environment = jinja2.nativetypes.NativeEnvironment(undefined=jinja2.StrictUndefined)
    environment.tests["search"] = lambda text, pattern: re.search(pattern, text) is not None
    value = environment.from_string(VARS[name]).render(known)
    return list(value) if hasattr(value, "__next__") else value


def render(settings: dict[str, Any]) -> dict[str, list[str]]:
    """The rules of each chain, in order, a line each."""
    known = DEFAULTS | {"harden_members": [], "harden_ssh_ports": ["22"], "ansible_managed": "test"} | settings
    for name in ("harden_members_4", "harden_members_6", "harden_swarm_address", "harden_openings"):
        known[name] = evaluate(name, known)
    # Ansible's own settings of Jinja.
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(ROLE / "templates"), trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.tests["search"] = lambda text, pattern: re.search(pattern, text) is not None
    host = environment.get_template("host.nft.j2").render(known)
    chains = dict(re.findall(r"chain (\w+) \{\n(.*?)\n    \}", host, re.DOTALL))
    rules = {name: [line.strip() for line in body.splitlines()] for name, body in chains.items()}
    for family, everywhere in (("containers", "0.0.0.0/0"), ("containers6", "::/0")):
        text = environment.get_template("docker-user.j2").render(known | {"everywhere": everywhere})
        rules[family] = [line.partition(" ")[2].partition(" ")[2] for line in text.splitlines() if line[0] == "-"]
    return rules


@pytest.mark.parametrize("name", CASES)
def test_rules_follow_the_settings(name: str) -> None:
    case = CASES[name]
    rules = render(case["settings"])
    always = next(place for place, rule in enumerate(rules["input"]) if "dport 546" in rule)
    assert rules["input"][always + 1 : -1] == case["host"]
    assert rules["swarm"] == case["swarm"]
    for family in ("containers", "containers6"):
        assert [rule for rule in rules[family] if "--ctorigdstport" in rule] == case[family]


def test_the_host_drops_what_no_rule_accepts() -> None:
    rules = render({})["input"]
    assert "policy drop;" in rules[0]
    assert rules[1:3] == ['iifname "lo" accept', "tcp dport { 22 } accept"]


def test_connections_that_exist_open_no_port_of_the_swarm() -> None:
    rules = render({"harden_members": ["10.0.0.2"]})["input"]
    established = next(place for place, rule in enumerate(rules) if "established" in rule)
    assert sum("goto swarm" in rule for rule in rules[:established]) == 3
    assert not [rule for rule in rules[established:] if "goto swarm" in rule]


@pytest.mark.parametrize("family", ["containers", "containers6"])
def test_containers_reach_out_and_are_reached_by_published_ports_only(family: str) -> None:
    rules = render({"harden_published_ports": [8080], "harden_container_interfaces": ["docker0"]})[family]
    assert rules[:2] == ["-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN", "-i docker0 -j RETURN"]
    assert "--ctorigdstport 8080" in rules[2]
    assert rules[3:] == ["-m conntrack --ctstate DNAT -j DROP", "-o docker0 -j DROP"]


def test_no_two_of_24_hosts_upgrade_in_the_same_hour() -> None:
    hosts = [f"server-{number}" for number in range(24)]
    hours = {evaluate("harden_upgrade_hour", {"harden_hosts": hosts, "inventory_hostname": host}) for host in hosts}
    assert hours == set(range(24))
