# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Stores that know accounts, the app's own clients of them, and the program that keeps the accounts."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path

import accounts
import psycopg
import pytest
import worker
from redis import Redis
from tally import Tally
from vote import connect

from tests.apps.servers import SECONDS_TO_START, RedisProcess, eventually

APPS = Path(__file__).resolve().parents[3] / "apps"
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


class Member(RedisProcess):
    """At an address of its own, with a file of users."""

    def __init__(self, folder: Path, number: int, *options: str) -> None:
        self.address = f"{NETWORK}.{number}"
        self.users = folder / "users.acl"
        self.keepers: list[accounts.Queue] = []
        folder.mkdir()
        self.forget()
        here = ["--bind", self.address, "--aclfile", str(self.users)]
        admin = Redis(host=self.address, password=ADMINISTRATOR["queue"], decode_responses=True)
        super().__init__(folder, [*here, *options], admin)

    def forget(self) -> None:
        """As if it had never been told of accounts."""
        digest = hashlib.sha256(ADMINISTRATOR["queue"].encode()).hexdigest()
        users = f"user default on #{digest} ~* &* +@all\nuser check on nopass resetchannels -@all +info\n"
        self.users.write_text(users, encoding="utf-8")

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


def log_in(account: str, dbname: str = "postgres", **parameters: str) -> psycopg.Connection:
    given = {"password": password("db", account)} | parameters
    return psycopg.connect(host="db", user=account, dbname=dbname, autocommit=True, **given)


def accounts_of(database: psycopg.Connection) -> set[str]:
    return {name for (name,) in database.execute("SELECT rolname FROM pg_roles WHERE rolname ~ '^voteapp_'")}


def owner(database: psycopg.Connection, table: str) -> str:
    (name,) = database.execute("SELECT tableowner FROM pg_tables WHERE tablename = %s", [table]).fetchone()
    return name
