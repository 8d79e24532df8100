# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from pathlib import Path

import fakeredis
import psycopg
import pytest
import worker
from intake import Intake
from tally import read


def item(voter: str, vote: str) -> bytes:
    return json.dumps({"voter_id": voter, "vote": vote}).encode()


class Table:
    """Stands where the database is: stores, or fails as often as told, before or after it has stored."""

    def __init__(self, *, fails_before: int = 0, fails_after: int = 0) -> None:
        self.rows: dict[str, str] = {}
        self.fails_before = fails_before
        self.fails_after = fails_after
        self.looked_after = False

    def keep_connected(self) -> None:
        self.looked_after = True

    def store(self, votes: dict[str, str]) -> None:
        if self.fails_before:
            self.fails_before -= 1
            raise psycopg.OperationalError("the server is away")
        self.rows.update(votes)
        if self.fails_after:
            self.fails_after -= 1
            raise psycopg.OperationalError("the connection was lost while committing")


@pytest.fixture
def redis() -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.0)


def work_off(redis: fakeredis.FakeRedis, table: Table, rounds: int = 10) -> None:
    """Run a worker for some rounds of its loop, then stop it."""
    stop = threading.Event()
    left = iter(range(rounds))

    def alive() -> None:
        if next(left, None) is None:
            stop.set()

    worker.run(Intake(redis, "one"), table, stop, alive)


def nothing_left(redis: fakeredis.FakeRedis) -> bool:
    return redis.keys("votes*") == []


def test_votes_reach_the_table_and_the_newest_choice_wins(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes", item("ann", "a"), item("bob", "b"), item("ann", "b"))
    table = Table()
    work_off(redis, table)
    assert table.rows == {"ann": "b", "bob": "b"}
    assert nothing_left(redis)


def test_a_worker_without_votes_keeps_its_way_to_the_table(redis: fakeredis.FakeRedis) -> None:
    table = Table()
    work_off(redis, table)
    assert table.looked_after


@pytest.mark.parametrize(
    "table",
    [Table(fails_before=3), Table(fails_after=2), Table(fails_before=1, fails_after=1)],
    ids=["away", "lost while committing", "both"],
)
def test_no_vote_is_lost_while_the_database_is_away(redis: fakeredis.FakeRedis, table: Table) -> None:
    redis.rpush("votes", item("ann", "a"), item("bob", "b"))
    work_off(redis, table)
    assert table.rows == {"ann": "a", "bob": "b"}
    assert nothing_left(redis)


def test_a_vote_stays_held_until_it_is_stored(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes", item("ann", "a"))
    with pytest.raises(psycopg.OperationalError):
        worker.step(Intake(redis, "one"), Table(fails_before=1))
    assert redis.lrange("votes:processing:one", 0, -1) == [item("ann", "a")]


def test_a_stopping_worker_gives_back_what_it_could_not_store(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes", item("ann", "a"), item("bob", "b"), item("eve", "a"))
    work_off(redis, Table(fails_before=100), rounds=2)
    assert redis.lrange("votes", 0, -1) == [item("ann", "a"), item("bob", "b"), item("eve", "a")]
    assert redis.keys() == [b"votes"]


def test_the_votes_of_a_lost_worker_come_first_and_in_order(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes:processing:lost", item("ann", "a"), item("bob", "a"))
    redis.rpush("votes", item("ann", "b"))
    assert Intake(redis, "one").reclaim() == 2
    assert redis.lrange("votes", 0, -1) == [item("ann", "a"), item("bob", "a"), item("ann", "b")]


def test_the_votes_of_a_living_worker_are_left_alone(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes", item("ann", "a"))
    Intake(redis, "other").take(10, 0.01)
    assert Intake(redis, "one").reclaim() == 0
    assert redis.lrange("votes:processing:other", 0, -1) == [item("ann", "a")]


def test_a_batch_has_its_limit(redis: fakeredis.FakeRedis) -> None:
    redis.rpush("votes", *(item(f"voter-{n}", "a") for n in range(7)))
    intake = Intake(redis, "one")
    batch = intake.take(5, 0.01)
    assert len(batch) == 5
    assert intake.take(5, 0.01) == batch, "what is held comes again until it is settled"
    intake.settle(batch)
    assert len(intake.take(5, 0.01)) == 2


NO_VOTES = {
    "no JSON": b"vote",
    "no text": b"\xff\xfe",
    "no object": b'["ann", "a"]',
    "no voter": b'{"vote": "a"}',
    "no vote": b'{"voter_id": "ann", "vote": null}',
    "nothing in it": b'{"voter_id": "", "vote": "a"}',
    "too long": item("x" * 256, "a"),
    "a zero byte": item("ann\0", "a"),
    "half a character": b'{"voter_id": "\\ud800", "vote": "a"}',
    "endless": b"[" * 100_000,
}


@pytest.mark.parametrize("bad", NO_VOTES.values(), ids=NO_VOTES.keys())
def test_what_is_no_vote_is_put_aside_and_holds_nothing_up(redis: fakeredis.FakeRedis, bad: bytes) -> None:
    redis.rpush("votes", bad, item("ann", "a"))
    table = Table()
    work_off(redis, table)
    assert table.rows == {"ann": "a"}
    assert redis.lrange("votes:rejected", 0, -1) == [bad]


def test_a_vote_as_the_published_vote_image_writes_it() -> None:
    assert read(b'{"voter_id": "8f3c", "vote": "a"}') == ("8f3c", "a")


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"POSTGRES_PASSWORD": "plain"}, "plain"),
        ({"POSTGRES_PASSWORD_FILE": "secret", "POSTGRES_PASSWORD": "plain"}, "from the file"),
    ],
)
def test_the_password_comes_from_a_file_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text("from the file\n", encoding="utf-8")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert worker.password() == expected


def test_without_a_password_the_setting_is_named() -> None:
    with pytest.raises(SystemExit, match="POSTGRES_PASSWORD_FILE"):
        worker.password()
