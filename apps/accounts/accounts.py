# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes the queue and the database accept the accounts that ACCOUNTS names and no others of the app, and keeps it so.

An account is named voteapp_<generation>, at both stores alike. While passwords are being changed there are two.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Thread
from typing import Any, Protocol

import psycopg
from psycopg.sql import SQL, Identifier, Literal
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

CHECK_SECONDS = 2
# A server that is down must hold up no deployment. Its member takes its accounts from the master when it comes back.
AWAY_SECONDS = 30
ACCOUNT = "^voteapp_[0-9]{1,9}$"
GROUP = "voteapp"

# The keys of the app, and what the vote page and the worker say to Redis: also in their scripts, and when they connect.
# AUTH and HELLO need no permission.
ALLOWED = (
    "~votes* resetchannels -@all +client|setinfo +eval +multi +exec +wait +waitaof +time +scan +exists +get +set +del "
    "+rpush +lpop +llen +lrange +lrem +lmove +blmove"
)

DATABASE: dict[str, Any] = {
    "host": "db",
    "port": 5432,
    "user": "postgres",
    "dbname": "postgres",
    "application_name": "accounts",
    "connect_timeout": 3,
    "keepalives_idle": 10,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
    # A replica only shows what is wanted.
    "target_session_attrs": "read-write",
    # Who waits for a lock makes all others wait. A commit needs no second member: what a new leader does not have is
    # made again. Nothing that the app creates in the schema public is called by the administrator.
    "options": "-c lock_timeout=1s -c statement_timeout=5s -c synchronous_commit=local -c search_path=pg_catalog",
}
# (name, whether it may log in, whether it has attributes that no role of the app has, verifier, whether it is in the
# group, settings)
ROLES = """
    SELECT rolname, rolcanlogin,
        rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls OR NOT rolinherit, rolpassword,
        oid IN (SELECT member FROM pg_auth_members JOIN pg_roles g ON g.oid = roleid WHERE g.rolname = %(group)s),
        (SELECT setconfig FROM pg_db_role_setting WHERE setrole = oid AND setdatabase = 0)
    FROM pg_authid WHERE rolname = %(group)s OR rolname ~ %(account)s
"""
ROLE = "ALTER ROLE {} {} INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD {}"
IS_ENTITLED = """
    SELECT has_database_privilege(%(group)s, current_database(), 'CONNECT')
        AND has_schema_privilege(%(group)s, 'public', 'USAGE') AND has_schema_privilege(%(group)s, 'public', 'CREATE')
"""
# Everybody may connect to a new database, until that is revoked.
OPEN_DATABASES = """
    SELECT datname FROM pg_database WHERE datallowconn AND has_database_privilege('public', oid, 'CONNECT, TEMPORARY')
"""
# Of accounts that may no longer log in; also of one that is gone already, whose login was under way at the time.
END_SESSIONS = """
    SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity LEFT JOIN pg_roles r ON r.oid = usesysid
    WHERE backend_type = 'client backend' AND usesysid IS NOT NULL
        AND (r.oid IS NULL OR rolname ~ %s AND NOT rolcanlogin)
"""
IS_OF_ANOTHER = "SELECT FROM pg_class WHERE oid = to_regclass('public.votes') AND relowner <> %s::regrole"

log = logging.getLogger("accounts")


class Store(Protocol):
    """spare: whether the others do without it for a while."""

    name: str
    spare: bool

    def settle(self) -> None:
        """Change what is not as wanted. After RedisError or psycopg.Error it is to be called again."""

    def disconnect(self) -> None:
        """Have a new connection the next time."""


