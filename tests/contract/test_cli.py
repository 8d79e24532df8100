# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Debian's hcloud-cli drives projects from nothing to nothing, as told in official/cli.yml.

Debian 12 has version 1.30.3 of 2022. It asks for most of what there is today, and leaves the rest of an answer aside.
Two things it does not know: that data centers are gone, and that a server has a location of its own, so that its
column DATACENTER stays empty.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.contract.conftest import self_signed

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1vQy0vTQ0oK7n1oJ2hVhX4m4V9gR0bX0mJm6b8k1aB contract"
STORIES = yaml.safe_load(Path(__file__).with_name("official").joinpath("cli.yml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("story", STORIES)
def test_every_command_does_what_it_says(api: Any, tmp_path: Path, story: str) -> None:
    program = shutil.which("hcloud")
    if program is None:
        pytest.skip("hcloud is not here: install the package hcloud-cli")
    (tmp_path / "key.pub").write_text(KEY)
    pem = self_signed("example.com")
    (tmp_path / "own.crt").write_text(pem["certificate"])
    (tmp_path / "own.key").write_text(pem["private_key"])
    environment = {"HOME": str(tmp_path), "HCLOUD_ENDPOINT": api.endpoint, "HCLOUD_TOKEN": api.token, "TZ": "UTC"}
    problems = []
    for step in STORIES[story]:
        command = [program, *shlex.split(step["run"])]
        done = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30
        )
        said = done.stdout + done.stderr
        if (done.returncode != 0) != ("fails" in step) or step.get("fails", step.get("says")) not in said:
            problems.append(f"hcloud {step['run']}: {said}")
    assert "\n".join(problems) == ""
    assert [api.do("GET", f"/{kind}")[kind] for kind in ("servers", "networks", "volumes", "ssh_keys")] == [[]] * 4
