# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stack of which a part is as its file says, and the rest as its newest release has it. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import (
    Compose,
    effective,
    full_name,
    networks_of,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_masking import flattened
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release

_KINDS = ("networks", "volumes", "secrets", "configs")


def part(desired: Desired, release: Release, names: Collection[str]) -> Desired:
    """The services of these names as desired, all others as the release has them. Raises Refused.

    Where that is all that is desired, it is complete.
    """
    released, file, stack = release.file(), desired.compose, desired.stack
    there = file["services"].keys() | released["services"].keys()
    unknown = sorted(set(names) - there)
    if unknown:
        raise Refused(
            f"services: neither the Compose file nor release {release.number} has {', '.join(unknown)}; they have "
            f"{', '.join(sorted(there))}"
        )
    waiting = tuple(name for name in sorted(there - set(names)) if not _is_same(released, file, stack, name))
    if not waiting:
        return desired
    compose = merged(released, file, names, stack)
    named = {kind: {key: full_name(compose, stack, kind, key) for key in compose.get(kind, {})} for kind in _KINDS}
    contents = {*named["secrets"].values(), *named["configs"].values()}
    deployed = {service["image"] for name, service in compose["services"].items() if name in names}
    staying = {service["image"] for name, service in compose["services"].items() if name not in names}
    # Where both have resolved one reference, the later answer counts for what is deployed next.
    images = {
        **{reference: image for reference, image in release.images.items() if image in staying},
        **{reference: image for reference, image in desired.images.items() if image in deployed},
    }
    return replace(
        desired,
        compose=compose,
        images=images,
        made=tuple(item for item in desired.made if named[f"{item.kind}s"].get(item.key) == item.name),
        contents={name: content for name, content in desired.contents.items() if name in contents},
        self_named={key: name for key, name in desired.self_named.items() if named["secrets"].get(key) == name},
        complete=False,
        waiting=waiting,
    )


def merged(released: Compose, file: Compose, names: Collection[str], stack: str) -> Compose:
    """The services of these names from the file, all others from the newest release, and what they refer to.

    Raises Refused where services of both refer to one thing that the file and the release declare differently.
    """
    ours = {name: service for name, service in file["services"].items() if name in names}
    theirs = {name: service for name, service in released["services"].items() if name not in names}
    services = {**ours, **theirs}
    order = {**file["services"], **released["services"]}
    compose = {
        **{key: value for key, value in file.items() if key not in _KINDS},
        "services": {name: services[name] for name in order if name in services},
    }
    clashes = []
    for kind in _KINDS:
        by_us, by_them = _users(kind, ours), _users(kind, theirs)
        clashes += [
            f"{kind}.{key} is not in the Compose file what it is in the newest release, and {', '.join(by_us[key])} "
            f"would take the one while {', '.join(by_them[key])} stays with the other: deploy them together, or leave "
            "services empty"
            for key in sorted(by_us.keys() & by_them.keys())
            if _told(file, stack, kind, key) != _told(released, stack, kind, key)
        ]
        declared = {
            **{key: item for key, item in released.get(kind, {}).items() if key in by_them},
            **{key: item for key, item in file.get(kind, {}).items() if key in by_us},
        }
        if declared:
            compose[kind] = declared
    if clashes:
        raise Refused(". ".join(clashes))
    return compose


def _is_same(released: Compose, file: Compose, stack: str, name: str) -> bool:
    """Whether a service is in the file what it is in the release, with its networks."""
    if not (name in released["services"] and name in file["services"]):
        return False
    if flattened(effective(released, stack, name)) != flattened(effective(file, stack, name)):
        return False
    before, after = released.get("networks", {}), file.get("networks", {})
    keys = networks_of(file["services"][name])
    return all((before.get(key, after.get(key)) or {}) == (after.get(key) or {}) for key in keys)


def _told(compose: Compose, stack: str, kind: str, key: str) -> Any:
    """What a declaration means. Secrets and configs never change under a name, wherever they came from."""
    if kind in ("secrets", "configs"):
        return full_name(compose, stack, kind, key)
    return compose.get(kind, {}).get(key) or {}


def _users(kind: str, services: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """By key of what services refer to, their names."""
    users: dict[str, list[str]] = {}
    for name, service in services.items():
        keys = networks_of(service) if kind == "networks" else {item.get("source") for item in service.get(kind, [])}
        if kind == "configs":
            keys = {*keys, (service.get("credential_spec") or {}).get("config")}
        # tmpfs and anonymous volumes have no source.
        for key in filter(None, keys):
            users.setdefault(key, []).append(name)
    return users
