# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")
APPS = Path(__file__).resolve().parents[2] / "apps"

# In their images the programs lie beside each other in one folder, and import each other from there.
sys.path[:0] = [str(APPS / name) for name in ("vote", "worker", "accounts")]

# Some of them run as nobody here, who has to read what the tests write for them.
os.umask(0o022)


@pytest.fixture
def quick_folder() -> Iterator[Path]:
    """On no disk, where that can be had: Redis refuses votes on one that is slow, and that is not what is tested."""
    with tempfile.TemporaryDirectory(dir=MEMORY if os.access(MEMORY, os.W_OK) else None) as name:
        yield Path(name)
