# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Asking registries, through the engine, which image a reference means now.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from docker import APIClient

_ADVICE = (
    (
        r"x509|certificate|tls|http response to https",
        "the registry's certificate is not trusted: put its CA at /etc/docker/certs.d/<registry>/ca.crt on every node",
    ),
    (
        r"unauthorized|denied|authentication required|forbidden",
        "the image does not exist or asks for a login: run docker login on the manager and set registry_auth",
    ),
    (r"manifest unknown|name unknown|not found|404", "the registry has no such image: check its name and tag"),
    (
        r"no such host|refused|unreachable|timeout|timed out|did not answer|server misbehaving|i/o|no route|lookup|eof",
        (
            "the registry cannot be reached from the manager: check its name and the network, or set resolve_image to "
            "never for images that every engine has loaded"
        ),
    ),
)


def digest_of(client: APIClient, reference: str) -> str:
    """The digest of the image, as the registry answers the engine. Raises Refused with the way out."""
    try:
        with engine_errors(f"resolve the image {reference}"):
            return str(client.inspect_distribution(reference)["Descriptor"]["digest"])
    except EngineError as error:
        words = error.reason or str(error)
        advice = next((text for pattern, text in _ADVICE if re.search(pattern, words, re.IGNORECASE)), "")
        raise Refused(f"{error}" + (f" Probably {advice}." if advice else "")) from error
