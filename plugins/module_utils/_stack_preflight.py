# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What would fail half-way through a deployment, found before anything is created. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import full_name, networks_of, undeclared
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._placement import (
    hostname,
    is_active,
    satisfies,
    satisfies_all,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import data_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import State

# Bytes that no engine takes; older engines draw the line for configs at 500 KiB and say so themselves. A release is
# kept in a config too, on whichever engine, with about a kilobyte for each service besides the file.
_RECORD_LIMIT = 500 * 1024
_RECORD_OVERHEAD = 2 * 1024
_SIZE_LIMITS = {"secrets": 500 * 1024, "configs": 1000 * 1024}
_BUILT_IN_NETWORKS = {"host", "bridge", "none", "nat"}


def problems(desired: Desired, state: State) -> list[str]:
    """Every reason not to send the file; each is a sentence that names the setting and the way out."""
    found = undeclared(desired.compose)
    if found:
        return found
    return [
        *_placement(desired, state),
        *_ports(desired, state),
        *_moved_ports(desired, state),
        *_externals(desired, state),
        *_sizes(desired),
    ]


def _placement(desired: Desired, state: State) -> Iterator[str]:
    active = [node for node in state.nodes if is_active(node)]
    for name, service in desired.compose["services"].items():
        deploy = service.get("deploy", {})
        replicas = deploy.get("replicas", 1)
        if replicas == 0:
            continue
        constraints = deploy.get("placement", {}).get("constraints", [])
        fitting = [node for node in active if satisfies_all(node, constraints)]
        if not fitting:
            yield _nowhere(name, constraints, active)
        per_node = deploy.get("placement", {}).get("max_replicas_per_node", 0)
        replicated = deploy.get("mode", "replicated") == "replicated"
        if replicated and per_node and 0 < per_node * len(fitting) < replicas:
            yield (
                f"services.{name}.deploy: {replicas} replicas do not fit on {len(fitting)} nodes with "
                f"max_replicas_per_node {per_node}: raise the one or lower the other"
            )


def _nowhere(name: str, constraints: list[str], active: list[Mapping[str, Any]]) -> str:
    if not active:
        return f"services.{name}: no node is active: make one available (availability: active in swarm_nodes)"
    alone = [constraint for constraint in constraints if not any(satisfies(node, constraint) for node in active)]
    unmet = " and ".join(alone or constraints)
    nodes = ", ".join(sorted(hostname(node) for node in active))
    return (
        f"services.{name}.deploy.placement.constraints: no active node satisfies {unmet} (active: {nodes}): "
        "give a node that label or role with triad.hetzner_swarm.swarm_nodes, or change the constraint"
    )


@dataclass(frozen=True)
class _Port:
    """A published port and the nodes it takes: all for an ingress port, those of the tasks for a host-mode one."""

    service: str
    number: int
    protocol: str
    mode: str
    everywhere: bool

    def clashes(self, other: _Port) -> bool:
        """Two host-mode ports share a Swarm as long as the scheduler can keep them apart."""
        if (self.number, self.protocol) != (other.number, other.protocol):
            return False
        return "ingress" in (self.mode, other.mode) or (self.everywhere and other.everywhere)


def _ports(desired: Desired, state: State) -> Iterator[str]:
    taken = [port for service in state.others for port in _engine_ports(service)]
    if not desired.prune:
        extra = state.services.keys() - desired.compose["services"].keys()
        taken += [port for name in sorted(extra) for port in _engine_ports(state.services[name])]
    for name, service in desired.compose["services"].items():
        ours = list(_compose_ports(name, service))
        for port in ours:
            other = next((candidate for candidate in taken if port.clashes(candidate)), None)
            if other:
                yield (
                    f"services.{name}.ports: {port.number}/{port.protocol} ({port.mode}) is published by the service "
                    f"{other.service} ({other.mode}) already: publish another port or remove that one"
                )
        taken += ours


def _moved_ports(desired: Desired, state: State) -> Iterator[str]:
    """Ports of the mesh that go from one service of the stack to another, which the engine takes in any order."""
    services = desired.compose["services"]
    for other in sorted(services.keys() & state.services.keys()):
        kept = {(port.number, port.protocol) for port in _compose_ports(other, services[other])}
        freed = [port for port in _engine_ports(state.services[other]) if (port.number, port.protocol) not in kept]
        for name in services:
            for port in _compose_ports(name, services[name]):
                if name != other and any(port.clashes(old) and "ingress" in (port.mode, old.mode) for old in freed):
                    yield (
                        f"services.{name}.ports: {port.number}/{port.protocol} is still published by {other}, and "
                        f"which of them is updated first is by chance: deploy once with {other} without it, then this"
                    )


def _compose_ports(name: str, service: Mapping[str, Any]) -> Iterator[_Port]:
    deploy = service.get("deploy", {})
    everywhere = deploy.get("mode") == "global" and not deploy.get("placement", {}).get("constraints")
    for port in service.get("ports", []):
        if port.get("published"):
            protocol, mode = port.get("protocol", "tcp"), port.get("mode", "ingress")
            yield _Port(name, int(port["published"]), protocol, mode, everywhere)


def _engine_ports(service: Mapping[str, Any]) -> Iterator[_Port]:
    spec = service["Spec"]
    everywhere = "Global" in spec.get("Mode", {}) and not spec["TaskTemplate"].get("Placement", {}).get("Constraints")
    for port in spec.get("EndpointSpec", {}).get("Ports") or []:
        if port.get("PublishedPort"):
            protocol, mode = port.get("Protocol", "tcp"), port.get("PublishMode", "ingress")
            yield _Port(spec["Name"], port["PublishedPort"], protocol, mode, everywhere)


def _externals(desired: Desired, state: State) -> Iterator[str]:
    made = {item.name for item in desired.made}
    used = {key for service in desired.compose["services"].values() for key in networks_of(service)}
    for kind, existing in (("networks", state.networks), ("secrets", state.secrets), ("configs", state.configs)):
        for key, declared in desired.compose.get(kind, {}).items():
            name = full_name(desired.compose, desired.stack, kind, key)
            if not (declared or {}).get("external") or name in made:
                continue
            if kind == "networks" and (name in _BUILT_IN_NETWORKS or key not in used):
                continue
            if name not in existing:
                what = kind.rstrip("s")
                yield f"{kind}.{key}: the external {what} {name} does not exist: create it or drop external"
            elif kind == "networks" and existing[name].get("Scope") != "swarm":
                yield f"networks.{key}: {name} is a network of this engine, not of the Swarm: use an overlay network"


def _sizes(desired: Desired) -> Iterator[str]:
    sizes = {name: len(content) for name, content in desired.contents.items()}
    for item in desired.made:
        sizes[item.name] = item.length if item.content is None else len(item.content)
    for kind, limit in _SIZE_LIMITS.items():
        for key in desired.compose.get(kind, {}):
            size = sizes.get(full_name(desired.compose, desired.stack, kind, key), 1)
            if size < 1:
                yield f"{kind}.{key} is empty, and Swarm takes none that is: give it a value, or leave it out"
            if size > limit:
                yield f"{kind}.{key} has {size} bytes and Swarm keeps {limit} at most: put it in a volume or the image"
    size = len(json.dumps(desired.compose, ensure_ascii=False).encode())
    if size + _RECORD_OVERHEAD * len(desired.compose["services"]) > _RECORD_LIMIT:
        yield (
            f"The Compose file has {size} bytes, too many for the record of a release in the Swarm ({_RECORD_LIMIT}): "
            "move large values into configs, or split the stack"
        )


def unchangeable(desired: Desired, state: State) -> Iterator[str]:
    """Changes that the engine refuses, or that deploying would silently leave out: to be refused even where nothing
    else is to be done.
    """
    for name, service in desired.compose["services"].items():
        actual = state.services.get(name)
        mode = service.get("deploy", {}).get("mode", "replicated")
        if actual and mode.replace("-", "") not in {key.lower() for key in actual["Spec"].get("Mode", {})}:
            yield (
                f"services.{name}.deploy.mode: a service that exists cannot become {mode}: "
                "give the service another name, or remove it first (docker service rm)"
            )
    for key, declared in desired.compose.get("configs", {}).items():
        name = declared.get("name", "")
        if declared.get("file") and name in state.configs and data_of(state.configs[name]) != desired.contents[name]:
            yield (
                f"configs.{key}: the config {name} is there with other content, which the engine cannot change: leave "
                "its name out of the Compose file, and it follows the content"
            )
    release = state.release
    for key, declared in desired.compose.get("networks", {}).items():
        name = full_name(desired.compose, desired.stack, "networks", key)
        before = release.compose.get("networks", {}).get(key, declared) if release else declared
        if name in state.networks and (before or {}) != (declared or {}) and not (declared or {}).get("external"):
            yield (
                f"networks.{key}: the options of a network that exists cannot change: "
                "declare a network of another name and move the services to it"
            )
