# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's API alone, without machines: for what is about the cloud's API only, many times and beside each other."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import playbook
from lab.config import PROJECT
from lab.daemons import wait_for
from lab.playbook import Run
from tests.acceptance.api import Api
from tests.acceptance.stage import StageError

FIRST_PORT = 8480
PLAYS = Path(__file__).parent / "plays"
# A public key of nobody: servers without machines let nobody in.
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ8jVqKmB5hqcRbPrOe+Yr0NsBbCrZJrQ1yVY0mJz9dM nobody"
# There is no machine to ask for its host key.
KEYSCAN = f"""#!/bin/sh
for word; do case $word in *.*.*.*) echo "$word {KEY}" ;; esac; done
"""


class ApiAlone:
    """number: 0 to 9, which one of those that run beside each other. Used as a context, it leaves only its logs.

    folder: for its state and for all that playbooks keep. latencies: seconds by command, as ``lab serve`` takes them.
    """

    def __init__(self, folder: Path, number: int = 0, latencies: Mapping[str, float] | None = None) -> None:
        self._folder = folder / f"api-{number}"
        self._logs = folder / "logs" / f"api-{number}"
        self._port = FIRST_PORT + number
        self._latencies = latencies or {}
        self._process: subprocess.Popen[bytes] | None = None
        self.api = Api(f"http://127.0.0.1:{self._port}/v1", f"token-of-the-acceptance-api-{number}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill_api()
        shutil.rmtree(self._folder, ignore_errors=True)

    def begin_anew(self) -> None:
        """An empty project, as no playbook has seen it before."""
        self.kill_api()
        shutil.rmtree(self._folder, ignore_errors=True)
        bin_folder, inventory = self._folder / "bin", self._folder / "inventory"
        for folder in (self._logs, bin_folder, inventory / "group_vars"):
            folder.mkdir(parents=True, exist_ok=True)
        keyscan = bin_folder / "ssh-keyscan"
        keyscan.write_text(KEYSCAN, encoding="utf-8")
        keyscan.chmod(0o755)
        variables = {"hetzner_ssh_directory": str(self._folder / "ssh")}
        (inventory / "hosts.yml").write_text("all: {}\n", encoding="utf-8")
        (inventory / "group_vars" / "all.yml").write_text(json.dumps(variables), encoding="utf-8")
        self.start_api()

    def start_api(self) -> None:
        """Serve what the folder holds."""
        latencies = [word for entry in self._latencies.items() for word in ("--latency", "{}={}".format(*entry))]
        environment = {"LAB_NAME": "alone", "LAB_STATE": str(self._folder), "LAB_TOKEN": self.api.token}
        with (self._logs / "api.log").open("a", encoding="utf-8") as log:
            process = self._process = subprocess.Popen(
                [sys.executable, "-m", "lab.cli", "serve", "--machines", "none", "--port", str(self._port), *latencies],
                cwd=PROJECT,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        if not wait_for(lambda: process.poll() is not None or self.api.answers(), seconds=60) or process.poll():
            raise StageError(f"the API did not come up at port {self._port}; see {self._logs / 'api.log'}")

    def kill_api(self) -> None:
        """End it at once, as kill -9 does; its state stays. Does nothing where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def play(self, name: str, variables: Mapping[str, Any], *arguments: str) -> Run:
        """Run one of this suite's plays that need no inventory."""
        return self._run(name, {}, "--extra-vars", json.dumps(variables), *arguments)

    def provision(self, environment: Mapping[str, str], *arguments: str) -> Run:
        """Run the cloud's part of provision.yml on the project's inventory, with changes to the environment."""
        inventories = f"{PROJECT / 'inventory'},{self._folder / 'inventory'}"
        return self._run("cloud_part.yml", {"ANSIBLE_INVENTORY": inventories, **environment}, *arguments)

    def output(self, name: str) -> str:
        """All that the latest run of a play has printed."""
        return self._log(name).read_text(encoding="utf-8")

    def _run(self, name: str, environment: Mapping[str, str], *arguments: str) -> Run:
        return playbook.run(
            str(PLAYS / name),
            project=PROJECT,
            environment={
                "HCLOUD_ENDPOINT": self.api.endpoint,
                "HCLOUD_TOKEN": self.api.token,
                # Results hold the modules' arguments, as they are shown at -vvv.
                "ANSIBLE_INJECT_INVOCATION": "true",
                "ANSIBLE_INVENTORY": str(self._folder / "inventory"),
                "PATH": f"{self._folder / 'bin'}:{os.environ['PATH']}",
                **environment,
            },
            log=self._log(name),
            arguments=arguments,
        )

    def _log(self, name: str) -> Path:
        return self._logs / f"{Path(name).stem}.jsonl"
