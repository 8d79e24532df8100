# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's accounts on the stores themselves: what they may do, how they change, and what the app notices of it.

Each store is left out where it is not on PATH: redis-server from 7.2 on; initdb and postgres.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import accounts
import psycopg
import pytest
import worker
from intake import Intake
from psycopg.sql import SQL, Identifier
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from tally import Tally
from vote import connect, create_app
from votequeue import VoteQueue

from tests.apps.redis_server import on_redis
from tests.apps.test_stores import NOBODY, SECONDS_TO_START, eventually, on_postgres

APPS = Path(__file__).resolve().parents[2] / "apps"
PROGRAM = APPS / "accounts" / "accounts.py"

# The program goes to the ports that stores have: here they are at addresses of their own.
NETWORK = "127.{}.{}".format(*divmod(256 + os.getpid() % 60_000, 256))
DATABASE = f"{NETWORK}.100"
ADMINISTRATOR = {"queue": "q-4dm1n", "db": "d-4dm1n"}
ONE, TWO = "voteapp_1", "voteapp_2"


def password(store: str, account: str) -> str:
    return f"{store}'s \\ {account}"


def passwords(store: str, *names: str) -> dict[str, str]:
    return {name: password(store, name) for name in names}


class Member:
    """A Redis with the configuration of the image and a file of users."""

    def __init__(self, folder: Path, number: int, *options: str) -> None:
        self.address = f"{NETWORK}.{number}"
        self.users = folder / "users.acl"
        folder.mkdir()
        configuration = folder / "redis.conf"
        text = (APPS / "redis" / "redis.conf").read_text(encoding="utf-8")
        configuration.write_text(text.replace("/data", str(folder)), encoding="utf-8")
        here = ["--bind", self.address, "--aclfile", str(self.users), "--repl-diskless-sync-delay", "0"]
        self.command = ["redis-server", str(configuration), *here, *options]
        self.admin = Redis(host=self.address, password=ADMINISTRATOR["queue"], decode_responses=True)
        self.keepers: list[accounts.Queue] = []
        self.forget()
        self.start()

    def forget(self) -> None:
        """As if it had never been told of accounts."""
        digest = hashlib.sha256(ADMINISTRATOR["queue"].encode()).hexdigest()
        users = f"user default on #{digest} ~* &* +@all\nuser check on nopass resetchannels -@all +info\n"
        self.users.write_text(users, encoding="utf-8")

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def queue(self, *names: str) -> accounts.Queue:
        """What a program that has just started does to this member, with the accounts that are named."""
        self.keepers.append(accounts.Queue(self.address, passwords("queue", *names), ADMINISTRATOR["queue"]))
        return self.keepers[-1]

    def accepted(self) -> set[str]:
        return {user for user in self.admin.acl_users() if user.startswith("voteapp")}

    def refused(self) -> list[str]:
        """What users were not allowed to do, since this was asked last."""
        log = [entry["object"] for entry in self.admin.acl_log()]
        self.admin.acl_log_reset()
        return log

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server ended while it started"
        try:
            return bool(self.admin.ping())
        except RedisError:
            return False


@pytest.fixture
def members(tmp_path: Path) -> Iterator[Callable[..., Member]]:
    """Starts a member with the options given; all are gone after the test."""
    started: list[Member] = []

    def start(*options: str) -> Member:
        number = len(started) + 1
        started.append(Member(tmp_path / f"redis-{number}", number, *options))
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


def followed_by(master: Member, members: Callable[..., Member]) -> Member:
    """A replica, once what its master gets is on its disk."""
    replica = members("--replicaof", f"{master.address} 6379", "--masterauth", ADMINISTRATOR["queue"])
    with master.admin.client() as connection:

        def is_written() -> bool:
            connection.set("written", 1)
            return connection.waitaof(1, 1, 100) == [1, 1]

        eventually(is_written)
    return replica


