# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Print the open TCP ports of addresses as JSON, {address: [port]}. Needs nothing but Python 3.10, to run anywhere."""

import asyncio
import itertools
import json
import resource
import sys

AT_ONCE = 6000
SECONDS = 2.0


async def is_open(address: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(address, port), SECONDS)
    except (OSError, asyncio.TimeoutError):  # noqa: UP041 - a class of its own before Python 3.11
        return False
    writer.close()
    return True


async def scan(addresses: list[str]) -> dict[str, list[int]]:
    left = itertools.product(range(1, 65536), addresses)
    found: dict[str, list[int]] = {address: [] for address in addresses}

    async def work(delay: float) -> None:
        # Attempts that begin and end together would keep each other from being seen in time.
        await asyncio.sleep(delay)
        for port, address in left:
            if await is_open(address, port):
                found[address].append(port)

    await asyncio.gather(*(work(number * SECONDS / AT_ONCE) for number in range(AT_ONCE)))
    return {address: sorted(ports) for address, ports in found.items()}


resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
print(json.dumps(asyncio.run(scan(sys.argv[1:]))))
