# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ask an edge for its health twenty times a second until standard input ends. Arguments: address, port.

Prints a line for each question: when it was begun, in seconds since 1970, and the status of the answer or the name of
the error. Nothing is asked again, and no question waits for another. Needs nothing but Python 3.10, to run anywhere.
"""

from __future__ import annotations

import asyncio
import sys
import time

INTERVAL = 0.05
SECONDS = 1.0
QUESTION = b"GET /healthz HTTP/1.0\r\n\r\n"


async def answer(address: str, port: int) -> str:
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(QUESTION)
        words = (await reader.readline()).split()
        return words[1].decode() if len(words) > 1 else "closed"
    finally:
        writer.close()


async def probe(address: str, port: int) -> None:
    began = time.time()
    try:
        status = await asyncio.wait_for(answer(address, port), SECONDS)
    except (OSError, asyncio.TimeoutError) as error:  # noqa: UP041 - a class of its own before Python 3.11
        status = type(error).__name__
    print(f"{began:.3f} {status}", flush=True)


async def main(address: str, port: int) -> None:
    over = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, over.set)
    under_way: set[asyncio.Task[None]] = set()
    due = time.monotonic()
    while not over.is_set():
        task = asyncio.create_task(probe(address, port))
        under_way.add(task)
        task.add_done_callback(under_way.discard)
        due = max(due + INTERVAL, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
    await asyncio.gather(*under_way)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