class Clients:
    """The app's own clients, with one account after the other in their environment."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, opened: ExitStack) -> None:
        self.folder, self.monkeypatch, self.opened = folder, monkeypatch, opened

    def login(self, account: str) -> None:
        for store, name in (("queue", "REDIS"), ("db", "POSTGRES")):
            path = self.folder / f"{store}_{account}"
            path.write_text(f"{password(store, account)}\n", encoding="utf-8")
            self.monkeypatch.setenv(f"{name}_USER", account)
            self.monkeypatch.setenv(f"{name}_PASSWORD_FILE", str(path))
        self.monkeypatch.setenv("POSTGRES_DB", "postgres")

    def of_vote(self, member: Member, account: str) -> Redis:
        self.login(account)
        return self._at(member, connect())

    def of_worker(self, member: Member, account: str) -> Redis:
        self.login(account)
        return self._at(member, worker.connect_queue())

    def tally(self, account: str) -> Tally:
        self.login(account)
        return Tally(self.opened.enter_context(worker.connect_database()))

    def _at(self, member: Member, client: Redis) -> Redis:
        client.connection_pool.connection_kwargs.update(host=member.address)
        return self.opened.enter_context(client)


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clients]:
    with ExitStack() as opened:
        yield Clients(tmp_path, monkeypatch, opened)


# ---- the queue


def exercise(member: Member, clients: Clients, *, replicas: int = 0) -> None:
    """Everything that the vote page and a worker say to Redis, on connections of their own."""
    votes = VoteQueue(clients.of_vote(member, ONE), replicas)
    redis = clients.of_worker(member, ONE)
    one, lost = Intake(redis, "one"), Intake(redis, "lost")
    votes.put("ann", "a")
    votes.put("bob", "b")
    votes.put("eve", "a")
    assert len(lost.take(2, 0.01)) == 2
    member.admin.delete("votes:worker:lost")
    assert one.reclaim() == 2
    first, second, third = one.take(500, 0.01)
    one.settle([first])
    one.reject([second])
    assert one.take(500, 0.01) == [third]
    assert one.release() == 1
    one.settle(one.take(500, 0.01))
    assert one.take(500, 0.01) == []


@on_redis
def test_an_account_may_do_what_the_app_does(member: Member, members: Callable[..., Member], clients: Clients) -> None:
    member.queue(ONE).settle()
    followed_by(member, members)
    exercise(member, clients, replicas=1)
    assert member.refused() == []


@on_redis
@pytest.mark.parametrize("command", [rule[1:] for rule in accounts.ALLOWED.split() if rule.startswith("+")])
def test_the_app_does_all_that_an_account_may_do(member: Member, clients: Clients, command: str) -> None:
    member.queue(ONE).settle()
    member.admin.execute_command("ACL SETUSER", ONE, f"-{command}")
    with suppress(RedisError):
        exercise(member, clients)
    assert command in member.refused()


@on_redis
@pytest.mark.parametrize(
    "command",
    [
        "GET other",
        "RPUSH other 1",
        "EVAL redis.call('GET',KEYS[1]) 1 other",
        "EVAL redis.call('GET','other') 0",
        "EVAL redis.call('FLUSHALL') 0",
        "FLUSHALL",
        "KEYS *",
        "CONFIG GET requirepass",
        "ACL WHOAMI",
        "CLIENT LIST",
        "INFO",
        "REPLICAOF NO ONE",
        "PUBLISH votes 1",
        "SUBSCRIBE votes",
        "SHUTDOWN",
    ],
)
def test_an_account_may_do_nothing_else(member: Member, clients: Clients, command: str) -> None:
    member.queue(ONE).settle()
    with pytest.raises(RedisError, match=r"permission|ACL failure"):
        clients.of_vote(member, ONE).execute_command(*command.split())


@on_redis
def test_redis_keeps_its_accounts(member: Member, clients: Clients) -> None:
    member.queue(ONE, TWO).settle()
    assert member.accepted() == {ONE, TWO}
    for account in (ONE, TWO):
        VoteQueue(clients.of_vote(member, account)).put(account, "a")
    assert password("queue", ONE) not in member.users.read_text(encoding="utf-8")
    member.kill()
    member.start()
    assert member.accepted() == {ONE, TWO}
    VoteQueue(clients.of_vote(member, TWO)).put("ann", "a")


@on_redis
def test_what_is_as_wanted_is_left_alone_and_saved_once(member: Member) -> None:
    member.queue(ONE).settle()
    member.users.unlink()
    queue = member.queue(ONE)
    queue.settle()
    assert ONE in member.users.read_text(encoding="utf-8"), "the program before may have ended too soon"
    member.users.unlink()
    queue.settle()
    assert not member.users.exists()
    stats = member.admin.info("commandstats")
    assert stats["cmdstat_acl|setuser"]["calls"] == 1
    assert stats["cmdstat_acl|save"]["calls"] == 2


REDIS_CHANGES = {
    "switched off": f"SETUSER {ONE} off",
    "another password": f"SETUSER {ONE} resetpass >other",
    "one more password": f"SETUSER {ONE} >other",
    "no password": f"SETUSER {ONE} nopass",
    "more commands": f"SETUSER {ONE} +@all",
    "fewer commands": f"SETUSER {ONE} -eval",
    "more keys": f"SETUSER {ONE} ~*",
    "channels": f"SETUSER {ONE} allchannels",
    "a selector": f"SETUSER {ONE} (+@all ~*)",
    "gone": f"DELUSER {ONE}",
    "another account": "SETUSER voteapp_7 on >x ~* +@all",
}


@on_redis
@pytest.mark.parametrize("change", REDIS_CHANGES.values(), ids=REDIS_CHANGES.keys())
def test_what_differs_at_redis_is_put_right(member: Member, clients: Clients, change: str) -> None:
    queue = member.queue(ONE)
    queue.settle()
    wanted = member.admin.acl_list()
    name, user, *rules = change.split(" ", 2)
    member.admin.execute_command(f"ACL {name}", user, *(rules if "(" in change else rules and rules[0].split()))
    member.admin.acl_save()
    assert member.admin.acl_list() != wanted
    queue.settle()
    assert member.admin.acl_list() == wanted
    member.kill()
    member.start()
    assert member.admin.acl_list() == wanted
    exercise(member, clients)


@on_redis
def test_other_users_of_redis_are_left_alone(member: Member) -> None:
    others = {"default", "check", "voteapp", "voteapp_", "voteapp_x", "voteapp_1x", "old_voteapp_1"}
    for user in others - {"default", "check"}:
        member.admin.execute_command("ACL SETUSER", user)
    member.queue(ONE).settle()
    assert set(member.admin.acl_users()) == others | {ONE}


@on_redis
def test_an_account_that_is_refused_is_cut_off(member: Member, clients: Clients) -> None:
    member.queue(ONE).settle()
    old = clients.of_vote(member, ONE)
    VoteQueue(old).put("ann", "a")
    member.queue(TWO).settle()
    assert "user=voteapp" not in str(member.admin.execute_command("CLIENT LIST"))
    with pytest.raises(AuthenticationError):
        VoteQueue(old).put("ann", "a")


@on_redis
def test_a_save_that_failed_is_made_good(member: Member) -> None:
    queue = member.queue(ONE)
    folder = member.users.parent
    aside = folder.with_name("aside")
    folder.rename(aside)
    with pytest.raises(RedisError):
        queue.settle()
    aside.rename(folder)
    queue.settle()
    assert ONE in member.users.read_text(encoding="utf-8")


# ---- the database


@pytest.fixture(scope="module")
def postgres() -> Iterator[Path]:
    """The folder of a PostgreSQL that asks for passwords over the network; it has its socket and its log."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        data = folder / "data"
        data.mkdir(mode=0o700)
        word = folder / "word"
        word.write_text(ADMINISTRATOR["db"], encoding="utf-8")
        # PostgreSQL does not run as root.
        as_nobody = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        if as_nobody:
            os.chown(data, NOBODY, NOBODY)
        options = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}"]
        command = ["initdb", "--pgdata", data, "--no-sync", *options]
        subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **as_nobody)
        settings = [f"listen_addresses={DATABASE}", f"unix_socket_directories={data}", "fsync=off", "log_statement=all"]
        command = ["postgres", "-D", data, *itertools.chain(*(("-c", setting) for setting in settings))]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, cwd="/", stderr=log, **as_nobody)

        def answers() -> bool:
            try:
                administrate(folder).close()
            except psycopg.OperationalError:
                return False
            return True

        try:
            eventually(answers)
            yield folder
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(timeout=SECONDS_TO_START)


