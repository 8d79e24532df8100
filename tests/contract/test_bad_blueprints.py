# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The acceptance's cases of bad input that need no machines, in one run: role hetzner refuses each before it acts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.bad_input import BLUEPRINT, Case, cases

COLLECTIONS = Path(__file__).parents[2] / ".ansible" / "collections"
CASES = [case for case in cases(router="192.0.2.1", files=Path("unused")) if case.level == "nothing"]


def attempt(case: Case) -> dict[str, Any]:
    """A task that runs the role on a case and keeps what it was told."""
    token = {"hetzner_api_token": case.environment["HCLOUD_TOKEN"]} if case.environment else {}
    role = {"ansible.builtin.include_role": {"name": "triad.hetzner_swarm.hetzner"}}
    told = {case.name: "{{ ansible_failed_result.msg }}"}
    return {
        "block": [role | {"vars": case.extra_variables() | token}],
        "rescue": [
            {"ansible.builtin.set_fact": {"messages": "{{ messages | combine(told) }}"}, "vars": {"told": told}}
        ],
    }


@pytest.fixture(scope="module")
def messages(serve_module: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What each case was told, by its name; no write request has reached the API."""
    api = serve_module()
    folder = tmp_path_factory.mktemp("bad-blueprints")
    kept = {"dest": str(folder / "messages.json"), "content": "{{ messages | to_json }}", "mode": "0600"}
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars_files": [str(BLUEPRINT)],
        "vars": {
            "hetzner_api_token": api.token,
            "hetzner_api_endpoint": api.endpoint,
            "hetzner_ssh_directory": "none",
            "messages": {},
        },
        "tasks": [*map(attempt, CASES), {"ansible.builtin.copy": kept}],
    }
    (folder / "play.yml").write_text(json.dumps([play]), encoding="utf-8")
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
    }
    command = ["ansible-playbook", str(folder / "play.yml")]
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert api.lab.get("/requests").json()["writes"] == 0
    told: dict[str, str] = json.loads((folder / "messages.json").read_text(encoding="utf-8"))
    return told


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_bad_input_is_refused_by_a_message_that_names_the_setting(case: Case, messages: dict[str, str]) -> None:
    assert not [words for words in case.says if words not in messages[case.name]], messages[case.name]
