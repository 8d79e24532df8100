# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a machine finds when it boots: cloud-init's NoCloud seed, and the name server."""

from __future__ import annotations

import json
from ipaddress import IPv4Address
from pathlib import Path

from lab.machines.base import MachineSpec

# Where the node image looks for these files.
SEED_MOUNT = "/var/lib/cloud/seed/nocloud"
LAB_MOUNT = "/lab"
_PLUGGED = "plugged"


def write(folder: Path, spec: MachineSpec, name_server: IPv4Address) -> dict[str, dict[str, str]]:
    """Write a machine's files below its folder; returns the mounts that show them to it, as Docker takes them."""
    seed, lab = folder / "seed", folder / "lab"
    for target in (seed, lab):
        target.mkdir(parents=True, exist_ok=True)
    meta_data = {
        "instance-id": f"{spec.server_id}",
        "local-hostname": spec.name,
        "public-keys": list(spec.authorized_keys),
    }
    # JSON is YAML, and quotes whatever a name or a key may contain.
    (seed / "meta-data").write_text(json.dumps(meta_data, indent=2), encoding="utf-8")
    (seed / "user-data").write_text(spec.user_data or "#cloud-config\n{}\n", encoding="utf-8")
    (lab / "resolv.conf").write_text(f"nameserver {name_server}\n", encoding="utf-8")
    return {
        str(seed): {"bind": SEED_MOUNT, "mode": "ro"},
        str(lab): {"bind": LAB_MOUNT, "mode": "ro"},
    }


def hold(folder: Path) -> None:
    """Make the next boot wait until ``release``."""
    (folder / "lab" / _PLUGGED).unlink(missing_ok=True)


def release(folder: Path) -> None:
    """All cables are in: let the operating system start."""
    (folder / "lab" / _PLUGGED).touch()
