# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the kernel of this node can do for a swarm, found without running a program.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import gzip
import os
from pathlib import Path

FEATURES = {"ip_vs": "CONFIG_IP_VS", "vxlan": "CONFIG_VXLAN", "esp4": "CONFIG_INET_ESP"}
"""Kernel modules by name, with the build option that compiles each into the kernel."""


def features(release: str | None = None, root: Path = Path("/")) -> dict[str, bool]:
    """For each of FEATURES whether the running kernel has it: loaded, built in, or loadable on demand.

    In a container the loaded modules and the build configuration are the host's, and /lib/modules is usually absent:
    a module that the host could load but has not loaded is then reported as missing, which is what the engine in that
    container would find too.

    release: the kernel's release, as uname -r prints it. root: where /sys, /proc, /lib and /boot are found.
    """
    release = release or os.uname().release
    modules = root / "lib/modules" / release
    known = _module_names(modules / "modules.builtin") | _module_names(modules / "modules.dep")
    config = _build_options(root, release)
    return {
        name: (root / "sys/module" / name).exists()
        or (root / "proc/net" / name).exists()
        or name in known
        or f"{option}=y" in config
        for name, option in FEATURES.items()
    }


def _module_names(listing: Path) -> set[str]:
    """Names of the modules a file of /lib/modules lists: one a line, "kernel/net/ipv4/esp4.ko.xz: dependencies"."""
    try:
        lines = listing.read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return {line.partition(":")[0].rpartition("/")[2].partition(".ko")[0] for line in lines}


def _build_options(root: Path, release: str) -> set[str]:
    """Lines of the kernel's build configuration, where the kernel or the distribution publishes it."""
    try:
        return set(gzip.decompress((root / "proc/config.gz").read_bytes()).decode().splitlines())
    except OSError:
        pass
    try:
        return set((root / "boot" / f"config-{release}").read_text(encoding="utf-8").splitlines())
    except OSError:
        return set()
