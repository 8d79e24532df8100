# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Votes that come in all the time, from a process of their own, each written down as its voter saw it."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.config import PROJECT
from lab.daemons import wait_for
from tests.acceptance.data import ledger, stores
from tests.acceptance.data.ledger import Attempt, Audit
from tests.acceptance.stage import Stage, StageError

VOTERS = Path(__file__).parent / "programs" / "voters.py"
RATE = 20.0
# Less than the ten seconds after which the edge closes an idle connection: who has waited for one address in vain uses
# none to another that is just being closed.
TIMEOUT = 8
# So many that each votes less often than it may have to wait: votes come at their rate whatever becomes of them.
USERS = 240
LONGEST = "6h"
SECONDS_TO_BEGIN = 60
# Votes that are under way may end; each user may have two before it.
SECONDS_TO_STOP = 2 * TIMEOUT + 5


@dataclass(frozen=True)
class Load:
    """prefix: of the names of its voters. began: seconds since 1970."""

    prefix: str
    began: float
    file: Path

    def attempts(self) -> list[Attempt]:
        """Those that have ended so far, in the order they began."""
        return ledger.read(self.file.read_text(encoding="utf-8")) if self.file.exists() else []


@contextmanager
def load(
    stage: Stage, addresses: Iterable[str], rate: float = RATE, users: int = USERS, program: Path = VOTERS
) -> Iterator[Load]:
    """Votes from when the first is acknowledged until the context is left, through these addresses in turn.

    rate: votes a second in all; 0 is as many as the users get answered. program: a file of Locust's that takes what
    `voters.py` takes, and writes such a ledger. StageError where no vote is acknowledged, or where voting ends before
    the context does.
    """
    prefix = f"load-{secrets.token_hex(4)}-"
    logs = stage.state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    running = Load(prefix, time.time(), logs / f"{prefix}votes.jsonl")
    environment = {
        "VOTERS_THROUGH": " ".join(addresses),
        "VOTERS_PREFIX": prefix,
        "VOTERS_PACE": str(users / rate if rate else 0),
        "VOTERS_TIMEOUT": str(TIMEOUT),
        "VOTERS_LEDGER": str(running.file),
    }
    command = [sys.executable, "-m", "locust", "--locustfile", str(program), "--headless", "--only-summary"]
    command += ["--users", str(users), "--spawn-rate", "100", "--run-time", LONGEST]
    command += ["--stop-timeout", str(SECONDS_TO_STOP), "--exit-code-on-error", "0", "--loglevel", "WARNING"]
    log = logs / f"{prefix}locust.log"
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(
            command,
            cwd=PROJECT,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for(
            lambda: process.poll() is not None or any(attempt.acknowledged for attempt in running.attempts()),
            seconds=SECONDS_TO_BEGIN,
            interval=0.5,
        )
        if not any(attempt.acknowledged for attempt in running.attempts()):
            raise StageError(f"no vote is acknowledged within {SECONDS_TO_BEGIN} s; see {log}")
        yield running
    finally:
        ended_before = process.poll() is not None
        _end(process)
    if ended_before or process.returncode:
        raise StageError(f"voting ended before its time ({process.returncode}); see {log}")


def audit(stage: Stage, ended: Load) -> Audit:
    """Wait until the queue is empty, and hold what the voters of a load were told against what the database has."""
    waiting = stores.drain(stage)
    return ledger.judge(ended.attempts(), stores.stored(stage, ended.prefix), waiting)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(2 * SECONDS_TO_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
