# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which nodes Swarm's scheduler would accept for a service, by its placement constraints. Pure.

Note that this is private to the collection: other collections must not import it.

Nodes are as the engine lists them (``GET /nodes``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
_CONSTRAINT = re.compile(r"\s*(?P<key>[^=!\s]+)\s*(?P<operator>==|!=)\s*(?P<value>.+?)\s*")

Node = Mapping[str, Any]


def satisfies(node: Node, constraint: str) -> bool:
    """Whether the node satisfies one constraint. What Swarm does not understand, no node satisfies."""
    match = _CONSTRAINT.fullmatch(constraint)
    if match is None:
        return False
    key, wanted, equal = match["key"], match["value"], match["operator"] == "=="
    if key.lower() == "node.ip":
        return _in_network(node, wanted) is equal
    actual = _attribute(node, key)
    if actual is None:
        return False
    return (actual.lower() == wanted.lower()) is equal


def satisfies_all(node: Node, constraints: Iterable[str]) -> bool:
    return all(satisfies(node, constraint) for constraint in constraints)


def runs_one_of(node: Node, platforms: Iterable[Mapping[str, str]]) -> bool:
    """Whether the node is of one of the platforms that a service's image is made for; none at all means any."""
    wanted = list(platforms)
    actual = node.get("Description", {}).get("Platform", {})
    return not wanted or any(
        platform.get("OS", "") in ("", actual.get("OS"))
        and (not platform.get("Architecture") or _architecture(platform) == _architecture(actual))
        for platform in wanted
    )


def _architecture(platform: Mapping[str, str]) -> str:
    """By the one of its two names that images use."""
    name = platform.get("Architecture", "")
    return _ARCHITECTURES.get(name, name)


def is_active(node: Node) -> bool:
    """Whether an operator lets tasks run on the node; it may be down all the same."""
    return bool(node["Spec"].get("Availability", "active") == "active")


def is_up(node: Node) -> bool:
    return bool(node.get("Status", {}).get("State") != "down")


def hostname(node: Node) -> str:
    return str(node.get("Description", {}).get("Hostname") or node["ID"])


def _attribute(node: Node, key: str) -> str | None:
    """The value a constraint's key stands for; "" for a label the node does not have, None for an unknown key."""
    description = node.get("Description", {})
    platform = description.get("Platform", {})
    if key.lower().startswith("node.labels."):
        return str(node["Spec"].get("Labels", {}).get(key[len("node.labels.") :], ""))
    if key.lower().startswith("engine.labels."):
        return str(description.get("Engine", {}).get("Labels", {}).get(key[len("engine.labels.") :], ""))
    values = {
        "node.id": node["ID"],
        "node.hostname": description.get("Hostname", ""),
        "node.role": node["Spec"].get("Role", ""),
        "node.platform.os": platform.get("OS", ""),
        "node.platform.arch": platform.get("Architecture", ""),
    }
    return values.get(key.lower())


def _in_network(node: Node, network: str) -> bool:
    address = node.get("Status", {}).get("Addr", "")
    try:
        return ip_address(address) in ip_network(network, strict=False)
    except ValueError:
        return False
