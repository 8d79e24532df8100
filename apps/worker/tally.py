# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database's side of the worker: one row a voter in the table ``votes``, the newest choice wins."""

from __future__ import annotations

import json
from collections.abc import Mapping

from psycopg import Connection
from psycopg_pool import ConnectionPool

COLUMN_WIDTH = 255
CREATE = "CREATE TABLE IF NOT EXISTS votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL)"
# CREATE TABLE IF NOT EXISTS is not safe against itself: workers that start together take turns.
CREATE_ALONE = "SELECT pg_advisory_xact_lock(hashtext('create table votes'))"
UPSERT = """
    INSERT INTO votes (id, vote) SELECT * FROM unnest(%s::text[], %s::text[])
    ON CONFLICT (id) DO UPDATE SET vote = EXCLUDED.vote
"""


def read(item: bytes) -> tuple[str, str]:
    """(voter's id, vote) of a queue item; ValueError when it is not a vote that the table can hold."""
    fields = json.loads(item)
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")
    return _text(fields, "voter_id"), _text(fields, "vote")


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= COLUMN_WIDTH or "\0" in value:
        raise ValueError(f"{name} is not a text of 1 to {COLUMN_WIDTH} characters")
    value.encode()  # half a surrogate pair is no text either
    return value


def prepare(connection: Connection) -> None:
    """Create the table where it does not exist yet; runs on every new connection, so on every new database too."""
    with connection.transaction():
        connection.execute(CREATE_ALONE)
        connection.execute(CREATE)


class Tally:
    """Stores votes through a pool that reconnects by itself. Raises psycopg.Error when nothing was stored."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    def store(self, votes: Mapping[str, str]) -> None:
        """Write voter -> vote in one transaction, ordered by id so that two workers cannot lock each other out."""
        voters = sorted(votes)
        with self._pool.connection() as connection:
            connection.execute(UPSERT, (voters, [votes[voter] for voter in voters]))

    def keep_connected(self) -> None:
        """Replace a connection that is dead, so that a new database has its table before the first vote is cast."""
        self._pool.check()
