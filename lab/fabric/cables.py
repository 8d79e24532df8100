# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The machine's end of a cable. The other end is an interface in a namespace of the fabric."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from lab.fabric.tools import FabricError, inside, ip, run, sysctl

_OPEN_TAP = Path(__file__).with_name("open_tap.py")


class CableEnd(Protocol):
    """A kind of machine's way to be plugged in."""

    def lay(self, place: str, end: str) -> None:
        """Make the cable; ``end`` appears in the namespace ``place``."""

    def set_up(self, options: str, lines: Iterable[str]) -> None:
        """Give the machine's interface its link options and addresses, where the machine does not do so itself.

        Each line is a sub-command of ``ip`` in which {device} stands for the interface.
        """


class ProcessEnd:
    """An interface in the network namespace of a process, under the name ``device``."""

    def __init__(self, pid: int, device: str) -> None:
        self._pid = pid
        self._device = device

    def lay(self, place: str, end: str) -> None:
        # A container starts with IPv6 switched off; a machine does not.
        sysctl(self._pid, net__ipv6__conf__all__disable_ipv6=0, net__ipv6__conf__default__disable_ipv6=0)
        peer = ["peer", "name", self._device, "netns", str(self._pid)]
        run([*inside(place), "ip", "link", "add", end, "type", "veth", *peer])

    def set_up(self, options: str, lines: Iterable[str]) -> None:
        configured = (line.format(device=self._device) for line in lines)
        ip(self._pid, [f"link set {self._device} {options}", f"link set {self._device} up", *configured])


class TapEnd:
    """A network card to be: whoever holds ``fd`` is the machine, and sets up its own interface by DHCP.

    The cable is there while somebody holds it. ``close`` when it has been handed on.
    """

    def __init__(self) -> None:
        self.fd = -1

    def lay(self, place: str, end: str) -> None:
        """Only a process in the namespace can make it there, so that one is sent for it."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours, theirs:
            done = subprocess.run(
                [*inside(place), sys.executable, "-IS", str(_OPEN_TAP), end, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                raise FabricError(f"no network card can be made: {done.stderr.strip()}")
            _, fds, _, _ = socket.recv_fds(ours, 1, 1)
        self.fd = fds[0]

    def set_up(self, options: str, lines: Iterable[str]) -> None:
        """The machine does."""

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1
