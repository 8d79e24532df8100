# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the tests of swarm_stack share: Compose files, options, and looks at what a run left in a manager in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import FakeSwarm

Deploy = Callable[..., dict[str, Any]]

FILE = """
services:
  web: {image: "web:1", networks: {front: null}, environment: {PRICE: "5$", DB_PASSWORD: hunter2}}
networks: {front: null}
"""
SECRET = """
services:
  web: {image: "web:1", networks: {front: null}, secrets: [{source: db_password}]}
networks: {front: null}
secrets: {db_password: {external: true, name: db_password}}
"""
TWO = """
services:
  web: {image: "web:1", networks: {front: null}}
  worker: {image: "worker:1", networks: {front: null}}
networks: {front: null}
"""
ONE = TWO.replace('  worker: {image: "worker:1", networks: {front: null}}\n', "")


def record(swarm: FakeSwarm, number: int) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(content(swarm, "config", f"app.release.{number}"))
    return data


def content(swarm: FakeSwarm, kind: str, name: str) -> bytes:
    return base64.b64decode(swarm.stores[kind][name]["Spec"]["Data"])


def container(swarm: FakeSwarm) -> dict[str, Any]:
    """The part of the spec of the service web."""
    part: dict[str, Any] = swarm.stores["service"]["app_web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    return part


def scale_by_hand(swarm: FakeSwarm, replicas: int) -> None:
    swarm.stores["service"]["app_web"]["Spec"]["Mode"]["Replicated"]["Replicas"] = replicas


def generated(generation: int) -> dict[str, Any]:
    """Options for a deployment of ``SECRET``."""
    generate = {"length": 20, "generation": generation}
    return {"compose": SECRET, "secrets": [{"name": "db_password", "generate": generate}]}
