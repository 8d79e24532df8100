# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Testinfra's hosts, and the playbooks that the tests run again with other settings."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import testinfra
from testinfra.host import Host

STATE = Path(os.environ["LAB_STATE"])
SCENARIO = Path(__file__).resolve().parent.parent


def connect(name: str) -> Host:
    told = subprocess.run(["lab", "status", "--json"], check=True, text=True, stdout=subprocess.PIPE).stdout
    server = next(server for server in json.loads(told)["servers"] if server["name"] == name)
    return testinfra.get_host(
        f"ssh://root@{server['public_ipv4']}",
        ssh_identity_file=str(STATE / "ssh" / "id_ed25519"),
        ssh_extra_args=f"-o UserKnownHostsFile={STATE / 'ssh' / 'known_hosts'} -o StrictHostKeyChecking=yes "
        f"-o HostKeyAlias={server['name']}.{server['id']} -o ControlMaster=auto -o ControlPersist=60s "
        f"-o ControlPath={STATE / 'ssh' / 'mux-%C'}",
    )


@pytest.fixture(scope="session")
def engine() -> Host:
    """The server with Docker's engine."""
    return connect("engine-1")


@pytest.fixture(scope="session")
def bare() -> Host:
    """The server where every installation failed."""
    return connect("engine-2")


@dataclass(frozen=True)
class Run:
    """exit_code: of ansible-playbook. changed: how many tasks changed something, over all servers. said: the last
    message of a task that failed.
    """

    exit_code: int
    changed: int
    said: str


@pytest.fixture(scope="session")
def converge() -> Callable[..., Run]:
    """Run a playbook with arguments, and with settings over the scenario's."""

    def run(*arguments: str, playbook: str = "converge.yml", **settings: Any) -> Run:
        done = subprocess.run(
            ["ansible-playbook", str(SCENARIO / playbook), *arguments, "--extra-vars", json.dumps(settings)],
            env={**os.environ, "ANSIBLE_STDOUT_CALLBACK": "ansible.posix.json"},
            text=True,
            stdout=subprocess.PIPE,
            check=False,
        )
        told = json.loads(done.stdout)
        results = [result for play in told["plays"] for task in play["tasks"] for result in task["hosts"].values()]
        messages = [result["msg"] for result in results if result.get("failed") and "msg" in result]
        return Run(done.returncode, sum(host["changed"] for host in told["stats"].values()), (messages or [""])[-1])

    return run


@pytest.fixture(scope="session")
def said(converge: Callable[..., Run], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the role said in each case of refusals.yml."""
    report = tmp_path_factory.mktemp("refusals") / "said.json"
    assert converge(playbook="refusals.yml", refusals_report=str(report)).exit_code == 0
    messages: dict[str, str] = json.loads(report.read_text(encoding="utf-8"))
    return messages
