# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Testinfra's hosts: the servers of the lab, over SSH with the host keys that the playbook recorded."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import testinfra

SSH = Path(os.environ["LAB_STATE"]) / "ssh"


def servers() -> list[dict[str, Any]]:
    told = subprocess.run(["lab", "status", "--json"], check=True, text=True, stdout=subprocess.PIPE).stdout
    found: list[dict[str, Any]] = json.loads(told)["servers"]
    return found


SERVERS = servers()


def connect(server: dict[str, Any]) -> testinfra.host.Host:
    return testinfra.get_host(
        f"ssh://root@{server['public_ipv4']}",
        ssh_identity_file=str(SSH / "id_ed25519"),
        ssh_extra_args=f"-o UserKnownHostsFile={SSH / 'known_hosts'} -o StrictHostKeyChecking=yes "
        f"-o HostKeyAlias={server['name']}.{server['id']}",
    )


@pytest.fixture(params=SERVERS, ids=[server["name"] for server in SERVERS])
def server(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Each server in turn, as the lab describes it."""
    described: dict[str, Any] = request.param
    return described


@pytest.fixture
def machine(server: dict[str, Any]) -> testinfra.host.Host:
    """Each server in turn, for commands."""
    return connect(server)


@pytest.fixture
def manager() -> testinfra.host.Host:
    """A manager of the swarm."""
    return connect(SERVERS[0])
