# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a Swarm holds of a stack: its objects and records.

Note that this is private to the collection: other collections must not import it.

Its records are config objects: each release as ``<stack>.release.<number>``, the random key that secrets and configs
are named with as ``<stack>.key``, and while a deployment is under way ``<stack>.lock``. They carry labels of their own
and not the label of the stack's objects, so neither ``docker stack deploy --prune`` nor ``docker stack rm`` sees them.

Objects are passed on as the engine lists them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release

if TYPE_CHECKING:
    from docker import APIClient

NAMESPACE = "com.docker.stack.namespace"
IMAGE_LABEL = "com.docker.stack.image"
"""The image that the command line has last set. Where that is wanted, it leaves the service what it has by now."""

STACK_LABEL = "triad.hetzner_swarm.stack"
RELEASE_LABEL = "triad.hetzner_swarm.release"
KEY_LABEL = "triad.hetzner_swarm.key"
LOCK_LABEL = "triad.hetzner_swarm.lock"

Object = Mapping[str, Any]


@dataclass(frozen=True)
class State:
    """Everything the planner and the preflight look at, read once.

    services: the stack's, by short name; others: every other service of the Swarm.
    networks, secrets, configs: all of the Swarm, by full name. releases: the stack's, oldest first.
    hash_key: hexadecimal, what the stack's secrets and configs are named with; "" where there is none yet.
    """

    stack: str
    services: Mapping[str, Object] = field(default_factory=dict)
    others: tuple[Object, ...] = ()
    networks: Mapping[str, Object] = field(default_factory=dict)
    secrets: Mapping[str, Object] = field(default_factory=dict)
    configs: Mapping[str, Object] = field(default_factory=dict)
    nodes: tuple[Object, ...] = ()
    releases: tuple[Release, ...] = ()
    hash_key: str = ""

    @property
    def release(self) -> Release | None:
        return self.releases[-1] if self.releases else None

    def owned(self, objects: Mapping[str, Object]) -> Iterator[str]:
        """The names of those ``objects`` that belong to the stack; its records are not among them."""
        for name, item in objects.items():
            labels = labels_of(item)
            mine = NAMESPACE in labels or STACK_LABEL in labels
            record = labels.keys() & {RELEASE_LABEL, KEY_LABEL, LOCK_LABEL}
            if mine and not record and self.stack in (labels.get(NAMESPACE), labels.get(STACK_LABEL)):
                yield name


def labels_of(item: Object) -> Mapping[str, str]:
    """The labels of a network (which has them at the top) or of a service, secret or config (in its spec)."""
    return item.get("Labels") or item.get("Spec", {}).get("Labels") or {}


def read(client: APIClient, stack: str) -> State:
    """One list call for each kind of object."""
    with engine_errors(f"read the state of the stack {stack}"):
        services, networks = client.services(), client.networks()
        secrets, configs, nodes = client.secrets(), client.configs(), client.nodes()
    mine = [service for service in services if labels_of(service).get(NAMESPACE) == stack]
    records = [config for config in configs if _is_record(config, stack, RELEASE_LABEL)]
    releases = (Release.decoded(record["Spec"]["Name"], data_of(record)) for record in records)
    return State(
        stack=stack,
        services={service["Spec"]["Name"][len(stack) + 1 :]: service for service in mine},
        others=tuple(service for service in services if labels_of(service).get(NAMESPACE) != stack),
        networks={network["Name"]: network for network in networks},
        secrets=_by_name(secrets),
        configs=_by_name(configs),
        nodes=tuple(nodes),
        releases=tuple(sorted(releases, key=lambda release: release.number)),
        hash_key=next((data_of(config).decode() for config in configs if _is_record(config, stack, KEY_LABEL)), ""),
    )


def volumes_here(client: APIClient, names: Iterable[str]) -> list[str]:
    """Those of the named volumes that the engine of this client has."""
    wanted = sorted(set(names))
    if not wanted:
        return []
    with engine_errors("list the volumes of this engine"):
        found = {volume["Name"] for volume in client.volumes()["Volumes"] or ()}
    return [name for name in wanted if name in found]


def key_name(stack: str) -> str:
    """Of the config with the key that contents are named with."""
    return f"{stack}.key"


def lock_name(stack: str) -> str:
    """Of the config that is there while the stack is deployed."""
    return f"{stack}.lock"


def _is_record(config: Object, stack: str, label: str) -> bool:
    labels = labels_of(config)
    return label in labels and labels.get(STACK_LABEL) == stack


def image_of(spec: Object) -> str:
    """The image in a service's spec; empty where its tasks are no containers."""
    return str(spec["TaskTemplate"].get("ContainerSpec", {}).get("Image", ""))


def data_of(config: Object) -> bytes:
    """What a config holds."""
    return base64.b64decode(config["Spec"]["Data"])


def _by_name(objects: Iterable[Object]) -> dict[str, Object]:
    return {item["Spec"]["Name"]: item for item in objects}


def spec_digests(spec: Object) -> dict[str, str]:
    """A short digest for every part of a service's spec, by path: what a drift is found and named by.

    ForceUpdate is left out: ``docker service update --force`` moves tasks and changes nothing.
    """
    digests: dict[str, str] = {}
    for path, value in _parts(meaningful(spec)):
        text = json.dumps(value, sort_keys=True, ensure_ascii=False)
        digests[path] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return digests


def meaningful(value: Any) -> Any:
    """A spec without what engines leave out, fill in or count by themselves: empty values, runtime, ForceUpdate."""
    if not isinstance(value, Mapping):
        return [meaningful(item) for item in value] if isinstance(value, list) else value
    cleaned = {key: meaningful(item) for key, item in value.items() if key != "ForceUpdate"}
    if cleaned.get("Runtime") == "container":
        del cleaned["Runtime"]
    return {key: item for key, item in cleaned.items() if item or (item == 0 and key == "Replicas")}


def _parts(value: Any, path: str = "", depth: int = 3) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, Mapping) or not depth:
        yield path, value
        return
    for key, item in value.items():
        yield from _parts(item, f"{path}.{key}" if path else key, depth - 1)
