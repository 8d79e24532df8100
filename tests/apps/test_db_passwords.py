# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database takes the passwords that its container is given, and its log has none: on PostgreSQL itself.

Left out where there is no PostgreSQL.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.apps.servers import SECONDS_TO_START, PostgresProcess, eventually, new_postgres, on_postgres

PROGRAMS = Path(__file__).resolve().parents[2] / "apps" / "db"
ADDRESS = "127.{}.{}.101".format(*divmod(256 + os.getpid() % 60_000, 256))
GIVEN = {"POSTGRES_PASSWORD": "n3w-postgres", "REPLICATION_PASSWORD": "n3w-replicator"}


def start(database: PostgresProcess, **environment: str) -> None:
    """As the container does that has the only one."""
    database.start(f"listen_addresses={ADDRESS}", through=[database.copy(PROGRAMS / "entrypoint")], **environment)


def lead(database: PostgresProcess) -> subprocess.Popen[bytes]:
    """What Patroni calls when the member has become the leader."""
    program = database.copy(PROGRAMS / "passwords")
    return database.begin(program, "on_role_change", "primary", "voteapp", **GIVEN)


def accepts(user: str, password: str) -> bool:
    try:
        psycopg.connect(f"host={ADDRESS} user={user} password={password} dbname=postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@pytest.fixture
def database() -> Iterator[PostgresProcess]:
    """One that was made with the password ``old``."""
    with new_postgres("old") as database:
        yield database


@on_postgres
def test_the_only_one_takes_the_password_that_it_is_given(database: PostgresProcess) -> None:
    start(database)
    assert accepts("postgres", "old")
    database.stop()
    start(database, POSTGRES_PASSWORD="n3w'word")
    assert accepts("postgres", r"n3w\'word")
    assert not accepts("postgres", "old")
    assert "n3w" not in database.said()


@on_postgres
def test_a_leader_takes_its_passwords_once_it_is_promoted(database: PostgresProcess) -> None:
    """Patroni calls while the server still reads alone."""
    (database.data / "standby.signal").touch()
    start(database)
    with database.administer() as administrator:

        def waits() -> bool:
            found = administrator.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            return found.rowcount == 1

        call = lead(database)
        eventually(waits)
        assert call.poll() is None
        administrator.execute("SELECT pg_promote()")
        assert call.wait(timeout=SECONDS_TO_START) == 0, database.said()
    assert accepts("postgres", "n3w-postgres")
    assert accepts("replicator", "n3w-replicator")


@on_postgres
def test_a_password_is_not_in_the_log_when_it_is_refused(database: PostgresProcess) -> None:
    start(database)
    with database.administer() as administrator:
        administrator.execute("ALTER SYSTEM SET log_statement = 'all'")
        administrator.execute("SELECT pg_reload_conf()")
        # Nothing can be written, for another reason than a promotion.
        administrator.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    assert lead(database).wait(timeout=SECONDS_TO_START) != 0
    assert "cannot execute ALTER ROLE" in database.said()
    assert "n3w" not in database.said()
