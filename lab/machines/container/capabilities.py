# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Linux capabilities by name."""

from __future__ import annotations

from pathlib import Path

# In the order of their bits in the kernel; the newer ones are unknown to some engines, and no machine needs them.
_NAMES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ",
)  # fmt: skip


def bounding_set(status: str | None = None) -> list[str]:
    """Every capability a child of this process may have; a privileged container would ask for all and may fail.

    status: the text of /proc/<pid>/status, this process's own by default.
    """
    text = Path("/proc/self/status").read_text(encoding="ascii") if status is None else status
    mask = next(int(line.split()[1], 16) for line in text.splitlines() if line.startswith("CapBnd:"))
    return [name for bit, name in enumerate(_NAMES) if mask >> bit & 1]
