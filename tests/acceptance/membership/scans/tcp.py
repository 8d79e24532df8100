# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the open TCP ports of addresses as JSON, {address: [port]}. Needs nothing but Python 3.10, to run anywhere."""

import asyncio
import json
import resource
import sys

AT_ONCE = 3000
SECONDS = 1.0
RETRIES = 1


async def is_open(address: str, port: int, slots: asyncio.Semaphore) -> bool:
    async with slots:
        for _attempt in range(RETRIES):
            try:
                _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
            except TimeoutError:
                continue
            except asyncio.TimeoutError:  # noqa: UP041 - another class before Python 3.11
                continue
            except OSError:
                return False
            writer.close()
            return True
    return False


async def scan(address: str) -> list[int]:
    slots = asyncio.Semaphore(AT_ONCE)
    ports = range(1, 65536)
    found = await asyncio.gather(*(is_open(address, port, slots) for port in ports))
    return [port for port, answer in zip(ports, found, strict=True) if answer]


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
print(json.dumps({address: asyncio.run(scan(address)) for address in sys.argv[1:]}))
