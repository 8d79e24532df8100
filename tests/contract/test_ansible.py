# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The official collection: its modules make a project, and its inventory plugin shows it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
COLLECTIONS = PROJECT / ".ansible" / "collections"
PLAYS = Path(__file__).with_name("official")


@pytest.fixture
def ansible(api: Any, tmp_path: Path) -> dict[str, str]:
    """The environment of an Ansible command that talks to the API."""
    if not (COLLECTIONS / "ansible_collections" / "hetzner" / "hcloud").exists():
        pytest.skip("the collection hetzner.hcloud is not here: run `make setup`")
    return {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_PIPELINING": "1",
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "HCLOUD_ENDPOINT": api.endpoint,
        "HCLOUD_TOKEN": api.token,
    }


def _run(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, timeout=120, cwd=environment["HOME"]
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_official_collection_makes_a_project_once(api: Any, ansible: dict[str, str], tmp_path: Path) -> None:
    variables = {"lab_url": f"{api.root}/_lab", "ansible_python_interpreter": sys.executable}
    _run(ansible, "ansible-playbook", str(PLAYS / "play.yml"), "-e", json.dumps(variables))
    server = api.sdk.servers.get_by_name("one")
    assert (server.status, server.placement_group.name, server.image.name) == ("running", "group", "ubuntu-22.04")
    inventory = tmp_path / "hcloud.yml"
    inventory.write_text("{plugin: hetzner.hcloud.hcloud, label_selector: swarm_role=manager, network: net}")
    shown = json.loads(_run(ansible, "ansible-inventory", "-i", str(inventory), "--list"))
    host = shown["_meta"]["hostvars"]["one"]
    addresses = [host[key]["__ansible_unsafe"] for key in ("hcloud_ipv4", "hcloud_private_ipv4")]
    assert addresses == ["198.51.100.2", "10.0.0.9"]
