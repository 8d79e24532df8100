# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Voters, as a file of Locust: many users, each of whom votes for voters of its own, through the addresses in turn.

A line of the ledger is what one attempt came to. Nothing is tried again: a failed request is a failed request.
"""

from __future__ import annotations

import json
import math
import os
import random
import time
from collections.abc import Iterator
from itertools import count, cycle
from pathlib import Path
from typing import Any

from locust import HttpUser, task

ADDRESSES = os.environ["VOTERS_THROUGH"].split()
PREFIX = os.environ["VOTERS_PREFIX"]
TIMEOUT = float(os.environ["VOTERS_TIMEOUT"])
# A voter that only ever votes once shows that no vote is lost, one that votes again shows that the newest one counts.
AGAIN = 0.5
REMEMBERED = 20
# Some change their mind at once, and find another server.
HURRY = 0.2
# Seconds from one turn of a user to the next, in which there is a vote or two; 0 is as soon as they are answered.
PACE = float(os.environ["VOTERS_PACE"]) * (1 + HURRY)

ledger = Path(os.environ["VOTERS_LEDGER"]).open("a", buffering=1, encoding="utf-8")  # noqa: SIM115 - until the end
users = count()


class Voters(HttpUser):
    """One vote at a time, so that no voter has two in flight."""

    host = f"http://{ADDRESSES[0]}:8080"

    def on_start(self) -> None:
        number = next(users)
        first = number % len(ADDRESSES)
        self.own = f"{PREFIX}{number}-"
        self.through: Iterator[str] = cycle(ADDRESSES[first:] + ADDRESSES[:first])
        self.choices: dict[str, str] = {}
        # Not through a proxy of this machine's.
        self.client.trust_env = False
        self.due = time.monotonic() + random.uniform(0, PACE)  # noqa: S311 - nothing secret
        time.sleep(max(0.0, self.due - time.monotonic()))

    def wait_time(self) -> float:
        """Until its next turn: at one rate whatever the answers take, with moments of its own.

        Locust's constant_throughput counts from the start of all users, and from when a late one is done: they would
        all vote in the same moments, from the first outage on at the latest.
        """
        now = time.monotonic()
        if PACE:
            self.due += PACE * max(1, math.ceil((now - self.due) / PACE))
        return max(0.0, self.due - now)

    @task
    def vote(self) -> None:
        known = list(self.choices)[-REMEMBERED:]
        again = known and random.random() < AGAIN  # noqa: S311
        voter = random.choice(known) if again else f"{self.own}{len(self.choices)}"  # noqa: S311
        self.cast(voter)
        if random.random() < HURRY:  # noqa: S311
            self.cast(voter)
        # Until the next turn the edge would close what is idle, and a busy gevent does not see that in time: it would
        # send on a connection that is closed.
        self.client.close()

    def cast(self, voter: str) -> None:
        """Always for the other choice than the last time."""
        last = self.choices.get(voter) or random.choice("ab")  # noqa: S311
        choice = self.choices[voter] = "b" if last == "a" else "a"
        self.request(
            "vote",
            "POST",
            8080,
            voter=voter,
            choice=choice,
            data={"vote": choice},
            headers={"Cookie": f"voter_id={voter}"},
        )

    def request(
        self, page: str, method: str, port: int, path: str = "/", voter: str = "", choice: str = "", **options: Any
    ) -> None:
        """Through the next address, and into the ledger."""
        through = next(self.through)
        status: int | str = "broken off"
        began = time.time()
        try:
            response = self.client.request(
                method, f"http://{through}:{port}{path}", name=page, timeout=TIMEOUT, allow_redirects=False, **options
            )
            status = response.status_code or type(response.error).__name__
        finally:
            attempt = {
                "voter": voter,
                "choice": choice,
                "through": through,
                "began": began,
                "ended": time.time(),
                "status": status,
                "acknowledged": status == 200,
                "page": page,
            }
            ledger.write(f"{json.dumps(attempt)}\n")
