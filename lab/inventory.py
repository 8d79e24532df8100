# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the lab adds to the project's inventory: only values, of variables that every user of the roles may set."""

from __future__ import annotations

import json

from lab.config import PROJECT, Settings
from lab.images.apps import manifest_path
from lab.machines.platforms import Kind
from lab.registry import Registry


def write(settings: Settings, registry: Registry, kind: Kind) -> None:
    """Write the inventory folder that goes beside the project's own, for servers of a kind."""
    values = {
        # Emulated servers are too slow for elections of a second or two.
        **({"voting_app_data": "single"} if kind == "vm" else {}),
        "hetzner_ssh_directory": str(settings.ssh),
        "engine_package_source": "distribution",
        "engine_registry_ca_certificates": registry.authorities(),
        "engine_registry_mirrors": [registry.mirror_url] if registry.mirror_url else [],
        "voting_app_images": "built",
        "voting_app_image_manifest": str(manifest_path(settings)),
        "voting_app_registry": registry.address,
    }
    folder = settings.state / "inventory"
    variables = folder / "group_vars" / "all" / "lab.yml"
    variables.parent.mkdir(parents=True, exist_ok=True)
    # JSON is YAML.
    variables.write_text(f"---\n{json.dumps(values, indent=2)}\n", encoding="utf-8")
    (folder / "hosts.yml").write_text("---\nall: {}\n", encoding="utf-8")


def environment(settings: Settings) -> dict[str, str]:
    """The variables that point clients and playbooks at this lab."""
    return {
        "HCLOUD_ENDPOINT": settings.endpoint,
        "HCLOUD_TOKEN": settings.token,
        "ANSIBLE_INVENTORY": f"{PROJECT / 'inventory'},{settings.state / 'inventory'}",
    }
