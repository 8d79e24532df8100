# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Secrets and configs of a stack: what they hold, and the names that follow from it. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import Compose


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
    compose: Compose,
    stack: str,
    hash_key: str,
    requests: Mapping[str, list[dict[str, Any]]],
    read: Callable[[str], bytes],
) -> list[Made]:
    """Point the external secrets and configs of the file at those that the module's options give, in place.

    Swarm cannot change a secret or a config, so other content needs another name; a generated one is named by its
    generation. requests: the options ``secrets`` and ``configs``. read: gives what is in a file.
    """
    made: list[Made] = []
    for kind, entries in requests.items():
        for request in entries:
            item = _made(kind.rstrip("s"), stack, hash_key, request, read)
            if any(item.key == other.key and item.kind == other.kind for other in made):
                raise Refused(f"{kind}: {item.key} is there twice")
            declared = compose.get(kind, {}).get(item.key)
            if declared is None or not declared.get("external"):
                raise Refused(
                    f"{kind}: {item.key} is made by this module, so the Compose file must declare it as external: "
                    f"{kind}: {{{item.key}: {{external: true}}}}"
                )
            declared["name"] = item.name
            made.append(item)
    return made


def _made(kind: str, stack: str, hash_key: str, request: dict[str, Any], read: Callable[[str], bytes]) -> Made:
    key, generate, path = request["name"], request.get("generate"), request.get("file")
    if generate:
        generation = generate["generation"]
        name = _legal_name(f"{stack}_{key}_v{generation}")
        return Made(kind, key, name, length=generate["length"], note=f"generation {generation}")
    content = read(path) if path else request["value" if kind == "secret" else "content"].encode()
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
                # The engine takes these as they are when the object is made, and never changes them.
                fixed = {part: declared[part] for part in ("labels", "template_driver") if declared.get(part)}
                named_by = content + (json.dumps(fixed, sort_keys=True).encode() if fixed else b"")
                declared.setdefault("name", _content_name(stack, key, hash_key, named_by))
                contents[declared["name"]] = content
    return contents


def _content_name(stack: str, key: str, hash_key: str, content: bytes) -> str:
    """The hash is keyed, as a plain one of a short secret could be guessed. A dry run may have no key yet."""
    if not hash_key:
        return _legal_name(f"{stack}_{key}_{'.' * 12}")
    digest = hmac.new(bytes.fromhex(hash_key), content, hashlib.sha256).hexdigest()
    return _legal_name(f"{stack}_{key}_{digest[:12]}")


def _legal_name(name: str) -> str:
    if len(name) > 64:
        raise Refused(f"The name {name} has {len(name)} characters and Swarm allows 64: shorten it or the stack's name")
    return name


def without_files(compose: Compose) -> None:
    """Refer to secrets and configs that came from files as to what they have become in the Swarm, in place."""
    for kind in ("secrets", "configs"):
        for key, declared in compose.get(kind, {}).items():
            if declared.get("file"):
                compose[kind][key] = {"external": True, "name": declared["name"]}


def self_named(compose: Compose, kind: str) -> dict[str, str]:
    """Secrets or configs from files whose name the file gives, which therefore does not follow the content: by key,
    the name.
    """
    return {
        key: declared["name"] for key, declared in compose.get(kind, {}).items() if {"file", "name"} <= declared.keys()
    }