class Queue:
    """One Redis, and the passwords of its accounts by their names."""

    def __init__(self, member: str, passwords: Mapping[str, str], administrator: str, *, spare: bool = False) -> None:
        self.name = member
        self.spare = spare
        self._accounts = {
            account: ["on", f"#{hashlib.sha256(password.encode()).hexdigest()}", *ALLOWED.split()]
            for account, password in passwords.items()
        }
        # What is seen may have been made by a program that ended before it was saved.
        self._is_saved = False
        self._redis = Redis(
            host=member,
            username="default",
            password=administrator,
            decode_responses=True,
            socket_connect_timeout=1,
            socket_timeout=2,
            retry=Retry(NoBackoff(), 0),
        )

    def settle(self) -> None:
        found = {}
        for line in self._redis.acl_list():
            user, *rules = line.removeprefix("user ").split()
            found[user] = [rule for rule in rules if rule != "sanitize-payload"]
        for account, rules in self._accounts.items():
            if found.get(account) != rules:
                self._is_saved = False
                self._redis.execute_command("ACL SETUSER", account, "reset", *rules)
                log.info("%s accepts %s", self.name, account)
        for account in found:
            if re.search(ACCOUNT, account) and account not in self._accounts:
                self._is_saved = False
                self._redis.acl_deluser(account)
                log.info("%s refuses %s", self.name, account)
        if not self._is_saved:
            self._redis.acl_save()
            self._is_saved = True

    def disconnect(self) -> None:
        self._redis.close()


class Database:
    """PostgreSQL, and the passwords of its accounts by their names.

    What the app makes belongs to the role voteapp, in whose name all accounts act.
    """

    name = "db"
    spare = False

    def __init__(self, passwords: Mapping[str, str], administrator: str) -> None:
        self._passwords = passwords
        self._administrator = administrator
        self._verifiers: dict[str, str] = {}  # what PostgreSQL keeps of a password
        self._connection: psycopg.Connection | None = None

    def settle(self) -> None:
        connection = self._connected()
        # Of which password a verifier is that is found cannot be seen: each start gives the accounts its own.
        for account in self._passwords.keys() - self._verifiers.keys():
            words = self._passwords[account].encode(), account.encode(), b"scram-sha-256"
            self._verifiers[account] = connection.pgconn.encrypt_password(*words).decode()
        found = {name: state for name, *state in connection.execute(ROLES, {"group": GROUP, "account": ACCOUNT})}
        if found.get(GROUP) != [False, False, None, False, None]:
            self._make(connection, GROUP, None, is_new=GROUP not in found)
        self._entitle(connection)
        for account, verifier in self._verifiers.items():
            if found.get(account) != [True, False, verifier, True, [f"role={GROUP}"]]:
                self._make(connection, account, verifier, is_new=account not in found)
                log.info("%s accepts %s", self.name, account)
        stale = found.keys() - self._passwords.keys() - {GROUP}
        for account in stale:
            connection.execute(SQL("ALTER ROLE {} NOLOGIN").format(Identifier(account)))
        connection.execute(END_SESSIONS, [ACCOUNT])
        if connection.execute(IS_OF_ANOTHER, [GROUP]).fetchone() is not None:
            connection.execute(SQL("ALTER TABLE public.votes OWNER TO {}").format(Identifier(GROUP)))
        for account in stale:
            self._drop(connection, account)

    def disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _connected(self) -> psycopg.Connection:
        """The connection of the round before; a new one where that is lost."""
        if self._connection is not None:
            try:
                self._connection.execute("")
            except psycopg.OperationalError:
                self.disconnect()
            else:
                return self._connection
        self._connection = psycopg.connect(**DATABASE, password=self._administrator, autocommit=True)
        return self._connection

    def _make(self, connection: psycopg.Connection, name: str, verifier: str | None, *, is_new: bool) -> None:
        """Give a role what it is to have, and nothing else: an account with its verifier, or the group with none."""
        role, group = Identifier(name), Identifier(GROUP)
        with connection.transaction():
            if is_new:
                connection.execute(SQL("CREATE ROLE {}").format(role))
            may = SQL("NOLOGIN" if verifier is None else "LOGIN")
            connection.execute(SQL(ROLE).format(role, may, Literal(verifier)))
            connection.execute(SQL("ALTER ROLE {} RESET ALL").format(role))
            if verifier is not None:
                connection.execute(SQL("GRANT {} TO {}").format(group, role))
                connection.execute(SQL("ALTER ROLE {} SET role TO {}").format(role, Literal(GROUP)))

    def _entitle(self, connection: psycopg.Connection) -> None:
        """Let the group connect to this database and create there, and nobody who is not named to any."""
        group = Identifier(GROUP)
        is_entitled = connection.execute(IS_ENTITLED, {"group": GROUP}).fetchone() == (True,)
        databases = [Identifier(name) for (name,) in connection.execute(OPEN_DATABASES)]
        if is_entitled and not databases:
            return
        with connection.transaction():
            connection.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(Identifier(DATABASE["dbname"]), group))
            connection.execute(SQL("GRANT USAGE, CREATE ON SCHEMA public TO {}").format(group))
            for database in databases:
                connection.execute(SQL("REVOKE CONNECT, TEMPORARY ON DATABASE {} FROM PUBLIC").format(database))

    def _drop(self, connection: psycopg.Connection, account: str) -> None:
        role = Identifier(account)
        with connection.transaction():
            connection.execute(SQL("REASSIGN OWNED BY {} TO {}").format(role, Identifier(GROUP)))
            connection.execute(SQL("DROP OWNED BY {}").format(role))
            connection.execute(SQL("DROP ROLE {}").format(role))
        log.info("%s refuses %s", self.name, account)


