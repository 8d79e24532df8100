# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a converging module would do, and what it did.

Note that this is private to the collection: other collections must not import it.

A planner is a pure function ``(desired, actual) -> list[Step]``. Check mode stops after it; ``summary`` and ``diff``
render the same steps for people, so that a dry run and a real run cannot disagree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any


class Refused(Exception):
    """A step that must not be taken, or input that cannot be planned. The message names the setting and the way out."""


@dataclass(frozen=True)
class Step:
    """One change to one thing.

    verb: what is done, in the imperative ("create", "join", "label").
    kind: the field's name for the thing ("server", "node", "service").
    name: which one.
    before, after: the fields that change, as plain data; None where the thing does not exist. Never a secret.
    note: why, or what it entails ("restarts 2 tasks"), for the summary line.
    payload: what apply needs beyond ``after``; never rendered, so it may hold a secret.
    """

    verb: str
    kind: str
    name: str
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None
    note: str = ""
    payload: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.verb} {self.kind} {self.name}" + (f" ({self.note})" if self.note else "")


def summary(steps: Iterable[Step]) -> list[str]:
    """One line a step, in the order they are taken."""
    return [str(step) for step in steps]


def diff(steps: Iterable[Step]) -> list[dict[str, Any]]:
    """The steps in the form Ansible's ``--diff`` prints: one entry a step, with a header that names it."""
    return [
        {
            "before_header": f"{step.kind} {step.name}",
            "after_header": f"{step.kind} {step.name} ({step.verb})",
            "before": {} if step.before is None else dict(step.before),
            "after": {} if step.after is None else dict(step.after),
        }
        for step in steps
    ]
