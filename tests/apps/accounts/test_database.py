# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's accounts at the database: what they may do, and how what differs is put right."""

from __future__ import annotations

import time
from collections.abc import Callable

import accounts
import psycopg
import pytest

from tests.apps.accounts.stores import ADMINISTRATOR, ONE, TWO, accounts_of, log_in, owner
from tests.apps.servers import PostgresProcess, on_postgres


@on_postgres
def test_accounts_act_as_the_group(database: psycopg.Connection, settle: Callable[..., None]) -> None:
    settle(ONE, TWO)
    with log_in(ONE) as one, log_in(TWO) as two:
        assert one.execute("SELECT session_user, current_user").fetchone() == (ONE, "voteapp")
        one.execute("CREATE TABLE votes (id text)")
        two.execute("ALTER TABLE votes ADD COLUMN vote text")
        two.execute("INSERT INTO votes VALUES ('ann', 'a')")
        assert one.execute("SELECT * FROM votes").fetchall() == [("ann", "a")]
    assert owner(database, "votes") == "voteapp"
    with pytest.raises(psycopg.OperationalError, match=r"not permitted to log in|password authentication failed"):
        log_in("voteapp")


FORBIDDEN = {
    "a database": "CREATE DATABASE other",
    "a role": "CREATE ROLE other",
    "a schema": "CREATE SCHEMA other",
    "an extension": "CREATE EXTENSION file_fdw",
    "passwords": "SELECT rolpassword FROM pg_authid",
    "files": "SELECT pg_read_file('PG_VERSION')",
    "programs": "COPY (SELECT 1) TO PROGRAM 'true'",
    "settings": "ALTER SYSTEM SET fsync = off",
    "another account": f"ALTER ROLE {TWO} PASSWORD 'x'",
    "the administrator": "SET ROLE postgres",
    "temporary tables": "CREATE TEMPORARY TABLE other ()",
    "sessions of others": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
}


@on_postgres
@pytest.mark.parametrize("statement", FORBIDDEN.values(), ids=FORBIDDEN.keys())
def test_accounts_have_no_rights_that_the_app_does_not_use(settle: Callable[..., None], statement: str) -> None:
    settle(ONE, TWO)
    with log_in(ONE) as connection:
        for role in ("voteapp", "none"):
            connection.execute(f"SET ROLE {role}")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


@on_postgres
def test_accounts_reach_one_database(database: psycopg.Connection, keepers: Callable[..., accounts.Database]) -> None:
    keeper = keepers(ONE)
    keeper.settle()
    database.execute("CREATE DATABASE other")
    try:
        log_in(ONE, "other").close()
        keeper.settle()
        for name in ("other", "template1"):
            with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
                log_in(ONE, name)
        log_in(ONE).close()
    finally:
        database.execute("DROP DATABASE other")


@on_postgres
def test_a_table_that_is_there_is_handed_over(database: psycopg.Connection, settle: Callable[..., None]) -> None:
    database.execute("CREATE TABLE votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL)")
    database.execute("INSERT INTO votes VALUES ('ann', 'a')")
    settle(ONE)
    assert owner(database, "votes") == "voteapp"
    with log_in(ONE) as connection:
        assert connection.execute("SELECT * FROM votes").fetchall() == [("ann", "a")]


@on_postgres
def test_who_reads_the_table_for_long_is_not_waited_for(
    database: psycopg.Connection, postgres: PostgresProcess, settle: Callable[..., None]
) -> None:
    database.execute("CREATE TABLE votes (id text)")
    with postgres.administer() as reader:
        reader.execute("BEGIN; SELECT * FROM votes")
        begun = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            settle(ONE)
        assert time.monotonic() - begun < 3
        log_in(ONE).close()
    settle(ONE)
    assert owner(database, "votes") == "voteapp"


POSTGRES_CHANGES = {
    "may not log in": f"ALTER ROLE {ONE} NOLOGIN",
    "another password": f"ALTER ROLE {ONE} PASSWORD 'other'",
    "no password": f"ALTER ROLE {ONE} PASSWORD NULL",
    "more rights": f"ALTER ROLE {ONE} SUPERUSER",
    "may replicate": f"ALTER ROLE {ONE} REPLICATION",
    "acts for itself": f"ALTER ROLE {ONE} RESET role",
    "a setting more": f"ALTER ROLE {ONE} SET work_mem = '1MB'",
    "out of the group": f"REVOKE voteapp FROM {ONE}",
    "inherits nothing": f"ALTER ROLE {ONE} NOINHERIT",
    "gone": f"DROP ROLE {ONE}",
    "the group may log in": "ALTER ROLE voteapp LOGIN PASSWORD 'x'",
    "the group has rights": "ALTER ROLE voteapp CREATEDB",
    "the group may not create": "REVOKE CREATE ON SCHEMA public FROM voteapp",
    "the group may not connect": "REVOKE CONNECT ON DATABASE postgres FROM voteapp",
    "everybody may connect": "GRANT CONNECT ON DATABASE template1 TO PUBLIC",
    "a table of another": "CREATE TABLE votes (id text)",
    "another account": "CREATE ROLE voteapp_7 LOGIN",
}
STATE = """
    SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolreplication, rolinherit, rolpassword, setconfig,
        ARRAY(SELECT roleid::regrole::text FROM pg_auth_members WHERE member = pg_authid.oid),
        has_database_privilege(pg_authid.oid, 'postgres', 'CONNECT'),
        has_database_privilege(pg_authid.oid, 'template1', 'CONNECT'),
        has_schema_privilege(pg_authid.oid, 'public', 'CREATE')
    FROM pg_authid LEFT JOIN pg_db_role_setting ON setrole = pg_authid.oid WHERE rolname ~ '^voteapp' ORDER BY rolname
"""


