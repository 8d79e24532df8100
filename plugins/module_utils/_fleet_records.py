# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the API takes at creation and never gives back, recorded in labels as hashes. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import RECORD_PREFIX, Catalog, Raw, Server

USER_DATA = f"{RECORD_PREFIX}user-data"
SSH_KEYS = f"{RECORD_PREFIX}ssh-keys"
_SETTINGS = {USER_DATA: "user_data", SSH_KEYS: "ssh_keys"}


def made_with(server: Server) -> dict[str, str]:
    """What a new disk is made with."""
    return {USER_DATA: _hash(server.user_data)}


def records(server: Server, catalog: Catalog) -> dict[str, str]:
    """What a new server is made with. Keys that are only planned have no fingerprint yet."""
    fingerprints = [catalog.ssh_keys[key]["fingerprint"] for key in server.ssh_keys if key in catalog.ssh_keys]
    if len(fingerprints) < len(server.ssh_keys):
        return made_with(server)
    return {**made_with(server), SSH_KEYS: _hash(" ".join(sorted(fingerprints)))}


def recorded(actual: Raw) -> dict[str, str]:
    """The records that a server carries; none where something else has made it."""
    return {key: value for key, value in actual["labels"].items() if key in _SETTINGS}


def outdated(server: Server, actual: Raw, catalog: Catalog) -> Iterator[str]:
    """A warning for each setting that is another now than when the server was made."""
    now = records(server, catalog)
    for key, value in recorded(actual).items():
        if key in now and value != now[key]:
            yield (
                f"servers[{server.name}].{_SETTINGS[key]} is not what the server was made with. It counts when a "
                f"server is made: make this one anew to have it, or set the old value again."
            )


def _hash(text: str) -> str:
    return sha256(text.encode()).hexdigest()[:32]
