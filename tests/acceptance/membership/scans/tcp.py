# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the open TCP ports of addresses as JSON, {address: [port]}. Needs nothing but Python 3.10, to run anywhere."""

import asyncio
import json
import resource
import sys

AT_ONCE = 3000
SECONDS = 1.0


async def is_open(address: str, port: int, slots: asyncio.Semaphore) -> bool:
    async with slots:
        try:
            _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
        except (OSError, asyncio.TimeoutError):  # noqa: UP041 - a class of its own before Python 3.11
            return False
        writer.close()
        return True


async def scan(address: str) -> list[int]:
    slots = asyncio.Semaphore(AT_ONCE)
    ports = range(1, 65536)
    found = await asyncio.gather(*(is_open(address, port, slots) for port in ports))
    return [port for port, answer in zip(ports, found, strict=True) if answer]


async def scan_all(addresses: list[str]) -> dict[str, list[int]]:
    found = await asyncio.gather(*map(scan, addresses))
    return dict(zip(addresses, found, strict=True))


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
print(json.dumps(asyncio.run(scan_all(sys.argv[1:]))))