@on_postgres
@pytest.mark.parametrize("change", POSTGRES_CHANGES.values(), ids=POSTGRES_CHANGES.keys())
def test_what_differs_at_postgresql_is_put_right(
    database: psycopg.Connection, keepers: Callable[..., accounts.Database], change: str
) -> None:
    keeper = keepers(ONE)
    keeper.settle()
    wanted = database.execute(STATE).fetchall()
    database.execute(change)
    keeper.settle()
    assert database.execute(STATE).fetchall() == wanted
    with log_in(ONE) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS votes (id text)")
        connection.execute("ALTER TABLE votes ADD COLUMN vote text")
    assert owner(database, "votes") == "voteapp"


@on_postgres
def test_what_is_as_wanted_is_not_written_again(
    database: psycopg.Connection, keepers: Callable[..., accounts.Database]
) -> None:
    keeper = keepers(ONE, TWO)
    keeper.settle()
    written = "SELECT pg_current_wal_insert_lsn()"
    before = database.execute(written).fetchone()
    keeper.settle()
    keeper.settle()
    assert database.execute(written).fetchone() == before


@on_postgres
def test_an_account_goes_with_its_sessions_and_leaves_its_tables(
    database: psycopg.Connection, settle: Callable[..., None]
) -> None:
    settle(ONE, TWO)
    with log_in(ONE) as one, log_in(TWO) as two:
        one.execute("CREATE TABLE votes (id text)")
        one.execute("SET ROLE none")
        one.execute("CREATE TABLE own (id text)")
        one.execute(f"GRANT SELECT ON own TO {TWO}")
        settle(TWO)
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")
        assert two.execute("SELECT count(*) FROM votes").fetchone() == (0,)
    assert accounts_of(database) == {TWO}
    assert {owner(database, "votes"), owner(database, "own")} == {"voteapp"}
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(ONE)


@on_postgres
def test_the_sessions_of_an_account_that_is_gone_are_ended(
    database: psycopg.Connection, settle: Callable[..., None]
) -> None:
    settle(ONE, TWO)
    with log_in(ONE) as one, log_in(TWO) as two:
        database.execute(f"DROP ROLE {ONE}")
        assert one.execute("SELECT current_user").fetchone() == ("voteapp",), "a login that was under way at the time"
        settle(TWO)
        with pytest.raises(psycopg.OperationalError):
            one.execute("SELECT 1")
        two.execute("SELECT 1")


@on_postgres
def test_an_account_that_cannot_be_dropped_is_refused_all_the_same(
    database: psycopg.Connection, settle: Callable[..., None]
) -> None:
    settle(ONE, TWO)
    database.execute(f"ALTER DATABASE template1 OWNER TO {ONE}; GRANT CREATE ON TABLESPACE pg_default TO {ONE}")
    database.execute("CREATE DATABASE other")
    with psycopg.connect(database.info.dsn, dbname="other", autocommit=True) as other:
        other.execute(f"CREATE SCHEMA own AUTHORIZATION {ONE}")
    try:
        with log_in(ONE) as one:
            with pytest.raises(psycopg.errors.DependentObjectsStillExist):
                settle(TWO)
            with pytest.raises(psycopg.OperationalError):
                one.execute("SELECT 1")
        with pytest.raises(psycopg.OperationalError, match="not permitted to log in"):
            log_in(ONE)
    finally:
        database.execute("DROP DATABASE other")
        database.execute("ALTER DATABASE template1 OWNER TO postgres")
    settle(TWO)
    assert accounts_of(database) == {TWO}


@on_postgres
def test_roles_of_others_are_left_alone(database: psycopg.Connection, settle: Callable[..., None]) -> None:
    others = {"voteapp_x", "voteapp_1x"}
    for role in others:
        database.execute(f"CREATE ROLE {role} LOGIN")
    settle(ONE)
    assert accounts_of(database) == others | {ONE}


@on_postgres
def test_no_password_is_in_the_log_of_statements(postgres: PostgresProcess, settle: Callable[..., None]) -> None:
    settle(ONE, TWO)
    log = postgres.said()
    assert "PASSWORD 'SCRAM-SHA-256$" in log
    assert not [word for word in ("db's", ADMINISTRATOR["db"]) if word in log]


@on_postgres
def test_a_server_that_cannot_be_written_to_is_not_believed(
    database: psycopg.Connection, settle: Callable[..., None]
) -> None:
    settle(ONE)
    database.execute("ALTER ROLE postgres SET default_transaction_read_only = on")
    try:
        with pytest.raises(psycopg.OperationalError, match="read-only"):
            settle(ONE)
    finally:
        database.execute("ALTER ROLE postgres RESET default_transaction_read_only")


@on_postgres
def test_a_connection_that_was_lost_is_made_anew(
    database: psycopg.Connection, keepers: Callable[..., accounts.Database]
) -> None:
    keeper = keepers(ONE)
    keeper.settle()
    database.execute("SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity WHERE application_name = 'accounts'")
    keeper.settle()
