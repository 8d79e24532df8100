# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Background processes that are found again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from lab import daemons
from lab.daemons import Daemon, DaemonError


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    return Daemon(f"test-{os.getpid()}", "sleeper", tmp_path / "logs" / "sleeper.log")


def test_a_process_is_started_once_found_and_ended(daemon: Daemon, tmp_path: Path) -> None:
    command = ["sh", "-c", f"touch {tmp_path}/ready; exec sleep 60"]
    ready = (tmp_path / "ready").exists
    daemon.start(command, ready=ready)
    pids = daemon.pids()
    daemon.start(command, ready=ready)
    assert daemon.pids() == pids
    assert daemons.running(daemon.owner) == ["sleeper"]
    assert daemon.stop()
    assert daemon.pids() == []
    assert not daemon.stop()


def test_it_is_ready_when_start_returns(daemon: Daemon, tmp_path: Path) -> None:
    """However late the kernel shows a new process, and however busy the machine is."""
    ready = tmp_path / "ready"
    for _ in range(30):
        daemon.start(["sh", "-c", f"touch {ready}; exec sleep 60"], ready=ready.exists)
        assert ready.exists()
        daemon.stop()
        ready.unlink()


def test_what_it_started_ends_with_it(daemon: Daemon) -> None:
    daemon.start(["sh", "-c", "sleep 60 & sleep 60 & wait"], ready=lambda: len(daemon.pids()) == 3)
    assert daemon.stop()
    assert daemon.pids() == []


def test_one_that_died_is_started_beside_the_children_it_left(daemon: Daemon) -> None:
    command = ["sh", "-c", "sleep 60 & wait"]
    daemon.start(command, ready=lambda: len(daemon.pids()) == 2)
    (leader,) = daemon.leaders()
    os.kill(leader, signal.SIGKILL)
    assert daemons.wait_for(lambda: not daemon.leaders(), seconds=5)
    daemon.start(command, ready=lambda: len(daemon.pids()) == 3)
    assert daemon.stop()
    assert daemon.pids() == []


def test_one_that_replaces_itself_when_told_is_the_same(daemon: Daemon, tmp_path: Path) -> None:
    ready, again = tmp_path / "ready", tmp_path / "again"
    script = f"trap 'touch {again}; exec sleep 60' USR1; touch {ready}; while :; do sleep 0.01; done"
    daemon.start(["sh", "-c", script], ready=ready.exists)
    leaders = daemon.leaders()
    daemon.reload(signal.SIGUSR1, ready=again.exists)
    assert daemons.wait_for(lambda: daemon.leaders() == leaders, seconds=5)
    daemon.stop()


def test_one_that_does_not_come_up_is_reported_with_its_last_words(daemon: Daemon) -> None:
    with pytest.raises(DaemonError, match="no such thing"):
        daemon.start(["sh", "-c", "echo no such thing >&2; exit 1"], ready=lambda: False)


def test_a_missing_program_is_named(daemon: Daemon) -> None:
    with pytest.raises(DaemonError, match="no-such-program is not installed"):
        daemon.start(["no-such-program"], ready=lambda: True)


def test_nothing_runs_under_an_unknown_owner() -> None:
    assert daemons.running(f"nobody-{Path.cwd().name}") == []
