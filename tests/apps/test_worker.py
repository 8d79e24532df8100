# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Collection
from pathlib import Path

import fakeredis
import psycopg
import pytest
import worker
from intake import PUT_BACK, REJECT, TAKE, Intake
from redis.exceptions import AuthenticationError, NoPermissionError
from tally import Vote, read

CLOCK = 1_000_000


def item(voter: str, vote: str, order: int | None = None) -> bytes:
    """A vote as our vote page puts it on the queue, or as the published one does, without an order."""
    fields = {"voter_id": voter, "vote": vote} | ({} if order is None else {"order": order})
    return json.dumps(fields).encode()


class Queue(fakeredis.FakeRedis):
    """fakeredis runs no scripts where there is no interpreter of Lua: what ours are to do is done here instead.
    test_stores.py has Redis itself do it."""

    def eval(self, script: str, numkeys: int, *words: str | bytes | int) -> list[bytes] | int | None:
        return {TAKE: self._take, PUT_BACK: self._put_back, REJECT: self._reject}[script](*words)

    def _take(self, queue: str, held: str, lease: str, taken: str, limit: int, seconds: int) -> list[bytes]:
        self.set(lease, "held", ex=seconds)
        highest = int(self.get(taken) or CLOCK)
        for taken_item in self.lpop(queue, max(limit - self.llen(held), 0)) or []:
            ordered = re.search(rb'"order": (\d+)}$', taken_item)
            order = int(ordered[1]) if ordered else highest + 1
            self.rpush(held, taken_item if ordered else re.sub(rb"}$", b', "order": %d}' % order, taken_item))
            highest = max(highest, order)
            self.set(taken, highest)
        return self.lrange(held, 0, limit - 1)

    def _put_back(self, queue: str, held: str, lease: str) -> int:
        returned = 0
        while not self.exists(lease) and self.lmove(held, queue, "RIGHT", "LEFT") is not None:
            returned += 1
        return returned

    def _reject(self, held: str, rejected: str, *items: bytes) -> None:
        for rejected_item in items:
            if self.lrem(held, 1, rejected_item):
                self.rpush(rejected, rejected_item)


class Table:
    """Stands where the database is: stores by its rule, or fails as often as told, before or after it has stored."""

    def __init__(self, *, fails_before: int = 0, fails_after: int = 0) -> None:
        self.votes: dict[str, Vote] = {}
        self.fails_before = fails_before
        self.fails_after = fails_after
        self.looked_after = False

    @property
    def rows(self) -> dict[str, str]:
        return {voter: vote.choice for voter, vote in self.votes.items()}

    def keep_connected(self) -> None:
        self.looked_after = True

    def store(self, votes: Collection[Vote]) -> None:
        assert len({vote.voter for vote in votes}) == len(votes), "an upsert takes no row twice"
        if self.fails_before:
            self.fails_before -= 1
            raise psycopg.OperationalError("the server is away")
        for vote in votes:
            if vote.order >= self.votes.get(vote.voter, vote).order:
                self.votes[vote.voter] = vote
        if self.fails_after:
            self.fails_after -= 1
            raise psycopg.OperationalError("the connection was lost while committing")


@pytest.fixture
def redis() -> Queue:
    return Queue()


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.01)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.0)


def work_off(redis: Queue, table: Table, rounds: int = 10) -> None:
    """Run a worker for some rounds of its loop, then stop it."""
    stop = threading.Event()
    left = iter(range(rounds))

    def alive() -> None:
        if next(left, None) is None:
            stop.set()

    worker.run(Intake(redis, "one"), table, stop, alive)


def nothing_left(redis: Queue) -> bool:
    return set(redis.keys("votes*")) <= {b"votes:taken"}


@pytest.mark.parametrize(
    "items",
    [
        [item("ann", "a", 1), item("bob", "b", 2), item("ann", "b", 3)],
        [item("ann", "b", 3), item("bob", "b", 2), item("ann", "a", 1)],
        [item("ann", "a"), item("bob", "b"), item("ann", "b")],
    ],
    ids=["in order", "out of order", "without order"],
)
@pytest.mark.parametrize("batch", [1, 500])
def test_votes_reach_the_table_and_the_newest_choice_wins(
    redis: Queue, monkeypatch: pytest.MonkeyPatch, items: list[bytes], batch: int
) -> None:
    monkeypatch.setattr(worker, "BATCH", batch)
    redis.rpush("votes", *items)
    table = Table()
    work_off(redis, table)
    assert table.rows == {"ann": "b", "bob": "b"}
    assert nothing_left(redis)


