# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue's side of the vote page: a vote is thanked for once it is on disk, and on replicas where that is asked for.

A vote is a JSON object on the Redis list ``votes``. Its last field is its order, a whole number: of two votes of one
voter the one with the higher order counts.

The order is asked for in a step of its own, before the vote is sent. A network that comes back still delivers what was
sent a minute ago: a vote that was refused meanwhile has the order of its own time then, and outranks none that was
thanked for since.
"""

from __future__ import annotations

import json

from redis import Redis
from redis.exceptions import RedisError

QUEUE = "votes"
ORDER = "votes:order"
PATIENCE_MS = 1000  # for the replicas to have a vote, and again for the disks

# Redis's clock in microseconds, or one more than the highest order where the clock went back. A replica that takes over
# without votes that nobody was thanked for does not know their orders; the database may have them already. Its clock
# gives higher ones, unless it is behind by more than the time that the take-over took.
NEXT_ORDER = """
local now = redis.call('TIME')
return math.max(now[1] * 1000000 + now[2], tonumber(redis.call('GET', KEYS[1]) or 0) + 1)
"""

APPEND = """
if tonumber(ARGV[1]) > tonumber(redis.call('GET', KEYS[1]) or 0) then
    redis.call('SET', KEYS[1], ARGV[1])
end
return redis.call('RPUSH', KEYS[2], ARGV[2])
"""


class NotStored(RedisError):
    """Redis has the vote, but not on as many disks as were asked for."""


class VoteQueue:
    """Stores votes on the disk of Redis and on those of ``replicas`` replicas."""

    def __init__(self, redis: Redis, replicas: int = 0) -> None:
        self._redis = redis
        self._replicas = replicas

    def put(self, voter: str, choice: str) -> None:
        """Return once the vote is stored. After redis.RedisError it may be stored or not, and may be put again."""
        try:
            self._put(voter, choice)
        except RedisError:
            # The server may have lost its role, or its address: what is idle now must not go there again.
            self._redis.connection_pool.disconnect(inuse_connections=False)
            raise

    def _put(self, voter: str, choice: str) -> None:
        order = self._redis.eval(NEXT_ORDER, 1, ORDER)
        vote = json.dumps({"voter_id": voter, "vote": choice, "order": order})
        # WAITAOF speaks of the writes of its own connection, and a pipeline keeps to one. It is tried again as a whole:
        # the same vote under the same order counts once, however often it is on the queue.
        with self._redis.pipeline(transaction=False) as pipeline:
            pipeline.eval(APPEND, 2, ORDER, QUEUE, order, vote)
            # A replica tells what it has on disk when asked, else once a second. WAITAOF alone asks it too early.
            pipeline.wait(self._replicas, PATIENCE_MS)
            pipeline.waitaof(1, self._replicas, PATIENCE_MS)
            answers = pipeline.execute(raise_on_error=False)
        for answer in answers:
            if isinstance(answer, RedisError):
                raise answer
        here, on_replicas = answers[-1]
        if here < 1 or on_replicas < self._replicas:
            raise NotStored(f"it is on {here} of 1 disks here, and of {on_replicas} of {self._replicas} replicas")
