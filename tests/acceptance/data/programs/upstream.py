# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the published vote page, worker and result page do with ``redis`` and ``db``, and nothing else.

Arguments: prefix of the voters; ``alone`` where no worker of the app runs, ``beside`` where they do.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

import psycopg
from redis import Redis

VOTERS = 100
SECONDS_UNTIL_COUNTED = 90


def connect() -> psycopg.Connection[Any]:
    return psycopg.connect(host="db", user="postgres", password="postgres", connect_timeout=10, autocommit=True)


def put(queue: Redis, voter: str, choice: str) -> None:
    """As the vote page."""
    queue.rpush("votes", json.dumps({"voter_id": voter, "vote": choice}))


def work(queue: Redis, database: psycopg.Connection[Any]) -> int:
    """As the worker, until the queue is empty; how many votes there were. What is taken is off the queue for good."""
    database.execute("CREATE TABLE IF NOT EXISTS votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL)")
    taken = 0
    while item := queue.lpop("votes"):
        vote = json.loads(str(item))
        try:
            database.execute("INSERT INTO votes (id, vote) VALUES (%s, %s)", (vote["voter_id"], vote["vote"]))
        except psycopg.Error:
            database.execute("UPDATE votes SET vote = %s WHERE id = %s", (vote["vote"], vote["voter_id"]))
        taken += 1
    return taken


def totals(database: psycopg.Connection[Any]) -> dict[str, int]:
    """As the result page."""
    return dict(database.execute("SELECT vote, COUNT(id) AS count FROM votes GROUP BY vote").fetchall())


def own(database: psycopg.Connection[Any], prefix: str) -> dict[str, str]:
    return dict(database.execute("SELECT id, vote FROM votes WHERE id LIKE %s", (f"{prefix}%",)).fetchall())


def alone(prefix: str) -> dict[str, Any]:
    """All vote, half of them twice; every vote goes through this program's hands."""
    queue = Redis(host="redis", socket_timeout=10, decode_responses=True)
    with connect() as database:
        before = totals(database)
        votes = [(number, "a") for number in range(VOTERS)] + [(number, "b") for number in range(VOTERS // 2)]
        for number, choice in votes:
            put(queue, f"{prefix}{number}", choice)
        taken = work(queue, database)
        after = totals(database)
    return {
        "put": len(votes),
        "taken": taken,
        "grown": {choice: after.get(choice, 0) - before.get(choice, 0) for choice in "ab"},
    }


def beside(prefix: str) -> dict[str, Any]:
    """All change their choice once more; the app's workers take the votes."""
    queue = Redis(host="redis", socket_timeout=10, decode_responses=True)
    with connect() as database:
        wanted = {voter: "b" if choice == "a" else "a" for voter, choice in own(database, prefix).items()}
        for voter, choice in wanted.items():
            put(queue, voter, choice)
        deadline = time.monotonic() + SECONDS_UNTIL_COUNTED
        while (found := own(database, prefix)) != wanted and time.monotonic() < deadline:
            time.sleep(0.5)
    return {"put": len(wanted), "right": sum(found.get(voter) == choice for voter, choice in wanted.items())}


if __name__ == "__main__":
    print(json.dumps({"alone": alone, "beside": beside}[sys.argv[2]](sys.argv[1])))
