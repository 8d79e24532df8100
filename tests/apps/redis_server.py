# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether there is a Redis on this machine that the programs of the app can be tested on."""

from __future__ import annotations

import shutil
import subprocess

import pytest


def redis_version() -> str:
    """Of the redis-server on PATH, "none" where there is no such program."""
    if shutil.which("redis-server") is None:
        return "none"
    told = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split("v=")[1].split()[0]


REDIS = redis_version()
on_redis = pytest.mark.skipif(
    REDIS == "none" or [int(number) for number in REDIS.split(".")] < [7, 2],
    reason=f"redis-server 7.2 or newer is not on PATH (there is: {REDIS})",
)
