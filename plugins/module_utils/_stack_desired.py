# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a module's options to the stack they ask for.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import name_files, name_made, pin_images
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_registry import digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from docker import APIClient

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import DockerCLI
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import State


def desired_stack(params: Mapping[str, Any], state: State, client: APIClient, cli: DockerCLI) -> Desired:
    """The stack that the module's options ask for, images resolved. Raises Refused."""
    path = params["compose_path"]
    text = _read(path).decode() if path else params["compose"]
    variables = {name: _text(value) for name, value in params["variables"].items()}
    compose = cli.stack_config(text, variables, str(Path(path).absolute().parent) if path else "/")
    if not compose.get("services"):
        raise Refused("The Compose file declares no services; to remove the stack, set state to absent")
    hash_key = state.hash_key or secrets.token_hex(16)
    made = name_made(compose, state.stack, hash_key, params["secrets"], params["configs"])
    contents = name_files(compose, state.stack, hash_key, _read)
    known = state.release.images if state.release else {}
    images = pin_images(compose, params["resolve_image"], known, lambda reference: digest_of(client, reference))
    return Desired(state.stack, compose, images, hash_key, tuple(made), contents, params["prune"])


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"Cannot read {path} on the manager: {error.strerror}") from error
