# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Send marked packets to the ports of a host's overlay networks, over some seconds."""

import socket
import sys
import time

MARK = b"scan of the acceptance suite"

sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _round in range(6):
    for port in (4789, 7946):
        sender.sendto(MARK, (sys.argv[1], port))
    time.sleep(1)