def administrate(postgres: Path) -> psycopg.Connection:
    # The address is for those who go to the name db.
    return psycopg.connect(f"host={postgres / 'data'} hostaddr='' user=postgres dbname=postgres", autocommit=True)


@pytest.fixture
def database(postgres: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection]:
    """The administrator's connection to a PostgreSQL as it was new; the name db leads there."""
    monkeypatch.setenv("PGHOSTADDR", DATABASE)
    with administrate(postgres) as connection:
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


def log_in(account: str, dbname: str = "postgres", **parameters: str) -> psycopg.Connection:
    given = {"password": password("db", account)} | parameters
    return psycopg.connect(host="db", user=account, dbname=dbname, autocommit=True, **given)


def accounts_of(database: psycopg.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^voteapp_'")}


def owner(database: psycopg.Connection, table: str) -> str:
    (name,) = database.execute("SELECT tableowner FROM pg_tables WHERE tablename = %s", [table]).fetchone()
    return name


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
    database: psycopg.Connection, postgres: Path, settle: Callable[..., None]
) -> None:
    database.execute("CREATE TABLE votes (id text)")
    with administrate(postgres) as reader:
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
def test_no_password_is_in_the_log_of_statements(postgres: Path, settle: Callable[..., None]) -> None:
    settle(ONE, TWO)
    log = (postgres / "log").read_text(encoding="utf-8")
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


