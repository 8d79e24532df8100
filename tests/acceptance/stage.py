# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab that a suite plays on, and how far the main job has been done there."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from lab import inventory, playbook
from lab.config import PROJECT, Settings
from lab.daemons import Daemon
from lab.playbook import Run
from tests.acceptance.api import Api

# A lab of its own, which may stand beside a person's demo.
LAB = {
    "LAB_NAME": "accept",
    "LAB_STATE": str(PROJECT / ".lab" / "accept"),
    "LAB_PUBLIC_NETWORK": "198.18.53.0/24",
    "LAB_PUBLIC_NETWORK6": "2001:db8:51ae::/48",
    "LAB_API_PORT": "8463",
    "LAB_TOKEN": "token-of-the-acceptance-lab",
}
# What would lead elsewhere, or change how playbooks are run.
FOREIGN = re.compile(r"HCLOUD_|ANSIBLE_|MOLECULE_|LAB_(?!CACHE$|NODE_BASE$)")


@dataclass(frozen=True)
class Setting:
    """What a suite plays on. machines: what servers are. variables: extra variables of every playbook."""

    machines: str = "container"
    variables: Mapping[str, Any] = field(default_factory=dict)


# How far the main job has been done: what to play to come from each level to the next.
PARTS = {
    "nothing": (),
    "servers": ("provision.yml", "harden.yml"),
    "swarm": ("engine.yml", "swarm.yml"),
    "app": ("deploy.yml",),
}
LEVELS = tuple(PARTS)


class StageError(Exception):
    """What had to be prepared for a row could not be."""


class Stage:
    """level: how far the main job has been done, one of LEVELS; None while the lab is down or nobody knows.

    state: the lab's folder. api: the lab's API, while the lab is up. Used as a context, it leaves nothing behind,
    whatever has happened.
    """

    def __init__(self, say: Callable[[str], None], setting: Setting) -> None:
        for name in [name for name in os.environ if FOREIGN.match(name)]:
            del os.environ[name]
        os.environ |= LAB | {"LAB_MACHINES": setting.machines}
        self.variables = setting.variables
        self.settings = Settings.from_environment()
        self.state = self.settings.state
        self.api = Api(self.settings.endpoint, self.settings.token)
        self.say = say
        self.level: str | None = None
        self._used = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._used:
            self.down()

    def down(self) -> None:
        """No lab, and no memory of one, but the logs of what was played."""
        self.level = None
        self.say("lab down")
        self.lab("down")
        for path in self.state.glob("*"):
            if path.is_dir() and path.name != "logs":
                shutil.rmtree(path)
            elif path.is_file():
                path.unlink()

    def lab(self, *arguments: str) -> str:
        """Output of a ``lab`` command that must succeed."""
        self._used = True
        command = [str(PROJECT / ".venv/bin/lab"), *arguments]
        done = subprocess.run(command, check=False, text=True, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise StageError(f"lab {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def servers(self) -> list[dict[str, Any]]:
        """The servers as ``lab status`` tells of them."""
        told: list[dict[str, Any]] = self.status()["servers"]
        return told

    def status(self) -> dict[str, Any]:
        """All that ``lab status`` tells."""
        told: dict[str, Any] = json.loads(self.lab("status", "--json"))
        return told

    def on(self, server: str, command: str) -> str:
        """Output of a shell command on a server, which must succeed."""
        return self.lab("ssh", server, command)

    def environment(self) -> dict[str, str]:
        """What points clients and playbooks at this lab."""
        return inventory.environment(self.settings)

    def play(
        self,
        name: str,
        variables: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        progress: Callable[[str, str], None] = playbook.ignore,
    ) -> Run:
        """Run a playbook, one of the project's or one at an absolute path.

        With extra variables, changes to the environment, and further arguments of ansible-playbook. progress: as
        ``lab.playbook.run`` takes it. Each run has a log of its own.
        """
        return playbook.run(
            name,
            project=PROJECT,
            environment={**self.environment(), **(environment or {})},
            log=self.state / "logs" / f"{Path(name).stem}-{datetime.now(UTC):%m%d-%H%M%S-%f}.jsonl",
            arguments=("--extra-vars", json.dumps({**self.variables, **(variables or {})}), *arguments),
            progress=progress,
        )

    def provision(self, environment: Mapping[str, str]) -> Run:
        """Run provision.yml, with changes to the environment. The level is unknown until ``reach`` has been there."""
        self.level = None
        return self.play("provision.yml", environment=environment)

    def kill_api(self) -> None:
        """End the API at once, as kill -9 does; its state stays, and so do the machines."""
        for pid in Daemon(f"lab-{self.settings.name}", "api", Path(os.devnull)).pids():
            os.kill(pid, signal.SIGKILL)

    def kill(self, server: str) -> None:
        """Cut a server's power; start_server brings it back."""
        self.lab("kill", server)

    def start_server(self, server: str) -> None:
        self.lab("start", server)

    def start_api(self) -> None:
        """Bring up what of the lab is down."""
        self.lab("up")

    def start_again_from(self, level: str) -> None:
        """Bring the lab to a level, whatever has been done meanwhile."""
        self.level = None
        self.reach(level)

    def reach(self, level: str) -> None:
        """Bring the lab to a level, by the shortest way that is certain. StageError where that fails."""
        if self.level is None or LEVELS.index(level) < LEVELS.index(self.level):
            self._clear()
        assert self.level is not None
        for step in LEVELS[LEVELS.index(self.level) + 1 : LEVELS.index(level) + 1]:
            for part in PARTS[step]:
                self._must_play(part)
            self.level = step

    def _clear(self) -> None:
        self.say("lab up, servers away")
        self.lab("up")
        self._must_play("teardown.yml", {"teardown_confirm": "triad"})
        self.level = "nothing"

    def _must_play(self, name: str, variables: Mapping[str, Any] | None = None) -> None:
        run = self.play(name, variables)
        self.say(f"{name} ({run.seconds:.1f} s)")
        if run.exit_code:
            self.level = None
            raise StageError(f"{name}: {'; '.join(map(str, run.failures))}")
