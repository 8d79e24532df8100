# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a normalised Compose file means on a Swarm. Pure: nothing here reads a file, a registry or an engine.

Note that this is private to the collection: other collections must not import it.

"Normalised" is what ``docker stack config`` prints: long syntax, merged and interpolated. Objects of a file go by their
key there ("frontend"); the Swarm knows them by a full name ("voteapp_frontend").
"""

from __future__ import annotations

import json
import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

Compose = dict[str, Any]

# What `docker stack deploy` reads past, by its own lists and by what its conversion leaves out.
_IGNORED_OPTIONS = {
    "build": "images are built beforehand; the option image names them",
    "cgroup_parent": "",
    "cgroupns_mode": "",
    "container_name": "Swarm names the containers",
    "depends_on": "Swarm has no start order; services must retry",
    "devices": "",
    "domainname": "",
    "expose": "services of one network reach each other on every port",
    "external_links": "",
    "ipc": "",
    "links": "services of one network reach each other by name",
    "mac_address": "",
    "network_mode": "",
    "pid": "",
    "privileged": "",
    "security_opt": "set no-new-privileges in the engine's daemon.json",
    "shm_size": "mount a tmpfs on /dev/shm",
    "tmpfs": "mount a volume of type tmpfs",
    "userns_mode": "",
}
# Valid in JSON as they are, not in YAML.
_NOT_PRINTABLE = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
_INTERPOLATED = ("services", "networks", "volumes", "secrets", "configs")
# With a default (-) or a word for the lack of it (?) a variable need not be there.
_VARIABLE = re.compile(r"\$(?:\$|(?P<named>[_a-zA-Z]\w*)|\{(?P<braced>[_a-zA-Z]\w*)\})", re.ASCII)
_IGNORED_ENDPOINT_OPTIONS = ("ipv4_address", "ipv6_address", "link_local_ips", "mac_address", "priority")


def escaped(compose: Compose) -> str:
    """The file as input of ``docker stack deploy``, which interpolates once more: every ``$`` of a value is doubled.

    JSON, because it is YAML that no reader of any YAML version takes for something else.
    """

    def escape(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("$", "$$")
        if isinstance(value, list):
            return [escape(item) for item in value]
        if isinstance(value, dict):
            return {key: escape(item) for key, item in value.items()}
        return value

    text = json.dumps(escape(compose), ensure_ascii=False)
    return _NOT_PRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def clear(compose: Compose) -> None:
    """Take out of what ``docker stack config`` prints what it has dealt with, and put in what it loses, in place.

    Extension fields are the author's alone, and files of variables have been read. The version is that of the file, and
    an old one does not know all that is added. Limits of zero are not printed, and missed when it is read again.
    """
    compose.pop("version", None)
    services = compose["services"].values()
    for fields in (compose, *services):
        for key in [key for key in fields if key.startswith("x-") or key == "env_file"]:
            del fields[key]
    limits = (limit for service in services for limit in (service.get("ulimits") or {}).values())
    for limit in limits:
        if isinstance(limit, dict):
            limit.setdefault("soft", 0)
            limit.setdefault("hard", 0)


def borrowed_variables(compose: Compose, names: Iterable[str]) -> list[str]:
    """Variables of these names that services leave empty, as whole sentences: deploying takes those of the manager."""
    return [
        f"services.{service}.environment.{name} has no value, and deploying would give it that of the manager: give it "
        "one, or leave it out"
        for service, told in compose["services"].items()
        for name in names
        if name in (told.get("environment") or {}) and not told["environment"][name]
    ]


def homeless_folders(compose: Compose) -> list[str]:
    """Folders of a user's that services mount, as whole sentences: there is no user whose folder could be meant."""
    return [
        f"services.{service}.volumes: {mount['source']} begins at a user's home (~), and nodes differ in that: give "
        "the whole path"
        for service, told in compose["services"].items()
        for mount in told.get("volumes", [])
        if mount.get("type") == "bind" and "~" in mount["source"].split("/")
    ]


