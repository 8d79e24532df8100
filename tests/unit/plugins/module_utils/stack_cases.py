# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Objects of an engine and Compose files, from the short forms that the cases of the stack's tests are written in."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import Compose
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import Made
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    NAMESPACE,
    State,
    spec_digests,
)

STACK = "app"


def compose(services: dict[str, Any], **rest: Any) -> Compose:
    """A normalised file; a service without an image gets one."""
    return {"services": {name: {"image": "web:1", **(service or {})} for name, service in services.items()}, **rest}


def desired(file: Compose, **rest: Any) -> Desired:
    made = tuple(Made(**item) for item in rest.pop("made", ()))
    contents = {name: content.encode() for name, content in rest.pop("contents", {}).items()}
    return Desired(STACK, copy.deepcopy(file), images={}, hash_key="00", made=made, contents=contents, **rest)


def node(name: str, labels: dict[str, str] | None = None, **over: Any) -> dict[str, Any]:
    return {
        "ID": f"id-{name}",
        "Spec": {
            "Role": over.get("role", "worker"),
            "Availability": over.get("availability", "active"),
            "Labels": labels or {},
        },
        "Description": {
            "Hostname": name,
            "Platform": {"OS": "linux", "Architecture": "x86_64"},
            "Engine": {"Labels": {"disk": "ssd"}},
        },
        "Status": {"State": over.get("status", "ready"), "Addr": over.get("address", "10.0.0.2")},
    }


def service(full_name: str, stack: str | None = STACK, **spec: Any) -> dict[str, Any]:
    labels = {NAMESPACE: stack} if stack else {}
    template = {"ContainerSpec": {"Image": "web:1"}}
    return {
        "ID": f"id-{full_name}",
        "Spec": {
            "Name": full_name,
            "Labels": labels,
            "TaskTemplate": template,
            "Mode": {"Replicated": {"Replicas": 1}},
            **spec,
        },
    }


def owned(names: list[str], labels: dict[str, str] | None = None) -> dict[str, Any]:
    """Secrets, configs or networks of the stack, by name."""
    labels = labels or {NAMESPACE: STACK}
    return {
        name: {"ID": name, "Name": name, "Scope": "swarm", "Labels": labels, "Spec": {"Name": name, "Labels": labels}}
        for name in names
    }


def released(file: Compose, number: int = 1) -> Release:
    """The record of a release whose services are all as ``service`` makes them."""
    specs = {name: spec_digests(service(f"{STACK}_{name}")["Spec"]) for name in file["services"]}
    return Release(number, "2026-11-23T19:00:00+00:00", copy.deepcopy(file), {}, specs)


def state(running: list[str], releases: tuple[Release, ...] = (), **rest: Any) -> State:
    services = {name: service(f"{STACK}_{name}") for name in running}
    return State(STACK, services, releases=releases, **rest)
