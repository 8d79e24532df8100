# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a module's options to the stack they ask for.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import (
    borrowed_variables,
    clear,
    homeless_folders,
    pin_images,
    start_new_tasks_first,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import OWN_ENVIRONMENT
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import (
    name_files,
    name_made,
    self_named,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_merge import part
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_plan import Desired
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_registry import digest_of
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import chosen

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping

    from docker import APIClient

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import Compose
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_cli import DockerCLI
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import State


def desired_stack(params: Mapping[str, Any], state: State, client: APIClient, cli: DockerCLI, new_key: str) -> Desired:
    """The stack that the module's options ask for, images resolved. Raises Refused.

    new_key: hexadecimal, to name contents with where the stack has no key yet; empty in a dry run.
    """
    names = params["services"]
    if not names:
        return _whole(params, state, client, cli, new_key)
    if state.release is None:
        raise Refused(
            "services: there is no release whose other services could stay; leave services empty for the first "
            "deployment"
        )
    return part(_whole(params, state, client, cli, new_key), state.release, names)


def _whole(params: Mapping[str, Any], state: State, client: APIClient, cli: DockerCLI, new_key: str) -> Desired:
    """All that the files or the release say. Images of services that are not to be deployed may be unknown."""
    common = {"stack": state.stack, "prune": params["prune"], "keep_releases": params["keep_releases"]}
    if params["release"]:
        release = chosen(state.releases, params["release"])
        return Desired(
            **common,
            compose=release.file(),
            images=release.images,
            hash_key="",
            # A step has only a part of what it is a return to.
            restores=(release.complete and release.restores) or release.number,
            complete=release.complete,
        )
    texts, directory = _sources(params)
    variables = {name: _text(value) for name, value in params["variables"].items()}
    compose = cli.stack_config(texts, variables, directory)
    if not compose.get("services"):
        raise Refused("The Compose file declares no services; to remove the stack, set state to absent")
    clear(compose)
    start_new_tasks_first(compose)
    of_the_manager = [*borrowed_variables(compose, (*OWN_ENVIRONMENT, "DOCKER_HOST")), *homeless_folders(compose)]
    if of_the_manager:
        raise Refused("; ".join(of_the_manager))
    hash_key = state.hash_key or new_key
    requests = {"secrets": params["secrets"], "configs": params["configs"]}
    own_names = self_named(compose, "secrets")
    made = name_made(compose, state.stack, hash_key, requests, _read)
    contents = name_files(compose, state.stack, hash_key, _read)
    known = state.release.images if state.release else {}
    names = params["services"] or compose["services"]
    images = _pinned(compose, names, params["resolve_image"], known, lambda reference: digest_of(client, reference))
    return Desired(
        **common,
        compose=compose,
        images=images,
        hash_key=hash_key,
        made=tuple(made),
        contents=contents,
        self_named=own_names,
    )


def _pinned(
    compose: Compose, names: Container[str], mode: str, known: Mapping[str, str], ask: Callable[[str], str]
) -> dict[str, str]:
    """Pin the images as ``pin_images`` does, and ask for those of the services of these names alone."""
    services = compose["services"].items()
    asked = {"services": {name: service for name, service in services if name in names}}
    others = {"services": {name: service for name, service in services if name not in names}}
    images = pin_images(asked, mode, known, ask)
    # A service that stays is as the file says only where a release has resolved its reference.
    kept = "never" if mode == "never" else "changed"
    return {**pin_images(others, kept, {**known, **images}, lambda _reference: "unknown"), **images}


def _sources(params: Mapping[str, Any]) -> tuple[list[str], str]:
    """The Compose files as text, in the order of merging, and the folder that relative paths are seen from."""
    files = params["compose_files"] or [{"content": params["compose"], "path": params["compose_path"]}]
    texts = [_read(file["path"]).decode() if file["path"] else file["content"] for file in files]
    first = files[0]["path"]
    return texts, str(Path(first).absolute().parent) if first else "/"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(f"Cannot read {path} on the manager: {error.strerror}") from error
