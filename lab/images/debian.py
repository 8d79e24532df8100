# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Debian that the applications' images stand on, made from its packages: the same ones give the same archive."""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
from pathlib import Path

from lab.config import Settings
from lab.images.building import ImageError

_SUITE = "trixie"
_COMMAND = (
    "mmdebstrap", "--variant=minbase", "--include=ca-certificates",
    "--aptopt=Acquire::Languages \"none\"",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    # The building machine's own.
    "--customize-hook=rm -f \"$1/etc/hostname\" \"$1/etc/resolv.conf\"",
)  # fmt: skip


def recipe(epoch: int) -> str:
    """Short hash of all that decides what is made, but for the versions of the packages."""
    return hashlib.sha256("\0".join((*_COMMAND, _SUITE, platform.machine(), str(epoch))).encode()).hexdigest()[:16]


def tarball(settings: Settings, epoch: int, *, fresh: bool = False) -> Path:
    """The archive of its files, made unless the cache has it. epoch: the latest time in it, in seconds.

    fresh: with the packages of today.
    """
    made = settings.cache / "bases" / f"{recipe(epoch)}.tar"
    if made.exists() and not fresh:
        return made
    made.parent.mkdir(parents=True, exist_ok=True)
    part = made.with_suffix(".part.tar")
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    try:
        done = subprocess.run(
            [*_COMMAND, _SUITE, str(part)], env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ImageError("mmdebstrap is not installed; scripts/setup installs what the lab needs") from None
    if done.returncode:
        last = "\n".join(done.stderr.splitlines()[-10:])
        raise ImageError(f"mmdebstrap cannot make Debian {_SUITE}; are its package servers reachable?\n{last}")
    for old in made.parent.glob("*.tar"):
        if old != part:
            old.unlink()
    part.replace(made)
    return made
