# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The worker: moves votes from the queue (redis:6379) to the database (db:5432).

Each is delivered at least once and counts once: the database keeps the vote with a voter's highest order, however often
and in whatever order votes arrive.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from operator import attrgetter
from pathlib import Path

import psycopg
from intake import Intake
from psycopg_pool import ConnectionPool
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from tally import Tally, Vote, prepare, read

BATCH = 500
WAIT_SECONDS = 1.0
UPKEEP_SECONDS = 15.0
PAUSE_SECONDS = 1.0
ALIVE = Path("/dev/shm/worker-alive")

log = logging.getLogger("worker")


def password() -> str:
    """The database's password from the file POSTGRES_PASSWORD_FILE, else from POSTGRES_PASSWORD."""
    if path := os.environ.get("POSTGRES_PASSWORD_FILE"):
        return Path(path).read_text(encoding="utf-8").rstrip("\n")
    if value := os.environ.get("POSTGRES_PASSWORD"):
        return value
    sys.exit("Set POSTGRES_PASSWORD_FILE (a file's path) or POSTGRES_PASSWORD to the database's password.")


def queue_login() -> dict[str, str]:
    """The account REDIS_USER with the password in the file REDIS_PASSWORD_FILE; none where neither is set."""
    user, path = os.environ.get("REDIS_USER"), os.environ.get("REDIS_PASSWORD_FILE")
    if not user and not path:
        return {}
    if not user or not path:
        sys.exit("Set both REDIS_USER and REDIS_PASSWORD_FILE (a file's path), or neither.")
    return {"username": user, "password": Path(path).read_text(encoding="utf-8").rstrip("\n")}


def connect_queue() -> Redis:
    return Redis(
        host="redis",
        **queue_login(),
        socket_connect_timeout=2,
        socket_timeout=5,
        retry=Retry(ExponentialBackoff(cap=1, base=0.1), retries=2),
    )


def connect_database() -> ConnectionPool:
    user = os.environ.get("POSTGRES_USER", "postgres")
    connection = {
        "host": "db",
        "user": user,
        "dbname": os.environ.get("POSTGRES_DB", user),
        "password": password(),
        "application_name": "worker",
        "connect_timeout": 3,
        "keepalives_idle": 10,
        "keepalives_interval": 2,
        "keepalives_count": 3,
        "tcp_user_timeout": 10_000,
        "options": "-c statement_timeout=10s",
    }
    return ConnectionPool(
        kwargs=connection,
        min_size=1,
        max_size=1,
        timeout=5,
        reconnect_timeout=30,
        configure=prepare,
        check=ConnectionPool.check_connection,
    )


def step(intake: Intake, tally: Tally) -> int:
    """One batch from the queue to the database; the number of votes settled. On an error all of it stays held."""
    newest: dict[str, Vote] = {}
    good: list[bytes] = []
    bad: list[bytes] = []
    for item in intake.take(BATCH, WAIT_SECONDS):
        try:
            vote = read(item)
        except (ValueError, RecursionError) as error:
            log.error("put aside a queue item that is no vote: %s", error)
            bad.append(item)
        else:
            newest[vote.voter] = max(vote, newest.get(vote.voter, vote), key=attrgetter("order"))
            good.append(item)
    if bad:
        intake.reject(bad)
    if good:
        tally.store(newest.values())
        intake.settle(good)
    return len(good)


def run(intake: Intake, tally: Tally, stop: threading.Event, alive: Callable[[], None]) -> None:
    """Work until ``stop``, through every outage of the queue and the database; ``alive`` is called once a round."""
    upkept_at = float("-inf")
    while not stop.is_set():
        alive()
        try:
            if time.monotonic() - upkept_at >= UPKEEP_SECONDS:
                tally.keep_connected()
                if returned := intake.reclaim():
                    log.warning("put %d votes of a lost worker back in the queue", returned)
                upkept_at = time.monotonic()
            step(intake, tally)
        except (RedisError, psycopg.Error) as error:
            log.warning("no vote is lost, trying again: %s", error)
            intake.disconnect()
            stop.wait(PAUSE_SECONDS)
    try:
        intake.release()
    except RedisError as error:
        log.warning("left what was held to the other workers: %s", error)


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    intake = Intake(connect_queue(), socket.gethostname())
    with connect_database() as pool:
        log.info("moving votes from redis to db")
        run(intake, Tally(pool), stop, ALIVE.touch)
    log.info("stopped, nothing held back")


if __name__ == "__main__":
    main()
