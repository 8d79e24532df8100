# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Commands that a person runs, shown as they speak."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lab.config import PROJECT
from tests.acceptance.report import say


@dataclass(frozen=True)
class Done:
    """code: the exit code. output: all it printed, errors among it."""

    code: int
    output: str
    seconds: float


def run(command: Sequence[str], *, folder: Path = PROJECT, environment: Mapping[str, str] = os.environ) -> Done:
    """Run a command to its end, in a folder, and show each line it prints."""
    began = time.monotonic()
    lines = []
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        for line in process.stdout or ():
            lines.append(line)
            say(f"| {line.rstrip()}")
    return Done(process.returncode, "".join(lines), time.monotonic() - began)