def test_a_worker_without_votes_keeps_its_way_to_the_table(redis: Queue) -> None:
    table = Table()
    work_off(redis, table)
    assert table.looked_after


@pytest.mark.parametrize(
    "table",
    [Table(fails_before=3), Table(fails_after=2), Table(fails_before=1, fails_after=1)],
    ids=["away", "lost while committing", "both"],
)
def test_no_vote_is_lost_while_the_database_is_away(redis: Queue, table: Table) -> None:
    redis.rpush("votes", item("ann", "a"), item("bob", "b"))
    work_off(redis, table)
    assert table.rows == {"ann": "a", "bob": "b"}
    assert nothing_left(redis)


def test_a_vote_stays_held_until_it_is_stored(redis: Queue) -> None:
    redis.rpush("votes", item("ann", "a", 1))
    with pytest.raises(psycopg.OperationalError):
        worker.step(Intake(redis, "one"), Table(fails_before=1))
    assert redis.lrange("votes:processing:one", 0, -1) == [item("ann", "a", 1)]


def test_a_stopping_worker_gives_back_what_it_could_not_store(redis: Queue) -> None:
    votes = [item("ann", "a", 1), item("bob", "b", 2), item("eve", "a", 3)]
    redis.rpush("votes", *votes)
    work_off(redis, Table(fails_before=100), rounds=2)
    assert redis.lrange("votes", 0, -1) == votes
    assert set(redis.keys()) == {b"votes", b"votes:taken"}


def test_the_votes_of_a_lost_worker_come_first_and_in_order(redis: Queue) -> None:
    redis.rpush("votes:processing:lost", item("ann", "a", 1), item("bob", "a", 2))
    redis.rpush("votes", item("ann", "b", 3))
    assert Intake(redis, "one").reclaim() == 2
    assert redis.lrange("votes", 0, -1) == [item("ann", "a", 1), item("bob", "a", 2), item("ann", "b", 3)]


def test_the_votes_of_a_living_worker_are_left_alone(redis: Queue) -> None:
    redis.rpush("votes", item("ann", "a", 1))
    Intake(redis, "other").take(10, 0.01)
    assert Intake(redis, "one").reclaim() == 0
    assert redis.lrange("votes:processing:other", 0, -1) == [item("ann", "a", 1)]


def test_a_vote_keeps_the_order_that_it_got_when_it_was_first_taken(redis: Queue) -> None:
    redis.rpush("votes", item("ann", "a"))
    lost = Intake(redis, "lost").take(1, 0.01)
    redis.rpush("votes", item("ann", "b"))
    (newer,) = Intake(redis, "one").take(1, 0.01)
    Intake(redis, "lost").release()
    assert Intake(redis, "two").take(1, 0.01) == lost
    assert read(lost[0]).order < read(newer).order


VOTES = [Vote("ann", "first", 1), Vote("ann", "second", 2), Vote("ann", "third", 3)]
CRASHES = ["nobody", "one", "two"]


def work_together(redis: Queue, first: str, crashed: str) -> Table:
    """Two workers store what they hold, ``first`` before the other; one may die between storing and settling. Its votes
    are then put back, and delivered once more by the other."""
    table = Table()
    for name in sorted(["one", "two"], key=lambda name: name != first):
        table.fails_after = int(name == crashed)
        try:
            worker.step(Intake(redis, name), table)
        except psycopg.OperationalError:
            redis.delete(f"votes:worker:{name}")
    survivor = Intake(redis, "two" if crashed == "one" else "one")
    survivor.reclaim()
    worker.step(survivor, table)
    return table


