# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The queue's side of the worker: votes are held in Redis until they are stored, never in memory alone.

A vote moves from the list ``votes`` to this worker's own list ``votes:processing:<id>`` in one atomic step and leaves
that list only when it is settled. The key ``votes:worker:<id>`` is the worker's lease: a processing list whose lease
has run out belongs to nobody, and any worker puts its votes back at the head of the queue.

Votes of the published vote image bring no order. They get one, as their last field, in the step that takes them, and
keep it when they are put back: it is theirs for good before anybody stores them.
"""

from __future__ import annotations

from collections.abc import Sequence

from redis import Redis

QUEUE = "votes"
HELD = "votes:processing:"
LEASE = "votes:worker:"
TAKEN = "votes:taken"
REJECTED = "votes:rejected"
LEASE_SECONDS = 60

# These run where memory is full, too: nothing else makes room in it.
#
# A vote without an order comes after all that were taken before it: it gets one more than the highest of their orders,
# which is less than the clock at which the next vote on the queue was cast. The clock itself is for a queue from which
# nothing was taken yet. Numbers of 2^53 and more would lose digits here, and are no orders that the vote page gives.
TAKE = """#!lua flags=allow-oom
local queue, held, lease, taken = unpack(KEYS)
redis.call('SET', lease, 'held', 'EX', ARGV[2])
local items = redis.call('LPOP', queue, math.max(ARGV[1] - redis.call('LLEN', held), 0))
if items and #items > 0 then
    local now = redis.call('TIME')
    local highest = tonumber(redis.call('GET', taken) or now[1] * 1000000 + now[2])
    for i, item in ipairs(items) do
        local order = tonumber(item:match('"order": (%d+)}$'))
        if not order or order >= 2^53 then
            order = highest + 1
            items[i] = item:gsub('}%s*$', string.format(', "order": %.0f}', order))
        end
        highest = math.max(highest, order)
    end
    redis.call('RPUSH', held, unpack(items))
    redis.call('SET', taken, string.format('%.0f', highest))
end
return redis.call('LRANGE', held, 0, ARGV[1] - 1)
"""

PUT_BACK = """#!lua flags=allow-oom
local queue, held, lease = unpack(KEYS)
local returned = 0
if redis.call('EXISTS', lease) == 0 then
    while redis.call('LMOVE', held, queue, 'RIGHT', 'LEFT') do
        returned = returned + 1
    end
end
return returned
"""

REJECT = """#!lua flags=allow-oom
local held, rejected = unpack(KEYS)
for _, item in ipairs(ARGV) do
    if redis.call('LREM', held, 1, item) == 1 then
        redis.call('RPUSH', rejected, item)
    end
end
"""


class Intake:
    """Takes votes for one worker. Every method may raise redis.RedisError, after which it can be called again."""

    def __init__(self, redis: Redis, worker_id: str) -> None:
        self._redis = redis
        self._worker_id = worker_id
        self._held = HELD + worker_id

    def take(self, limit: int, wait: float) -> list[bytes]:
        """Up to ``limit`` votes in the order of the queue, those already held first; waits ``wait`` seconds for one."""
        if votes := self._take(limit):
            return votes
        # Waits for a vote, and leaves it where it is.
        if self._redis.blmove(QUEUE, QUEUE, wait, "LEFT", "LEFT") is None:
            return []
        return self._take(limit)

    def settle(self, votes: Sequence[bytes]) -> None:
        """Forget votes that are stored. They are named by value: a command that arrives late removes no other vote."""
        with self._redis.pipeline() as pipeline:
            for vote in votes:
                pipeline.lrem(self._held, 1, vote)
            pipeline.execute()

    def reject(self, votes: Sequence[bytes]) -> None:
        """Put votes that can never be stored aside, where a person can read them."""
        self._redis.eval(REJECT, 2, self._held, REJECTED, *votes)

    def reclaim(self) -> int:
        """Put the votes of workers whose lease has run out back at the head of the queue; how many there were."""
        returned = 0
        for held in self._redis.scan_iter(match=f"{HELD}*"):
            returned += self._put_back(held.decode().removeprefix(HELD))
        return returned

    def release(self) -> int:
        """Give up the lease and put all that this worker holds back at the head of the queue; how many there were."""
        self._redis.delete(LEASE + self._worker_id)
        return self._put_back(self._worker_id)

    def disconnect(self) -> None:
        """Ask for the server's address anew the next time: it may have lost its role."""
        self._redis.connection_pool.disconnect(inuse_connections=False)

    def _take(self, limit: int) -> list[bytes]:
        keys = QUEUE, self._held, LEASE + self._worker_id, TAKEN
        return self._redis.eval(TAKE, len(keys), *keys, limit, LEASE_SECONDS)

    def _put_back(self, worker_id: str) -> int:
        keys = QUEUE, HELD + worker_id, LEASE + worker_id
        return self._redis.eval(PUT_BACK, len(keys), *keys)
