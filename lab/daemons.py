# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background processes of a lab.

A process is known by a mark in its environment, not by a pid file: it is found after a crash, whoever started it, with
all that it started itself, and a reused pid is never mistaken for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

MARK = "TRIAD_LAB_DAEMON"


class DaemonError(Exception):
    """A background process that did not come up or does not end; the message holds its last words."""


def wait_for(condition: Callable[[], bool], *, seconds: float, interval: float = 0.05) -> bool:
    """Whether a condition became true within a time limit."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(interval)
    return True


@dataclass(frozen=True)
class Daemon:
    """owner: the lab (or the cache) it belongs to. role: what it does, unique within its owner."""

    owner: str
    role: str
    log: Path

    @property
    def mark(self) -> str:
        return f"{self.owner}/{self.role}"

    def pids(self) -> list[int]:
        """Every process that carries the mark: what was started, and what that started."""
        return [pid for pid, mark in _marked().items() if mark == self.mark]

    def leaders(self) -> list[int]:
        """The processes that lead a session, as the one that was started does; children may outlive it."""
        return [pid for pid in self.pids() if _session(pid) == pid]

    def start(self, command: list[str], *, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Start the process unless it runs; returns when it is ready."""
        leaders = self.leaders() or [self._spawn(command)]
        self._wait(leaders, ready, seconds)

    def reload(self, number: signal.Signals, *, ready: Callable[[], bool], seconds: float = 30) -> None:
        """Send the running process a signal that makes it read its configuration; returns when it is ready again.

        It may replace itself by another program meanwhile, and has no mark for a moment then.
        """
        leaders = self.leaders()
        _signal(leaders, number)
        self._wait(leaders, ready, seconds)

    def _wait(self, leaders: list[int], ready: Callable[[], bool], seconds: float) -> None:
        def has_ended() -> bool:
            return not any(map(_alive, leaders))

        if not wait_for(lambda: has_ended() or ready(), seconds=seconds) or has_ended():
            raise DaemonError(f"{self.role} did not come up; the end of {self.log}:\n{self.last_words()}")

    def stop(self, *, seconds: float = 20) -> bool:
        """End the process and all it started: politely, then not. Returns whether there was one."""
        if not self.pids():
            return False
        leaders = self.leaders()
        _signal(leaders, signal.SIGTERM)
        if not wait_for(lambda: not any(map(_alive, leaders)), seconds=seconds):
            _signal(leaders, signal.SIGKILL)
        _signal(self.pids(), signal.SIGTERM)
        if not wait_for(lambda: not self.pids(), seconds=5):
            self.kill()
        return True

    def kill(self) -> None:
        """End the process and all it started, without asking."""
        _signal(self.pids(), signal.SIGKILL)
        if not wait_for(lambda: not self.pids(), seconds=30):
            raise DaemonError(f"{self.role} does not end (processes {self.pids()})")

    def _spawn(self, command: list[str]) -> int:
        """Start it in a session of its own, so that it outlives this process; returns its id.

        Its mark can be read a little later than this returns: the kernel has yet to lay out its environment.
        """
        if shutil.which(command[0]) is None:
            raise DaemonError(f"{command[0]} is not installed; scripts/setup installs what the lab needs")
        self.log.parent.mkdir(parents=True, exist_ok=True)
        appending = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawnp(
            command[0],
            command,
            {**os.environ, MARK: self.mark},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), appending, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )

    def last_words(self, lines: int = 15) -> str:
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def running(owner: str) -> list[str]:
    """Roles of an owner's processes that run."""
    marks = set(_marked().values())
    return sorted(mark.partition("/")[2] for mark in marks if mark.startswith(f"{owner}/"))


def _marked() -> dict[int, str]:
    """Every process that carries a mark, this one excepted."""
    found = {}
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            environment = (folder / "environ").read_bytes()
        except OSError:
            continue
        for entry in environment.split(b"\0"):
            if entry.startswith(f"{MARK}=".encode()):
                found[int(folder.name)] = entry.partition(b"=")[2].decode()
    return found


def _alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits for its parent does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def _session(pid: int) -> int:
    """The session of a process; 0 when it is gone."""
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return 0


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
