# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions: what runs asynchronously, with all that is needed to run it again after a restart."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, Field

from lab.api.models.base import Record


class Ref(NamedTuple):
    """One resource: ``Ref("server", 42)``."""

    type: str
    id: int


class ActionError(BaseModel):
    code: str
    message: str


class Action(Record):
    """arguments: plain data for the action's handler. after: the action that must succeed first. locks: resources that
    no other locking action may touch meanwhile.
    """

    command: str
    status: Literal["running", "success", "error"] = "running"
    progress: int = 0
    started: str
    finished: str | None = None
    resources: list[Ref]
    error: ActionError | None = None
    arguments: dict[str, Any] = Field(default_factory=dict)
    after: int | None = None
    locks: list[Ref] = Field(default_factory=list)

    def view(self) -> dict[str, Any]:
        view = self.model_dump(mode="json", exclude={"arguments", "after", "locks", "resources"})
        return view | {"resources": [ref._asdict() for ref in self.resources]}

    def first(self, kind: str) -> int:
        """Id of the first resource of this type."""
        return next(ref.id for ref in self.resources if ref.type == kind)
