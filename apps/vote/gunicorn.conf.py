# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How gunicorn serves the vote page. Two processes outlive the crash of one.

A thread spends its time waiting for the disk of the queue. There are so many that some are left for health checks when
the queue is silent, which holds each thread with a vote for seconds.

Asked to stop, it first only says so on the health page, and goes on until whoever sends requests has seen it.
"""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Any

LEAVING = Path("/dev/shm/leaving")
LEAVE_SECONDS = 3.0

bind = "0.0.0.0:80"
worker_class = "gthread"
workers = 2
threads = 16
# With the time to leave, below the ten seconds that Docker grants between SIGTERM and SIGKILL.
graceful_timeout = 6
# The heartbeat files of the processes: never on a disk that may stall.
worker_tmp_dir = "/dev/shm"
raw_env = [f"LEAVING={LEAVING}"]


def when_ready(server: Any) -> None:
    """The processes are up: from now on SIGTERM means to leave first."""

    def leave(number: int, frame: FrameType | None) -> None:
        server.log.info("leaving in %s s", LEAVE_SECONDS)
        LEAVING.touch()
        Timer(LEAVE_SECONDS, server.signal, (number, frame)).start()

    signal.signal(signal.SIGTERM, leave)
