# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the collection knows of the lab, which must be nothing, and what the lab sets of the collection."""

from __future__ import annotations

import re

import yaml

from lab.config import PROJECT, Settings

SOURCES = ("playbooks", "roles", "plugins")


def lab_words() -> list[str]:
    """Places in playbooks, roles and plugins that name the lab, one of its settings or one of its addresses."""
    lab = Settings()
    places = (lab.endpoint, str(lab.api_port), str(lab.router_address), str(lab.public_network))
    words = ("lab", r"LAB_\w+", *map(re.escape, places))
    pattern = re.compile(rf"\b({'|'.join(words)})\b", re.IGNORECASE)
    files = (path for source in SOURCES for path in sorted((PROJECT / source).rglob("*")) if path.is_file())
    return [
        f"{path.relative_to(PROJECT)}:{number}: {line.strip()}"
        for path in files
        if path.suffix != ".pyc"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if pattern.search(line)
    ]


def undocumented_lab_variables(settings: Settings) -> list[str]:
    """Variables of the lab's inventory that are no documented variables of a role, and hosts that it brings."""
    folder = settings.state / "inventory"
    brought = yaml.safe_load((folder / "hosts.yml").read_text(encoding="utf-8"))
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "hosts.yml")
    given = {name for path in files for name in yaml.safe_load(path.read_text(encoding="utf-8"))}
    unknown = sorted(given - documented_variables())
    return unknown + ([] if brought == {"all": {}} else [f"hosts.yml: {brought}"])


def documented_variables() -> set[str]:
    """Names of all variables that the roles document."""
    documents = (PROJECT / "roles").glob("*/meta/argument_specs.yml")
    specs = (yaml.safe_load(path.read_text(encoding="utf-8"))["argument_specs"] for path in documents)
    return {name for spec in specs for entry in spec.values() for name in entry.get("options", {})}