def setting(name: str) -> str:
    if value := os.environ.get(name, "").strip():
        return value
    sys.exit(f"Set {name}: it is missing or empty.")


def password(path: str | Path, name: str) -> str:
    """The content of a file, which the setting ``name`` leads to."""
    try:
        text = Path(path).read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        sys.exit(f"{name} leads to {path}, from where no password can be read: {error}")
    if not text:
        sys.exit(f"{name} leads to {path}, which is empty.")
    return text


def read_stores() -> list[Store]:
    """The stores that the environment names; SystemExit with a message that names the setting where it is wrong."""
    accounts = setting("ACCOUNTS").split()
    for account in accounts:
        if not re.fullmatch(ACCOUNT, account):
            sys.exit(f"ACCOUNTS has names like voteapp_1, separated by spaces, and none like {account!r}.")
    secrets = Path(os.environ.get("SECRETS", "/run/secrets"))
    passwords = {
        store: {account: password(secrets / f"{store}_{account}", "ACCOUNTS") for account in accounts}
        for store in ("db", "queue")
    }
    of_database = password(setting("POSTGRES_PASSWORD_FILE"), "POSTGRES_PASSWORD_FILE")
    of_queue = password(setting("REDIS_PASSWORD_FILE"), "REDIS_PASSWORD_FILE")
    members = setting("REDIS_MEMBERS").split()
    return [
        Database(passwords["db"], of_database),
        *(Queue(member, passwords["queue"], of_queue, spare=len(members) > 2) for member in members),
    ]


def keep(store: Store, unsettled: set[str], settled: Path) -> None:
    """Settle a store for ever. The file ``settled`` is made once no store is ``unsettled``, by name.

    A spare one that is alone in that, and has answered nothing for AWAY_SECONDS, is not waited for.
    """
    reasons: set[str] = set()
    began = time.monotonic()
    while True:
        try:
            store.settle()
        except (RedisError, psycopg.Error) as error:
            reason = " ".join(str(error).split())
            if reason not in reasons:
                log.warning("%s is not as wanted, trying again: %s", store.name, reason)
            reasons.add(reason)
            store.disconnect()
            silent = isinstance(error, RedisConnectionError | RedisTimeoutError)
            away = store.spare and silent and not isinstance(error, AuthenticationError)
            if away and unsettled == {store.name} and time.monotonic() - began > AWAY_SECONDS:
                settled.touch()
        else:
            if reasons or store.name in unsettled:
                log.info("%s is as wanted", store.name)
            reasons.clear()
            unsettled.discard(store.name)
            if not unsettled:
                settled.touch()
        time.sleep(CHECK_SECONDS)


def main() -> None:
    # The first process of a container has no default for the signal that stops it. What is under way is seen again, and
    # brought to its end, by the next one.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    stores = read_stores()
    settled = Path(os.environ.get("SETTLED", "/dev/shm/settled"))
    settled.unlink(missing_ok=True)
    unsettled = {store.name for store in stores}
    # A store that is silent holds up neither the others nor the end.
    threads = [Thread(target=keep, args=(store, unsettled, settled), daemon=True) for store in stores]
    for thread in threads:
        thread.start()
    while all(thread.is_alive() for thread in threads):
        time.sleep(1)
    sys.exit("A store is no longer looked after.")


if __name__ == "__main__":
    main()
