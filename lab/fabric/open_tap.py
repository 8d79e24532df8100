# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a tap interface in the namespace it runs in, and hands it over: ``open_tap.py NAME SOCKET``.

Needs nothing but Python's own library. See the kernel's Documentation/networking/tuntap.rst.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import sys

TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI, IFF_VNET_HDR = 0x0002, 0x1000, 0x4000

name, descriptor = sys.argv[1:]
try:
    tap = os.open("/dev/net/tun", os.O_RDWR)
    # With its header, packets that are still one pass as one: a checksum or a cut into frames that nobody needs.
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI | IFF_VNET_HDR))
except OSError as error:
    sys.exit(f"/dev/net/tun: {error.strerror}")
socket.send_fds(socket.socket(fileno=int(descriptor)), [b"."], [tap])