@pytest.mark.parametrize("crashed", CRASHES)
@pytest.mark.parametrize("first", ["one", "two"])
def test_the_newest_choice_wins_however_three_votes_are_delivered(first: str, crashed: str) -> None:
    """Every sequence of the three, every division between the workers, in one batch or one by one."""
    for votes in itertools.permutations(VOTES):
        for holders in itertools.product(["one", "two"], repeat=len(votes)):
            redis = Queue(server=fakeredis.FakeServer())
            for vote, holder in zip(votes, holders, strict=True):
                redis.rpush(f"votes:processing:{holder}", item(*vote))
            assert work_together(redis, first, crashed).rows == {"ann": "third"}, (votes, holders)
            assert not redis.keys("votes:processing:*")


@pytest.mark.parametrize("crashed", CRASHES)
@pytest.mark.parametrize("first", ["one", "two"])
def test_votes_without_order_have_that_of_the_queue_whoever_takes_them(first: str, crashed: str) -> None:
    """Every division between the workers. The middle vote has an order, as while the vote page is being replaced."""
    for middle in (None, CLOCK + 50):
        for takers in itertools.product(["one", "two"], repeat=len(VOTES)):
            redis = Queue(server=fakeredis.FakeServer())
            redis.rpush("votes", item("ann", "first"), item("ann", "second", middle), item("ann", "third"))
            for number, taker in enumerate(takers):
                Intake(redis, taker).take(1 + takers[:number].count(taker), 0.01)
            assert work_together(redis, first, crashed).rows == {"ann": "third"}, takers
            assert not redis.keys("votes:processing:*")


def test_a_batch_has_its_limit(redis: Queue) -> None:
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
def test_what_is_no_vote_is_put_aside_and_holds_nothing_up(redis: Queue, bad: bytes) -> None:
    redis.rpush("votes", bad, item("ann", "a"))
    table = Table()
    work_off(redis, table)
    assert table.rows == {"ann": "a"}
    (rejected,) = redis.lrange("votes:rejected", 0, -1)
    assert rejected.removesuffix(b"}").startswith(bad.removesuffix(b"}"))


@pytest.mark.parametrize("order", ["-1", "1.0", "1e3", "true", '"1"', "null", str(2**63)])
def test_an_order_is_a_whole_number_that_the_table_can_hold(order: str) -> None:
    with pytest.raises(ValueError, match="order"):
        read(b'{"voter_id": "ann", "vote": "a", "order": %s}' % order.encode())


def test_a_vote_as_the_vote_page_writes_it() -> None:
    assert read(b'{"voter_id": "8f3c", "vote": "a", "order": 1795730557158157}') == ("8f3c", "a", 1795730557158157)


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


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    for store in ("REDIS", "POSTGRES"):
        monkeypatch.setenv(f"{store}_USER", "voteapp_1")
        monkeypatch.setenv(f"{store}_PASSWORD_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("POSTGRES_DB", "postgres")


def test_the_worker_logs_in_at_both_stores_where_it_has_an_account(account: None) -> None:
    with worker.connect_queue() as redis:
        login = {name: redis.connection_pool.connection_kwargs.get(name) for name in ("username", "password")}
    assert login == {"username": "voteapp_1", "password": "from the file"}
    with worker.connect_database() as pool:
        login = {name: pool.kwargs[name] for name in ("user", "password", "dbname")}
    assert login == {"user": "voteapp_1", "password": "from the file", "dbname": "postgres"}


def test_without_an_account_the_worker_does_not_log_in_at_the_queue() -> None:
    with worker.connect_queue() as redis:
        assert not {"username", "password"} & {
            name for name, value in redis.connection_pool.connection_kwargs.items() if value is not None
        }


@pytest.mark.parametrize("missing", ["REDIS_USER", "REDIS_PASSWORD_FILE"])
def test_half_an_account_is_named(account: None, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv(missing, "")
    with pytest.raises(SystemExit, match=missing):
        worker.connect_queue()


def test_no_vote_is_lost_while_an_account_is_refused(redis: Queue, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.rpush("votes", item("ann", "a"))
    refusals = [AuthenticationError("WRONGPASS"), AuthenticationError("NOAUTH"), NoPermissionError("NOPERM")]
    take = Intake.take

    def refuse(intake: Intake, limit: int, wait: float) -> list[bytes]:
        if refusals:
            raise refusals.pop()
        return take(intake, limit, wait)

    monkeypatch.setattr(Intake, "take", refuse)
    table = Table()
    work_off(redis, table)
    assert table.rows == {"ann": "a"}
    assert nothing_left(redis)
