# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""SSH keys."""

from __future__ import annotations

import base64
import hashlib
from typing import Annotated

from pydantic import AfterValidator, Field

from lab.api.models.base import Body, Labels, Name, Named


def _public_key(text: str) -> str:
    kind, _, rest = text.strip().partition(" ")
    try:
        blob = base64.b64decode(rest.split(" ")[0], validate=True)
    except ValueError:
        blob = b""
    named = blob[4 : 4 + int.from_bytes(blob[:4], "big")]
    if not kind or named != kind.encode():
        raise ValueError("is not a public key in OpenSSH format")
    return text.strip()


def fingerprint(public_key: str) -> str:
    """MD5 of the key, in pairs of hex digits."""
    digest = hashlib.md5(base64.b64decode(public_key.split()[1]), usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


class SshKey(Named):
    fingerprint: str
    public_key: str


class CreateSshKey(Body):
    name: Name
    public_key: Annotated[str, AfterValidator(_public_key)]
    labels: Labels = Field(default_factory=dict)
