# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of the swarm's planners share: states written in a few words."""

from __future__ import annotations

from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node, Swarm


def nodes(written: dict[str, dict[str, Any]], defaults: dict[str, Any]) -> tuple[Node, ...]:
    """Nodes by ID, each merged over the defaults; what the planners do not look at is filled in."""
    fixed = {"address": "10.0.0.9", "engine_version": "26.1.5", "version": 7, "spec": {}}
    return tuple(Node(**{**fixed, "id": key, "name": key, **defaults, **(node or {})}) for key, node in written.items())


def swarm(**over: Any) -> Swarm:
    """An engine without a swarm, with what is given in its place."""
    values: dict[str, Any] = {
        "engine_version": "26.1.5",
        "api_version": "1.45",
        "state": "inactive",
        "error": "",
        "node_id": "",
        "node_name": "server-1",
        "node_address": "",
        "manager": False,
        "cluster_id": None,
        "remote_managers": (),
        "default_addr_pool": (),
        "subnet_size": None,
        "down_after": 35.0,
        "admitted": True,
        "nodes": (),
    }
    return Swarm(**{**values, **over})