# ---- the program


class Program:
    """The accounts' container, with what it is given and what it says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settled = folder / "settled"
        self.log = folder / "said"
        for store, word in ADMINISTRATOR.items():
            (folder / f"{store}_administrator").write_text(f"{word}\n", encoding="utf-8")
        for store, account in itertools.product(("queue", "db"), (ONE, TWO)):
            (folder / f"{store}_{account}").write_text(f"{password(store, account)}\n", encoding="utf-8")

    def environment(self, *names: str, members: Collection[Member]) -> dict[str, str]:
        return {
            "ACCOUNTS": " ".join(names),
            "SECRETS": str(self.folder),
            "SETTLED": str(self.settled),
            "POSTGRES_PASSWORD_FILE": str(self.folder / "db_administrator"),
            "REDIS_PASSWORD_FILE": str(self.folder / "queue_administrator"),
            "REDIS_MEMBERS": " ".join(member.address for member in members),
        }

    def start(self, *names: str, members: Collection[Member]) -> None:
        environment = os.environ | self.environment(*names, members=members)
        with self.log.open("w") as log:
            self.process = subprocess.Popen([sys.executable, PROGRAM], env=environment, stdout=log, stderr=log)

    def settles(self) -> None:
        eventually(self.settled.exists)

    def said(self) -> list[str]:
        return self.log.read_text(encoding="utf-8").splitlines()

    def stop(self) -> float:
        """How long it took after SIGTERM."""
        begun = time.monotonic()
        self.process.terminate()
        assert self.process.wait(SECONDS_TO_START) == 0, self.said()
        return time.monotonic() - begun


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    folder = tmp_path / "program"
    folder.mkdir()
    program = Program(folder)
    yield program
    if hasattr(program, "process"):
        program.process.kill()
        program.process.wait()


BAD_SETTINGS = {
    "no accounts": ({"ACCOUNTS": None}, "ACCOUNTS"),
    "spaces for accounts": ({"ACCOUNTS": "  "}, "ACCOUNTS"),
    "a name of another": ({"ACCOUNTS": "voteapp_1 postgres"}, r"ACCOUNTS.*'postgres'"),
    "the group": ({"ACCOUNTS": "voteapp"}, "ACCOUNTS"),
    "no generation": ({"ACCOUNTS": "voteapp_"}, "ACCOUNTS"),
    "a generation in letters": ({"ACCOUNTS": "voteapp_one"}, "ACCOUNTS"),
    "commas": ({"ACCOUNTS": "voteapp_1,voteapp_2"}, "ACCOUNTS"),
    "foreign digits": ({"ACCOUNTS": "voteapp_\N{ARABIC-INDIC DIGIT ONE}"}, "ACCOUNTS"),
    "an account without passwords": ({"ACCOUNTS": "voteapp_3"}, r"ACCOUNTS.*db_voteapp_3"),
    "no secrets": ({"SECRETS": "/nowhere"}, r"ACCOUNTS.*/nowhere/db_voteapp_1"),
    "no password of the database": ({"POSTGRES_PASSWORD_FILE": None}, "POSTGRES_PASSWORD_FILE"),
    "a file that is not there": ({"POSTGRES_PASSWORD_FILE": "/nowhere"}, r"POSTGRES_PASSWORD_FILE.*/nowhere"),
    "an empty file": ({"POSTGRES_PASSWORD_FILE": "/dev/null"}, r"POSTGRES_PASSWORD_FILE.*/dev/null.*empty"),
    "no password of the queue": ({"REDIS_PASSWORD_FILE": None}, "REDIS_PASSWORD_FILE"),
    "no members": ({"REDIS_MEMBERS": None}, "REDIS_MEMBERS"),
}


@pytest.mark.parametrize(("changes", "message"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_settings_that_are_wrong_are_named(
    program: Program, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str | None], message: str
) -> None:
    settings = program.environment(ONE, members=()) | {"REDIS_MEMBERS": "redis"} | changes
    for name, value in settings.items():
        if value is None:
            monkeypatch.delenv(name, raising=False)
        else:
            monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match=message):
        accounts.read_stores()


def test_wrong_settings_end_the_program_with_one_line(program: Program) -> None:
    program.start("voteapp_one", members=())
    assert program.process.wait(SECONDS_TO_START) == 1
    (line,) = program.said()
    assert line.startswith("ACCOUNTS")


@on_redis
@on_postgres
def test_the_program_settles_all_stores_and_ends_at_once(
    program: Program, members: Callable[..., Member], database: psycopg.Connection
) -> None:
    stores = members(), members()
    stores[1].process.send_signal(signal.SIGSTOP)
    program.settled.touch()
    program.start(ONE, TWO, members=stores)
    eventually(lambda: accounts_of(database) == stores[0].accepted() == {ONE, TWO})
    assert not program.settled.exists(), "one of them has not been seen"
    stores[1].process.send_signal(signal.SIGCONT)
    program.settles()
    assert stores[1].accepted() == {ONE, TWO}

    process = Path("/proc") / str(program.process.pid)
    told = (process / "cmdline").read_text() + (process / "environ").read_text() + "".join(program.said())
    assert not [word for word in ("queue's", "db's", *ADMINISTRATOR.values()) if word in told]

    for store in stores:
        store.process.send_signal(signal.SIGSTOP)
    time.sleep(accounts.CHECK_SECONDS)
    assert program.stop() < 1.5, "a silent store is waited for longer"
    for store in stores:
        store.process.send_signal(signal.SIGCONT)


@on_redis
@on_postgres
def test_an_outage_is_told_once_and_put_right_afterwards(
    program: Program, members: Callable[..., Member], database: psycopg.Connection
) -> None:
    stores = members(), members()
    program.start(ONE, members=stores)
    program.settles()
    before = len(program.said())
    lost = stores[1]
    lost.kill()
    eventually(lambda: len(program.said()) > before)
    time.sleep(2 * accounts.CHECK_SECONDS)
    (line,) = program.said()[before:]
    assert line.startswith(f"WARNING accounts: {lost.address} is not as wanted, trying again: ")
    assert program.settled.exists()

    database.execute(f"ALTER ROLE {ONE} NOLOGIN")
    eventually(lambda: database.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [ONE]).fetchone()[0])
    lost.forget()
    lost.start()
    eventually(lambda: program.said()[-1] == f"INFO accounts: {lost.address} is as wanted")
    assert lost.accepted() == {ONE}


class Silent:
    """A store that raises an error a few times, and then ends the one who keeps it."""

    name = "redis-3"

    def __init__(self, error: Exception, *, spare: bool) -> None:
        self.spare = spare
        self.errors = [error, error]

    def settle(self) -> None:
        raise self.errors.pop() if self.errors else SystemExit

    def disconnect(self) -> None:
        pass


@pytest.mark.parametrize(
    ("error", "spare", "unsettled", "goes_on"),
    [
        (RedisConnectionError("down"), True, {"redis-3"}, True),
        (RedisTimeoutError("silent"), True, {"redis-3"}, True),
        (RedisConnectionError("down"), True, {"redis-3", "redis-2"}, False),
        (RedisConnectionError("down"), True, {"redis-3", "db"}, False),
        (RedisConnectionError("down"), False, {"redis-3"}, False),
        (AuthenticationError("WRONGPASS"), True, {"redis-3"}, False),
        (ResponseError("disk full"), True, {"redis-3"}, False),
    ],
)
def test_one_member_of_three_that_is_away_is_not_waited_for(
    error: Exception,
    spare: bool,
    unsettled: set[str],
    goes_on: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(accounts, "CHECK_SECONDS", 0)
    monkeypatch.setattr(accounts, "AWAY_SECONDS", -1)
    settled = tmp_path / "settled"
    with pytest.raises(SystemExit):
        accounts.keep(Silent(error, spare=spare), unsettled, settled)
    assert settled.exists() == goes_on


# ---- the app, while accounts change


@on_redis
def test_votes_of_an_account_that_is_refused_are_refused(member: Member, clients: Clients) -> None:
    browser = create_app(clients.of_vote(member, ONE)).test_client()
    assert browser.post("/", data={"vote": "a"}).status_code == 503
    member.queue(ONE).settle()
    assert browser.post("/", data={"vote": "a"}).status_code == 200
    member.queue(TWO).settle()
    assert browser.post("/", data={"vote": "a"}).status_code == 503
    member.queue(ONE).settle()
    assert browser.post("/", data={"vote": "b"}).status_code == 200
    assert member.admin.llen("votes") == 2


@on_redis
def test_without_an_account_votes_are_refused_where_one_is_needed(
    member: Member, clients: Clients, monkeypatch: pytest.MonkeyPatch
) -> None:
    redis = clients.of_vote(member, ONE)
    redis.connection_pool.connection_kwargs.update(username=None, password=None)
    assert create_app(redis).test_client().post("/", data={"vote": "a"}).status_code == 503


@on_redis
def test_connections_that_a_change_has_broken_are_made_anew(member: Member, clients: Clients) -> None:
    member.queue(ONE).settle()
    redis = clients.of_vote(member, ONE)
    browser = create_app(redis).test_client()
    pool = redis.connection_pool
    for round_number in range(3):
        for connection in [pool.get_connection() for number in range(5)]:
            pool.release(connection)
        member.admin.acl_deluser(ONE)
        member.queue(ONE).settle()
        assert browser.post("/", data={"vote": "a"}).status_code == 200, round_number


@on_redis
def test_a_vote_whose_connection_breaks_under_way_is_sent_once_more(member: Member, clients: Clients) -> None:
    """The account goes and comes again between the question for the order and the vote, and while the disk is asked."""
    member.queue(ONE).settle()
    votes = VoteQueue(clients.of_vote(member, ONE))
    stop = threading.Event()

    def change() -> None:
        # One transaction, so that there is no moment at which a new connection is refused.
        digest = hashlib.sha256(password("queue", ONE).encode()).hexdigest()
        rules = ["on", f"#{digest}", *accounts.ALLOWED.split()]
        while not stop.wait(0.4):
            with member.admin.pipeline() as pipeline:
                pipeline.execute_command("ACL DELUSER", ONE)
                pipeline.execute_command("ACL SETUSER", ONE, *rules)
                pipeline.execute()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        end = time.monotonic() + 3
        put = 0
        while time.monotonic() < end:
            votes.put("ann", "a")
            put += 1
    finally:
        stop.set()
        thread.join()
    assert member.admin.llen("votes") >= put > 0


class Work:
    """A worker of its own, on the stores themselves."""

    def __init__(self, clients: Clients, member: Member, account: str) -> None:
        self.stop = threading.Event()
        intake = Intake(clients.of_worker(member, account), f"of-{account}")
        arguments = intake, clients.tally(account), self.stop, lambda: None
        self.thread = threading.Thread(target=worker.run, args=arguments)
        self.thread.start()

    def end(self) -> None:
        self.stop.set()
        self.thread.join()


@pytest.fixture
def work(clients: Clients) -> Iterator[Callable[..., Work]]:
    begun: list[Work] = []

    def begin(member: Member, account: str) -> Work:
        begun.append(Work(clients, member, account))
        return begun[-1]

    yield begin
    for one in begun:
        one.end()


@on_redis
@on_postgres
def test_no_vote_is_lost_while_a_worker_is_refused(
    member: Member,
    database: psycopg.Connection,
    settle: Callable[..., None],
    work: Callable[..., Work],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.1)

    def cast(voter: str) -> None:
        member.admin.rpush("votes", f'{{"voter_id": "{voter}", "vote": "a", "order": 1}}')

    def is_stored(voter: str) -> bool:
        found = database.execute("SELECT to_regclass('votes')").fetchone() != (None,)
        return found and database.execute("SELECT FROM votes WHERE id = %s", [voter]).rowcount == 1

    cast("refused by both")
    work(member, ONE)
    time.sleep(0.5)
    member.queue(ONE).settle()
    eventually(lambda: member.admin.exists("votes:processing:of-voteapp_1") == 1)
    assert not is_stored("refused by both")
    settle(ONE)
    eventually(lambda: is_stored("refused by both"))

    settle(TWO)
    cast("refused by the database")
    time.sleep(0.5)
    assert not is_stored("refused by the database")
    settle(ONE)
    eventually(lambda: is_stored("refused by the database"))

    member.queue(TWO).settle()
    cast("refused by the queue")
    time.sleep(0.5)
    assert not is_stored("refused by the queue")
    member.queue(ONE).settle()
    eventually(lambda: is_stored("refused by the queue"))


class Voters:
    """Vote all the time, on one client, as the threads of a vote page do; ``failed`` has why they were not thanked."""

    def __init__(self, redis: Redis, name: str) -> None:
        self.chosen: dict[str, str] = {}
        self.failed: list[RedisError] = []
        self.stop = threading.Event()
        self.votes = VoteQueue(redis, replicas=1)
        self.threads = [threading.Thread(target=self._vote, args=(f"{name}-{number}",)) for number in range(3)]
        for thread in self.threads:
            thread.start()

    def _vote(self, voter: str) -> None:
        for choice in itertools.cycle("ab"):
            try:
                self.votes.put(voter, choice)
                self.chosen[voter] = choice
            except RedisError as error:
                self.failed.append(error)
            if self.stop.wait(0.02):
                return

    def end(self) -> None:
        self.stop.set()
        for thread in self.threads:
            thread.join()


@on_redis
@on_postgres
def test_passwords_change_while_votes_are_cast_and_counted(
    program: Program,
    members: Callable[..., Member],
    clients: Clients,
    database: psycopg.Connection,
    work: Callable[..., Work],
) -> None:
    """One account, both, the clients move one by one, the other account alone."""
    master = members()
    replica = followed_by(master, members)
    stores = master, replica

    def accept(*names: str) -> None:
        if hasattr(program, "process"):
            program.stop()
        program.settled.unlink(missing_ok=True)
        program.start(*names, members=stores)
        program.settles()

    accept(ONE)
    voters, workers = [Voters(clients.of_vote(master, ONE), "first")], [work(master, ONE)]
    try:
        time.sleep(1)
        accept(ONE, TWO)
        voters.append(Voters(clients.of_vote(master, TWO), "second"))
        time.sleep(0.5)
        voters[0].end()
        workers.append(work(master, TWO))
        time.sleep(0.5)
        workers[0].end()
        accept(TWO)
        time.sleep(1)
    finally:
        for some in voters:
            some.end()
    assert [some.failed for some in voters] == [[], []]
    chosen = voters[0].chosen | voters[1].chosen
    assert len(chosen) == 6
    eventually(lambda: dict(database.execute("SELECT id, vote FROM votes").fetchall()) == chosen)

    assert accounts_of(database) == master.accepted() == replica.accepted() == {TWO}
    for member in stores:
        with pytest.raises(AuthenticationError):
            clients.of_worker(member, ONE).ping()
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        log_in(ONE)
