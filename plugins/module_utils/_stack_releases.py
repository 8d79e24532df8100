# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record of a deployment that converged, and the choice of one to go back to. Pure.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_contents import without_files

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Release:
    """A deployment that converged.

    deployed_at: UTC, ISO 8601.
    compose: the normalised file, images pinned, secrets and configs by full name.
    images: the pinned reference of every reference the file used.
    specs: by service, the digests of its spec (see ``_stack_state.spec_digests``).
    deployed_by: who, in words. restores: the number of the release that this one is a return to.
    complete: whether all services are as the file said that was deployed; else it is a step on the way there.
    """

    number: int
    deployed_at: str
    compose: dict[str, Any]
    images: Mapping[str, str]
    specs: Mapping[str, Mapping[str, str]]
    deployed_by: str = ""
    restores: int | None = None
    complete: bool = True

    def name(self, stack: str) -> str:
        """Of the config that holds it."""
        return f"{stack}.release.{self.number}"

    def encoded(self) -> bytes:
        return json.dumps(self.__dict__, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()

    @classmethod
    def decoded(cls, name: str, text: bytes) -> Release:
        """What the config ``name`` holds. Raises Refused."""
        try:
            return cls(**json.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise Refused(
                f"The config {name} is not a release record that this version can read: use the version of the "
                f"collection that wrote it, or forget the release with 'docker config rm {name}'"
            ) from error

    def file(self) -> dict[str, Any]:
        """Its Compose file to be deployed once more, when the files that it named may be others or gone."""
        compose = deepcopy(self.compose)
        without_files(compose)
        return compose


def chosen(releases: Sequence[Release], wanted: str) -> Release:
    """The release that "previous" or a number means, of those that are kept, oldest first. Raises Refused."""
    told = (f"{release.number}" + ("" if release.complete else " (a step)") for release in releases)
    numbers = ", ".join(told) or "none"
    if wanted == "previous":
        before = [release for release in releases[:-1] if release.complete]
        if not before:
            raise Refused(f"release: there is none before the newest one (kept: {numbers})")
        newest, previous = releases[-1], before[-1]
        # A step on the way back to the same release is continued, and nothing undone.
        if newest.restores and (newest.complete or newest.restores != previous.number):
            raise Refused(
                f"release: the newest one, {newest.number}, is a return to {newest.restores} already, and 'previous' "
                f"would undo it: name the number of the release that is meant (kept: {numbers})"
            )
        return previous
    found = next((release for release in releases if str(release.number) == wanted), None)
    if found is None:
        raise Refused(f"release: {wanted!r} is neither 'previous' nor the number of a release that is kept ({numbers})")
    return found
