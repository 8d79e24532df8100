# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import accounts
import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from tests.apps.accounts.stores import ADMINISTRATOR, DATABASE, Clients, Member, Program, passwords
from tests.apps.servers import PostgresProcess, new_postgres


@pytest.fixture
def members(quick_folder: Path) -> Iterator[Callable[..., Member]]:
    """Starts a member with the options given; all are gone after the test."""
    started: list[Member] = []

    def start(*options: str) -> Member:
        number = len(started) + 1
        started.append(Member(quick_folder / f"redis-{number}", number, *options))
        return started[-1]

    yield start
    for member in started:
        for keeper in member.keepers:
            keeper.disconnect()
        member.admin.close()
        member.kill()


@pytest.fixture
def member(members: Callable[..., Member]) -> Member:
    return members()


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    with ExitStack() as opened:
        yield Clients(tmp_path, monkeypatch, opened)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresProcess]:
    """One that asks for passwords over the network, and logs all statements."""
    with new_postgres(ADMINISTRATOR["db"]) as server:
        server.start(f"listen_addresses={DATABASE}", "log_statement=all")
        yield server


@pytest.fixture
def database(postgres: PostgresProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """The administrator's connection to a PostgreSQL as it was new; the name db leads there."""
    monkeypatch.setenv("PGHOSTADDR", DATABASE)
    with postgres.administer() as connection:
        connection.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE usename ~ '^voteapp'")
        connection.execute("DROP TABLE IF EXISTS votes")
        for (role,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^voteapp'").fetchall():
            connection.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
            connection.execute(SQL("DROP ROLE {}").format(Identifier(role)))
        connection.execute("GRANT CONNECT, TEMPORARY ON DATABASE postgres, template1 TO PUBLIC")
        yield connection


@pytest.fixture
def keepers(database: psycopg.Connection) -> Iterator[Callable[..., accounts.Database]]:
    """What a program that has just started does to the database, with the accounts that are named."""
    made: list[accounts.Database] = []

    def make(*names: str) -> accounts.Database:
        made.append(accounts.Database(passwords("db", *names), ADMINISTRATOR["db"]))
        return made[-1]

    yield make
    for keeper in made:
        keeper.disconnect()


@pytest.fixture
def settle(keepers: Callable[..., accounts.Database]) -> Callable[..., None]:
    return lambda *names: keepers(*names).settle()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    folder = tmp_path / "program"
    folder.mkdir()
    program = Program(folder)
    yield program
    if hasattr(program, "process"):
        program.process.kill()
        program.process.wait()
