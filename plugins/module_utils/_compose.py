# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a normalised Compose file means on a Swarm. Pure: nothing here reads a file, a registry or an engine.

Note that this is private to the collection: other collections must not import it.

"Normalised" is what ``docker stack config`` prints: long syntax, merged and interpolated. Objects of a file go by their
key there ("frontend"); the Swarm knows them by a full name ("voteapp_frontend").
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

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
    "restart": "use deploy.restart_policy",
    "security_opt": "set no-new-privileges in the engine's daemon.json",
    "shm_size": "mount a tmpfs on /dev/shm",
    "userns_mode": "",
}
# Valid in JSON as they are, not in YAML.
_NOT_PRINTABLE = re.compile("[\x7f-\x84\x86-\x9f\ufeff\ufffe\uffff]")
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


@dataclass(frozen=True)
class Made:
    """A secret or config that the module makes itself, and the Compose file refers to as external.

    kind: "secret" or "config". key: its name in the file; name: in the Swarm. content: None where a random value of
    ``length`` characters is generated when the object is made. note: what tells it from its predecessors, for people.
    """

    kind: str
    key: str
    name: str
    content: bytes | None = field(default=None, repr=False)
    length: int = 0
    note: str = ""


def name_made(
    compose: Compose, stack: str, hash_key: str, secrets: list[dict[str, Any]], configs: list[dict[str, Any]]
) -> list[Made]:
    """Point the external secrets and configs of the file at those that the module's options give, in place.

    Swarm cannot change a secret or a config, so other content needs another name; a generated secret is named by its
    generation. secrets, configs: the options of that name.
    """
    made = []
    for kind, requests in (("secret", secrets), ("config", configs)):
        for request in requests:
            item = _made(kind, stack, hash_key, request)
            declared = compose.get(f"{kind}s", {}).get(item.key)
            if declared is None or not declared.get("external"):
                raise Refused(
                    f"{kind}s: {item.key} is made by this module, so the Compose file must declare it as external: "
                    f"{kind}s: {{{item.key}: {{external: true}}}}"
                )
            declared["name"] = item.name
            made.append(item)
    return made


def _made(kind: str, stack: str, hash_key: str, request: dict[str, Any]) -> Made:
    key, generate = request["name"], request.get("generate")
    if generate:
        generation = generate["generation"]
        name = _legal_name(f"{stack}_{key}_v{generation}")
        return Made(kind, key, name, length=generate["length"], note=f"generation {generation}")
    content = request["value" if kind == "secret" else "content"].encode()
    return Made(kind, key, _content_name(stack, key, hash_key, content), content, note="named by its content")


def name_files(compose: Compose, stack: str, hash_key: str, read: Callable[[str], bytes]) -> dict[str, bytes]:
    """Name secrets and configs that come from files by their content, in place; returns the contents by full name.

    A name given in the file is kept.
    """
    contents = {}
    for kind in ("secrets", "configs"):
        for key, declared in compose.get(kind, {}).items():
            path = declared.get("file")
            if path:
                content = read(path)
                declared.setdefault("name", _content_name(stack, key, hash_key, content))
                contents[declared["name"]] = content
    return contents


def _content_name(stack: str, key: str, hash_key: str, content: bytes) -> str:
    """The hash is keyed: a plain one of a short secret could be guessed from the name."""
    digest = hmac.new(bytes.fromhex(hash_key), content, hashlib.sha256).hexdigest()
    return _legal_name(f"{stack}_{key}_{digest[:12]}")


def _legal_name(name: str) -> str:
    if len(name) > 64:
        raise Refused(f"The name {name} has {len(name)} characters and Swarm allows 64: shorten it or the stack's name")
    return name
