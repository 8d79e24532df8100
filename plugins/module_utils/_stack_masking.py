# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Fields of a Compose file as a plan may print them. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SENSITIVE = re.compile(r"pass|pwd|secret|token|credential|private|(^|[._])key$|_key|api_?key|auth|dsn", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)([^/\s:@]*):([^/\s]+)@")


def flattened(value: Any, path: str = "") -> dict[str, Any]:
    """A tree as one level of dotted paths; lists are values."""
    if not isinstance(value, Mapping) or (path and not value):
        return {path: value}
    fields: dict[str, Any] = {}
    for key, item in value.items():
        fields.update(flattened(item, f"{path}.{key}" if path else str(key)))
    return fields


def shown(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields as they may be printed: what looks like a password is not."""
    return {path: _masked(path, value) for path, value in fields.items()}


def shown_beside(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Like ``shown``, so that a hidden value that changes still differs from the one it changes to."""
    masked, other = shown(before), shown(after)
    return {
        path: f"{value} (before)" if value == other.get(path) and before[path] != after[path] else value
        for path, value in masked.items()
    }


def without_passwords(text: str) -> str:
    """A text without the passwords of addresses that are in it."""
    return _URL_PASSWORD.sub(r"\1:(hidden)@", text)


def _masked(path: str, value: Any) -> Any:
    if isinstance(value, list):
        # An option of a command is followed by its value.
        options = ["", *value[:-1]] if value else []
        return [
            "(hidden)" if _names_password(option) and "=" not in option else _masked(path, item)
            for option, item in zip(options, value, strict=True)
        ]
    if not isinstance(value, str):
        return value
    if path.startswith("environment.") and _SENSITIVE.search(path) and not value.startswith("/run/secrets/"):
        return "(hidden)"
    option, equals, _rest = value.partition("=")
    return f"{option}=(hidden)" if equals and _names_password(option) else without_passwords(value)


def _names_password(word: Any) -> bool:
    return isinstance(word, str) and word.startswith("-") and bool(_SENSITIVE.search(word))
