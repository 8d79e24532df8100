# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack and what secrets and configs hold: given, read from files, or generated. A manager in memory."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import (
    SECRET,
    Deploy,
    container,
    content,
    generated,
)


def test_a_generated_secret_is_made_once_and_rotated_by_its_generation(deploy: Deploy, swarm: FakeSwarm) -> None:
    result = deploy(**generated(1))
    value = content(swarm, "secret", "app_db_password_v1").decode()
    assert (len(value), value.isalnum()) == (20, True)
    assert value not in json.dumps(result)
    assert deploy(**generated(1))["changed"] is False
    assert deploy(**generated(2))["plan"] == [
        "create secret app_db_password_v2 (generation 2)",
        "update service web (replaces its tasks)",
    ]


def test_given_secrets_keep_their_names_through_a_failure(deploy: Deploy, swarm: FakeSwarm) -> None:
    options: dict[str, Any] = {"compose": SECRET, "secrets": [{"name": "db_password", "value": "hunter2"}]}
    swarm.ends["web:1"] = "rejected"
    assert deploy(**options)["failed"] is True
    secrets = list(swarm.stores["secret"])
    assert len(secrets) == 1
    swarm.ends.clear()
    result = deploy(**options)
    assert result["release"] == 1
    assert list(swarm.stores["secret"]) == secrets
    assert "hunter2" not in json.dumps(result)
    assert [call for call in swarm.calls if call == "create config app.key"] == ["create config app.key"]


def test_a_dry_run_without_a_key_names_contents_as_no_other_does(deploy: Deploy, swarm: FakeSwarm) -> None:
    options: dict[str, Any] = {"compose": SECRET, "secrets": [{"name": "db_password", "value": "hunter2"}]}
    dry = deploy(check=True, **options)
    assert dry["plan"][0] == "create secret app_db_password_............ (named by its content)"
    assert deploy(check=True, **options)["plan"] == dry["plan"]
    assert (dry["changed"], swarm.calls) == (True, [])
    real = deploy(**options)
    (name,) = swarm.stores["secret"]
    assert re.fullmatch(r"app_db_password_[0-9a-f]{12}", name)
    assert json.dumps(real["diff"]).replace(name, dry["diff"][0]["after"]["name"]) == json.dumps(dry["diff"])
    assert [line.replace(name, dry["diff"][0]["after"]["name"]) for line in real["plan"]] == dry["plan"]
    assert deploy(check=True, **options)["changed"] is False


def test_secrets_and_configs_are_made_from_files_and_configs_by_chance(
    deploy: Deploy, swarm: FakeSwarm, tmp_path: Path
) -> None:
    (tmp_path / "password").write_bytes(b"hunter2")
    file = """
services:
  web:
    image: "web:1"
    networks: {front: null}
    secrets: [{source: s}]
    configs: [{source: c}, {source: salt}]
networks: {front: null}
secrets: {s: {external: true}}
configs: {c: {external: true}, salt: {external: true}}
"""
    options: dict[str, Any] = {
        "compose": file,
        "secrets": [{"name": "s", "file": str(tmp_path / "password")}],
        "configs": [{"name": "c", "content": "text"}, {"name": "salt", "generate": {"length": 9}}],
    }
    deploy(**options)
    used = container(swarm)
    assert content(swarm, "secret", used["Secrets"][0]) == b"hunter2"
    assert content(swarm, "config", used["Configs"][0]) == b"text"
    assert (used["Configs"][1], len(content(swarm, "config", "app_salt_v1"))) == ("app_salt_v1", 9)
    assert deploy(**options)["changed"] is False
    (tmp_path / "password").write_bytes(b"hunter3")
    assert deploy(**options)["plan"][-1] == "update service web (replaces its tasks)"


def test_a_secret_under_a_name_of_its_own_is_noted_once_it_is_there(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"hunter2")
    declared = f"{{file: {tmp_path / 'password'}, name: mine}}"
    file = SECRET.replace("{external: true, name: db_password}", declared)
    assert deploy(compose=file)["plan"] == [
        "create secret mine",
        "create network app_front",
        "create service web",
    ]
    again = deploy(compose=file)
    assert (again["changed"], len(again["plan"])) == (False, 1)
    assert again["plan"][0].startswith("note: secrets.db_password is there under the name that the file gives it")
