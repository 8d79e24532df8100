# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database's side of the worker: one row a voter in the table ``votes``, the highest order wins.

The table is that of the published worker, with a column more. It and this worker can take turns on one table: its rows
have the order 0, and each of its updates is outranked by the voter's next vote.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import NamedTuple

from psycopg import Connection
from psycopg_pool import ConnectionPool

COLUMN_WIDTH = 255
CREATE = """
    CREATE TABLE IF NOT EXISTS votes
    (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL, ordered BIGINT NOT NULL DEFAULT 0)
"""
# CREATE TABLE IF NOT EXISTS is not safe against itself: workers that start together take turns.
CREATE_ALONE = "SELECT pg_advisory_xact_lock(hashtext('create table votes'))"
# ALTER TABLE waits for everybody who reads the table, a backup for instance, and all others wait behind it. With IF NOT
# EXISTS it does so even where there is nothing to add.
IS_ORDERED = "SELECT FROM pg_attribute WHERE attrelid = 'votes'::regclass AND attname = 'ordered'"
ADD_ORDER = "ALTER TABLE votes ADD COLUMN ordered BIGINT NOT NULL DEFAULT 0"
UPSERT = """
    INSERT INTO votes (id, vote, ordered) SELECT * FROM unnest(%s::text[], %s::text[], %s::bigint[])
    ON CONFLICT (id) DO UPDATE SET vote = EXCLUDED.vote, ordered = EXCLUDED.ordered
    WHERE EXCLUDED.ordered >= votes.ordered
"""


class Vote(NamedTuple):
    voter: str
    choice: str
    order: int


def read(item: bytes) -> Vote:
    """The vote that a queue item is; ValueError when it is none that the table can hold."""
    fields = json.loads(item)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    order = fields.get("order")
    if type(order) is not int or not 0 <= order < 2**63:
        raise ValueError("order is not a whole number of 63 bits")
    return Vote(_text(fields, "voter_id"), _text(fields, "vote"), order)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= COLUMN_WIDTH or "\0" in value:
        raise ValueError(f"{name} is not a text of 1 to {COLUMN_WIDTH} characters")
    value.encode()  # half a surrogate pair is no text either
    return value


def prepare(connection: Connection) -> None:
    """Create the table, or its last column; runs on every new connection, so on every new database too."""
    with connection.transaction():
        connection.execute(CREATE_ALONE)
        connection.execute(CREATE)
        if connection.execute(IS_ORDERED).fetchone() is None:
            connection.execute(ADD_ORDER)


class Tally:
    """Stores votes through a pool that reconnects by itself. Raises psycopg.Error when nothing was stored."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def store(self, votes: Collection[Vote]) -> None:
        """Write votes, one a voter, in one transaction. A row that has a higher order stays as it is."""
        # In the order of ids, so that two workers cannot lock each other out.
        columns = [list(column) for column in zip(*sorted(votes), strict=True)]
        with self._pool.connection() as connection:
            connection.execute(UPSERT, columns)

    def keep_connected(self) -> None:
        """Replace a connection that is dead, so that a new database has its table before the first vote is cast."""
        self._pool.check()
