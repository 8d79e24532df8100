# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The judge of swarm_preflight, by the cases of test__preflight.yaml."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._preflight import (
    CANDIDATES,
    Host,
    Wanted,
    address_pool,
    judge,
)

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def told(name: str, number: int, over: dict[str, Any]) -> dict[str, Any]:
    """A host as the module's option has it, but for its links."""
    over = dict(over)
    host = copy.deepcopy(DATA["host"])
    address = over.pop("address", f"10.0.0.{number}")
    card = {"name": "enp7s0", "mtu": over.pop("mtu", 1450), "addresses": [f"10.0.0.{number}/32"]}
    host["facts"]["interfaces"].append(card)
    host["facts"]["networks"] += over.pop("networks", [])
    role, location, silent = over.pop("role", host["role"]), over.pop("location", name), over.pop("silent", False)
    host["swarm"]["node_name"] = name
    for path, value in over.items():
        *way, last = path.split(".")
        place = host
        for key in way:
            place = place[key]
        place[last] = value
    info = {} if silent else {"swarm": host["swarm"], "kernel": host["kernel"], "host": host["facts"]}
    return {"name": name, "role": role, "address": address, "location": location, "info": info}


def link(case: dict[str, Any], one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """What ``one`` knows of its link to ``other``."""
    ways, skew = case.get("ways", {}), case.get("skew", {})
    there, back = ways.get(f"{one['name']}>{other['name']}", ()), ways.get(f"{other['name']}>{one['name']}", ())
    return {
        "peer": other["name"],
        "address": other["address"],
        "heard": {way: way not in back for way in ("udp_7946", "udp_4789", "mtu")},
        "reached": {
            "tcp_2377": "tcp_2377" not in there if other["role"] == "manager" else None,
            "tcp_7946": "tcp_7946" not in there,
        },
        "clock_skew": skew.get(one["name"], 0) - skew.get(other["name"], 0) + case.get("delay", 0.001),
        "error": case.get("errors", {}).get(f"{one['name']}>{other['name']}"),
    }


def hosts(case: dict[str, Any]) -> list[Host]:
    given = {"a": {}, "b": {}, "c": {}, **case.get("hosts", {})}
    options = [told(name, number, over) for number, (name, over) in enumerate(given.items(), 2)]
    for one in options:
        probed = case.get("probed", True) and one["info"]
        one["links"] = [link(case, one, other) for other in options if other is not one] if probed else []
    return [Host.from_option(option) for option in options]


@pytest.mark.parametrize("case", DATA["cases"], ids=lambda case: case["case"])
def test_judge(case: dict[str, Any]) -> None:
    wanted = Wanted(**{**DATA["wanted"], **case.get("wanted", {})})
    found = judge(hosts(case), wanted)
    seen = [[finding.severity, finding.subject, " ".join(finding.hosts)] for finding in found]
    assert seen == [expected[:3] for expected in case["findings"]], [finding.message for finding in found]
    for finding, (_severity, _subject, _hosts, *parts) in zip(found, case["findings"], strict=True):
        assert [part for part in parts if part not in finding.message] == [], finding.message
    if "pool" in case:
        assert address_pool(hosts(case), wanted) == case["pool"]


def test_the_first_candidate_is_what_is_documented() -> None:
    documentation = (Path(__file__).parents[4] / "plugins/modules/swarm_preflight.py").read_text(encoding="utf-8")
    assert [pool for pool in CANDIDATES if f"V({pool})" not in documentation] == []
