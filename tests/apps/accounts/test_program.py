# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that keeps the accounts at all stores."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from pathlib import Path

import accounts
import psycopg
import pytest
from redis.exceptions import AuthenticationError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.apps.accounts.stores import ADMINISTRATOR, ONE, TWO, Member, Program, accounts_of
from tests.apps.servers import SECONDS_TO_START, eventually, on_postgres, on_redis

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
