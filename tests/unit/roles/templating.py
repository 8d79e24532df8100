# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables and templates of a role, as Ansible itself evaluates them.

It does so in a process of its own: where the parts of Ansible are loaded that only a controller has, modules give their
warnings to these, and the tests of modules would miss them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any


def evaluate(role: Path, expression: str, variables: Mapping[str, Any]) -> Any:
    """What an expression of a task in the role comes to, with its defaults, its variables and then these."""
    return json.loads(_controller().submit(_evaluate, role, expression, variables).result())


@cache
def _controller() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def _evaluate(role: Path, expression: str, variables: Mapping[str, Any]) -> str:
    template, loader = import_module("ansible.template"), import_module("ansible.parsing.dataloader").DataLoader()
    known: dict[str, Any] = {}
    for part in ("defaults", "vars"):
        known |= loader.load_from_file(str(role / part / "main.yml"), trusted_as_template=True)
    templar = template.Templar(loader, variables={**known, **variables})
    return json.dumps(templar.template(template.trust_as_template(expression)))
