# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documents in one SQLite file, written through at once, so that a killed process loses nothing it has answered."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class StoreError(Exception):
    """State that cannot be used; the message names its file."""


class Store:
    """Documents by kind and id. For one process, which holds the file alone: ids are never handed out twice.

    StoreError where another process has it.
    """

    def __init__(self, path: Path | None) -> None:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None, check_same_thread=False, timeout=1)
        self._db.execute("PRAGMA locking_mode=EXCLUSIVE")
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            raise StoreError(
                f"the state in {path} cannot be used ({error}): end the other server of this state, "
                "or give another folder (LAB_STATE, or --state)"
            ) from None
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS documents (kind TEXT, id INTEGER, body TEXT NOT NULL, PRIMARY KEY (kind, id))"
        )
        self._db.execute("CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL)")

    def load(self, kind: str) -> Iterator[str]:
        """All documents of a kind, oldest first."""
        for (body,) in self._db.execute("SELECT body FROM documents WHERE kind = ? ORDER BY id", (kind,)):
            yield body

    def put(self, kind: str, key: int, body: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", (kind, key, body))

    def remove(self, kind: str, key: int) -> None:
        self._db.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, key))

    def next(self, counter: str) -> int:
        """1, 2, 3, ... per counter, across restarts."""
        row = self._db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
            (counter,),
        ).fetchone()
        return int(row[0])

    @contextmanager
    def together(self) -> Iterator[None]:
        """All writes inside land on disk, or none. Check first: what is in memory is not rolled back."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()
