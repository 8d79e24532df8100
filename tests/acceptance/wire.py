# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What passes on the servers' private network, as somebody sees it who listens there."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.config import Settings
from lab.daemons import wait_for
from lab.fabric import Fabric
from tests.acceptance.stage import StageError


@dataclass
class Capture:
    """file: all packets, written when the capture has ended."""

    file: Path
    _seen: bytes = field(default=b"")

    def holds(self, words: str) -> bool:
        """Whether these words passed in the clear."""
        return words.encode() in self._bytes()

    def packets(self, expression: str) -> int:
        """How many packets match an expression, as tcpdump has them."""
        command = ["tcpdump", "-r", str(self.file), "-n", "-w", "-", expression]
        kept = subprocess.run(command, check=True, capture_output=True).stdout
        count = ["tcpdump", "-r", "-", "-n", "--count"]
        told = subprocess.run(count, input=kept, check=True, capture_output=True).stdout.decode()
        return int(told.split()[0])

    def _bytes(self) -> bytes:
        self._seen = self._seen or self.file.read_bytes()
        return self._seen


@contextmanager
def listen(settings: Settings, network_id: int, file: Path) -> Iterator[Capture]:
    """Capture all that passes at the gateway of a private network, through which all of it goes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    command: Sequence[str] = ["tcpdump", "-i", "any", "-n", "-U", "-s", "0", "-w", str(file)]
    process = subprocess.Popen(
        Fabric(settings).in_private(network_id, list(command)), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        if not wait_for(lambda: (file.exists() and file.stat().st_size > 0) or process.poll() is not None, seconds=20):
            raise StageError("the capture does not begin")
        yield Capture(file)
    finally:
        process.terminate()
        process.communicate()