def unset_variables(value: Any, names: Collection[str], path: str = "") -> Iterator[str]:
    """The places of a file, as it is before its variables are filled in, that name a variable which is none of these.

    The command line would put nothing there, without a word.
    """
    if isinstance(value, dict):
        for key, item in value.items():
            if path or key in _INTERPOLATED:
                yield from unset_variables(item, names, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for item in value:
            yield from unset_variables(item, names, path)
    elif isinstance(value, str):
        for match in _VARIABLE.finditer(value):
            name = match["named"] or match["braced"]
            if name and name not in names:
                yield f"{path} has ${name}"


def ignored_options(compose: Compose) -> list[str]:
    """The paths of the options that deploying ignores, each with what to do instead where there is something to do."""
    found = []
    for name, service in compose["services"].items():
        for option in sorted(_IGNORED_OPTIONS.keys() & service.keys()):
            advice = _IGNORED_OPTIONS[option]
            found.append(f"services.{name}.{option}" + (f": {advice}" if advice else ""))
        for network, endpoint in (service.get("networks") or {}).items():
            options = (option for option in _IGNORED_ENDPOINT_OPTIONS if option in (endpoint or {}))
            found.extend(f"services.{name}.networks.{network}.{option}" for option in options)
    return found


def full_name(compose: Compose, stack: str, kind: str, key: str) -> str:
    """The name in the Swarm of what ``compose[kind][key]`` declares."""
    declared = compose.get(kind, {}).get(key) or {}
    return str(declared.get("name") or (key if declared.get("external") else f"{stack}_{key}"))


def networks_of(service: Mapping[str, Any]) -> Mapping[str, Any]:
    """The networks a service joins, by key; a service that names none joins ``default``."""
    return service.get("networks") or {"default": None}


def undeclared(compose: Compose) -> list[str]:
    """What services refer to and the file does not declare, as complete sentences."""
    problems = []
    for name, service in compose["services"].items():
        references = [("networks", key) for key in networks_of(service) if key != "default"]
        references += [(kind, item["source"]) for kind in ("secrets", "configs") for item in service.get(kind, [])]
        references += [("volumes", mount["source"]) for mount in _named_volumes(service)]
        problems += [
            f"services.{name}.{kind} names {key}, which the Compose file does not declare under {kind}"
            for kind, key in references
            if key not in compose.get(kind, {})
        ]
    return problems


def effective(compose: Compose, stack: str, name: str) -> dict[str, Any]:
    """Service ``name`` with every reference replaced by what it resolves to, so that equal means equal on the Swarm.

    A rotated secret changes its full name only: the service itself still says ``db_password``.
    """
    service: dict[str, Any] = deepcopy(compose["services"][name])
    for option in _IGNORED_OPTIONS:
        service.pop(option, None)
    for kind in ("secrets", "configs"):
        for item in service.get(kind, []):
            item["name"] = full_name(compose, stack, kind, item["source"])
    for mount in _named_volumes(service):
        mount["declared"] = deepcopy(compose.get("volumes", {}).get(mount["source"]) or {})
    service["networks"] = {
        full_name(compose, stack, "networks", key): {
            option: value for option, value in (endpoint or {}).items() if option not in _IGNORED_ENDPOINT_OPTIONS
        }
        for key, endpoint in networks_of(service).items()
    }
    return service


def start_new_tasks_first(compose: Compose) -> None:
    """Give services the order of updates that they stand best where the file names none, in place.

    A new task is started before the old one stops where both can be there at once: neither a disk nor a port of the
    node is theirs, and nothing bounds the tasks of a node. The engine's own default is to stop first.
    """
    for service in compose["services"].values():
        deploy = service.get("deploy") or {}
        if deploy.get("mode", "replicated") != "replicated" or not _can_be_doubled(service, deploy):
            continue
        for option in ("update_config", "rollback_config"):
            service.setdefault("deploy", {}).setdefault(option, {}).setdefault("order", "start-first")


def _can_be_doubled(service: Mapping[str, Any], deploy: Mapping[str, Any]) -> bool:
    writes = any(mount.get("type") != "tmpfs" and not mount.get("read_only") for mount in service.get("volumes", []))
    on_host = any(port.get("mode") == "host" for port in service.get("ports", []))
    return not writes and not on_host and not (deploy.get("placement") or {}).get("max_replicas_per_node")


def volumes_of(compose: Compose, stack: str, service: str) -> dict[str, dict[str, Any]]:
    """The named volumes that a service mounts and the file does not call external: what is declared, by full name."""
    declared = compose.get("volumes", {})
    keys = {mount["source"] for mount in _named_volumes(compose["services"][service])}
    return {
        full_name(compose, stack, "volumes", key): declared.get(key) or {}
        for key in sorted(keys)
        if not (declared.get(key) or {}).get("external")
    }


def _named_volumes(service: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    return (mount for mount in service.get("volumes", []) if mount.get("type") == "volume" and mount.get("source"))


@dataclass(frozen=True)
class Image:
    """The parts of an image reference; ``tag`` and ``digest`` are empty where the reference has none."""

    name: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, reference: str) -> Image:
        rest, _at, digest = reference.partition("@")
        match = re.fullmatch(r"(?P<name>.*?)(:(?P<tag>[^:/]+))?", rest)
        if match is None or not match["name"]:
            raise Refused(f"{reference!r} is not an image reference: give it as name:tag or name@sha256:...")
        return cls(match["name"], match["tag"] or "", digest)

    def pinned(self, digest: str) -> str:
        return f"{self.name}:{self.tag or 'latest'}@{digest}"


def pin_images(
    compose: Compose, mode: str, known: Mapping[str, str], digest_of: Callable[[str], str]
) -> dict[str, str]:
    """Pin the images of all services by digest, in place; returns the pinned reference of every reference used.

    mode: "always" asks ``digest_of`` for every reference, "changed" only for those that ``known`` (what an earlier
    call returned) has no digest for, "never" leaves them as they are.
    """
    pinned: dict[str, str] = {}
    for name, service in compose["services"].items():
        reference = service.get("image")
        if not reference:
            raise Refused(f"services.{name} has no image: Swarm builds none, name one that the nodes can pull or have")
        if reference not in pinned:
            pinned[reference] = _pinned(reference, mode, known, digest_of)
        service["image"] = pinned[reference]
    return pinned


def _pinned(reference: str, mode: str, known: Mapping[str, str], digest_of: Callable[[str], str]) -> str:
    image = Image.parse(reference)
    if image.digest or mode == "never":
        return reference
    before = known.get(reference, "")
    if mode == "changed" and Image.parse(before or reference).digest:
        return before
    return image.pinned(digest_of(reference))
