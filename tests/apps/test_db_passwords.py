# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A database takes the passwords that its container is given, and its log has none: on PostgreSQL itself.

Left out where initdb and postgres are not on PATH.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.apps.test_stores import NOBODY, SECONDS_TO_START, eventually, on_postgres

PROGRAMS = Path(__file__).resolve().parents[2] / "apps" / "db"
# The folder of PostgreSQL's programs, of which others than these two need not be on PATH.
PATH = f"{Path(shutil.which('initdb') or '').resolve().parent}:{os.environ['PATH']}"
ADDRESS = "127.{}.{}.101".format(*divmod(256 + os.getpid() % 60_000, 256))
GIVEN = {"POSTGRES_PASSWORD": "n3w-postgres", "REPLICATION_PASSWORD": "n3w-replicator"}
# PostgreSQL does not run as root.
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


class Database:
    """One that was made with the password ``old``, and asks for passwords over the network."""

    def __init__(self, folder: Path) -> None:
        self.data, self.log = folder / "data", folder / "log"
        self.data.mkdir(mode=0o700)
        word = folder / "word"
        word.write_text("old", encoding="utf-8")
        if AS_NOBODY:
            os.chown(self.data, NOBODY, NOBODY)
        options = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}"]
        self.run("initdb", "--pgdata", str(self.data), "--no-sync", *options)

    def environment(self, **more: str) -> dict[str, str]:
        return {"PATH": PATH, "PGDATA": str(self.data), "PGHOST": str(self.data), **more}

    def run(self, *command: str | Path, check: bool = True, **environment: str) -> int:
        known = self.environment(**environment)
        with self.log.open("a") as log:
            done = subprocess.run(command, check=check, cwd="/", env=known, stdout=log, stderr=log, **AS_NOBODY)
        return done.returncode

    def start(self, **environment: str) -> None:
        """As the container does that has the only one."""
        settings = [f"listen_addresses={ADDRESS}", f"unix_socket_directories={self.data}", "fsync=off"]
        command = [PROGRAMS / "entrypoint", "postgres", *(part for setting in settings for part in ("-c", setting))]
        with self.log.open("a") as log:
            known = self.environment(**environment)
            self.server = subprocess.Popen(command, cwd="/", env=known, stderr=log, **AS_NOBODY)
        eventually(self.answers)

    def administer(self) -> psycopg.Connection:
        return psycopg.connect(f"host={self.data} user=postgres", autocommit=True)

    def answers(self) -> bool:
        try:
            self.administer().close()
        except psycopg.OperationalError:
            return False
        return True

    def accepts(self, user: str, password: str) -> bool:
        try:
            psycopg.connect(f"host={ADDRESS} user={user} password={password} dbname=postgres").close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self) -> None:
        if self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(timeout=SECONDS_TO_START)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture
def database() -> Iterator[Database]:
    # Not tmp_path: nobody cannot look into a folder of the user that runs the tests.
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        database = Database(Path(name))
        yield database
        database.stop()


@on_postgres
def test_the_only_one_takes_the_password_that_it_is_given(database: Database) -> None:
    database.start()
    assert database.accepts("postgres", "old")
    database.stop()
    database.start(POSTGRES_PASSWORD="n3w'word")
    assert database.accepts("postgres", r"n3w\'word")
    assert not database.accepts("postgres", "old")
    assert "n3w" not in database.said()


@on_postgres
def test_a_leader_takes_its_passwords_once_it_is_promoted(database: Database) -> None:
    """Patroni calls while the server still reads alone."""
    (database.data / "standby.signal").touch()
    database.start()
    command = [PROGRAMS / "passwords", "on_role_change", "primary", "voteapp"]
    with database.log.open("a") as log, database.administer() as administrator:

        def waits() -> bool:
            found = administrator.execute("SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'")
            return found.rowcount == 1

        call = subprocess.Popen(command, cwd="/", env=database.environment(**GIVEN), stderr=log, **AS_NOBODY)
        eventually(waits)
        assert call.poll() is None
        administrator.execute("SELECT pg_promote()")
        assert call.wait(timeout=SECONDS_TO_START) == 0, database.said()
    assert database.accepts("postgres", "n3w-postgres")
    assert database.accepts("replicator", "n3w-replicator")


@on_postgres
def test_a_password_is_not_in_the_log_when_it_is_refused(database: Database) -> None:
    database.start()
    with database.administer() as administrator:
        administrator.execute("ALTER SYSTEM SET log_statement = 'all'")
        administrator.execute("SELECT pg_reload_conf()")
        # Nothing can be written, for another reason than a promotion.
        administrator.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    assert database.run(PROGRAMS / "passwords", "on_role_change", "primary", "voteapp", check=False, **GIVEN)
    assert "cannot execute ALTER ROLE" in database.said()
    assert "n3w" not in database.said()
