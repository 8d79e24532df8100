# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue's side of the worker: votes are held in Redis until they are stored, never in memory alone.

A vote moves from the list ``votes`` to this worker's own list ``votes:processing:<id>`` in one atomic step and leaves
that list only when it is settled. The key ``votes:worker:<id>`` is the worker's lease: a processing list whose lease
has run out belongs to nobody, and any worker puts its votes back at the head of the queue.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis

QUEUE = "votes"
HELD = "votes:processing:"
LEASE = "votes:worker:"
REJECTED = "votes:rejected"
LEASE_SECONDS = 60


class Intake:
    """Takes votes for one worker. Every method may raise redis.RedisError, after which it can be called again."""

    def __init__(self, redis: Redis, worker_id: str) -> None:
        self._redis = redis
        self._held = HELD + worker_id
        self._lease = LEASE + worker_id

    def take(self, limit: int, wait: float) -> list[bytes]:
        """Up to ``limit`` votes in the order of the queue, those already held first; waits ``wait`` seconds for one."""
        self._redis.set(self._lease, "held", ex=LEASE_SECONDS)
        held = self._redis.lrange(self._held, 0, limit - 1)
        if held:
            return held
        first = self._redis.blmove(QUEUE, self._held, wait, "LEFT", "RIGHT")
        if first is None:
            return []
        with self._redis.pipeline(transaction=False) as pipeline:
            for _ in range(min(limit - 1, self._redis.llen(QUEUE))):
                pipeline.lmove(QUEUE, self._held, "LEFT", "RIGHT")
            return [first, *(vote for vote in pipeline.execute() if vote is not None)]

    def settle(self, votes: Sequence[bytes]) -> None:
        """Forget votes that are stored. They are named by value: a command that arrives late removes no other vote."""
        with self._redis.pipeline() as pipeline:
            for vote in votes:
                pipeline.lrem(self._held, 1, vote)
            pipeline.execute()

    def reject(self, votes: Sequence[bytes]) -> None:
        """Put votes that can never be stored aside, where a person can read them."""
        with self._redis.pipeline() as pipeline:
            for vote in votes:
                pipeline.lrem(self._held, 1, vote)
                pipeline.rpush(REJECTED, vote)
            pipeline.execute()

    def reclaim(self) -> int:
        """Put the votes of workers whose lease has run out back at the head of the queue; how many there were."""
        returned = 0
        for held in self._redis.scan_iter(match=f"{HELD}*"):
            worker_id = held.decode().removeprefix(HELD)
            if not self._redis.exists(LEASE + worker_id):
                returned += self._put_back(held)
        return returned

    def release(self) -> int:
        """Put all that this worker holds back at the head of the queue and give up the lease; how many there were."""
        returned = self._put_back(self._held)
        self._redis.delete(self._lease)
        return returned

    def _put_back(self, held: str | bytes) -> int:
        returned = 0
        while self._redis.lmove(held, QUEUE, "RIGHT", "LEFT") is not None:
            returned += 1
        return returned
