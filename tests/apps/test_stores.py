# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vote page and the worker on the stores themselves: Redis with the image's configuration, and PostgreSQL."""

from __future__ import annotations

import itertools
import signal
import socket
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psycopg
import pytest
import votequeue
import worker
from intake import Intake
from psycopg_pool import ConnectionPool
from redis import Redis
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from tally import Tally, Vote, prepare, read
from vote import connect, create_app
from votequeue import APPEND, ORDER, QUEUE, NotStored, VoteQueue

from tests.apps.servers import SECONDS_TO_START, RedisProcess, eventually, new_postgres, on_postgres, on_redis


class RedisServer(RedisProcess):
    """On a port of the loopback interface."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        folder.mkdir()
        here = ["--bind", "127.0.0.1", "--port", str(self.port)]
        super().__init__(folder, [*here, *options], Redis(host="127.0.0.1", port=self.port))

    def client(self, clients: ExitStack) -> Redis:
        """The vote page's client, except that it goes to this server."""
        client = clients.enter_context(connect())
        client.connection_pool.connection_kwargs.update(host="127.0.0.1", port=self.port)
        return client


@pytest.fixture
def servers(quick_folder: Path) -> Iterator[Callable[..., RedisServer]]:
    """Starts a server with the options given; all are gone after the test."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        server = RedisServer(quick_folder / f"redis-{len(started)}", *options)
        started.append(server)
        return server

    yield start
    for server in started:
        server.admin.close()
        if server.process.poll() is None:
            server.kill()


@pytest.fixture
def server(servers: Callable[..., RedisServer]) -> RedisServer:
    return servers()


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as clients:
        yield clients


@pytest.fixture
def redis(server: RedisServer, clients: ExitStack) -> Redis:
    return server.client(clients)


def followed_by(server: RedisServer, servers: Callable[..., RedisServer]) -> RedisServer:
    """A replica of a server, once what the server gets is on the replica's disk."""
    replica = servers("--replicaof", f"127.0.0.1 {server.port}")
    with server.admin.client() as connection:

        def is_written() -> bool:
            connection.set("written", 1)
            return connection.waitaof(1, 1, 100) == [1, 1]

        eventually(is_written)
    return replica


def queued(server: RedisServer) -> list[Vote]:
    return [read(item) for item in server.admin.lrange("votes", 0, -1)]


@on_redis
def test_votes_get_the_clock_and_never_go_back(server: RedisServer, redis: Redis) -> None:
    queue = VoteQueue(redis)
    before = time.time_ns() // 1000
    queue.put("ann", "a")
    queue.put("ann", "b")
    first, second = queued(server)
    assert before <= first.order < second.order <= time.time_ns() // 1000
    ahead = 8_000_000_000_000_000
    server.admin.set("votes:order", ahead)
    queue.put("ann", "a")
    redis.eval(APPEND, 2, ORDER, QUEUE, second.order, '{"voter_id": "ann", "vote": "late", "order": 1}')
    queue.put("ann", "b")
    assert [vote.order for vote in queued(server)[2:]] == [ahead + 1, 1, ahead + 2]


@on_redis
def test_a_vote_that_was_thanked_for_outlives_the_server(server: RedisServer, redis: Redis) -> None:
    queue = VoteQueue(redis)
    queue.put("ann", "a")
    (before,) = queued(server)
    server.kill()
    with pytest.raises(RedisError):
        queue.put("ann", "b")
    server.start()
    assert queued(server) == [before]
    queue.put("ann", "b")
    assert queued(server)[-1].order > before.order


@on_redis
@pytest.mark.parametrize(("setting", "value"), [("appendonly", "no"), ("appendfsync", "no")])
def test_what_does_not_reach_the_disk_is_refused(server: RedisServer, redis: Redis, setting: str, value: str) -> None:
    server.admin.config_set(setting, value)
    with pytest.raises((NotStored, ResponseError)):
        VoteQueue(redis).put("ann", "a")


@on_redis
def test_replicas_have_the_vote_without_a_wait_for_their_next_report(
    server: RedisServer, servers: Callable[..., RedisServer], redis: Redis
) -> None:
    replica = followed_by(server, servers)
    queue = VoteQueue(redis, replicas=1)
    begun = time.monotonic()
    for choice in "ababa":
        queue.put("ann", choice)
    assert time.monotonic() - begun < 3, "five reports of a second each"
    assert queued(replica) == queued(server)
    assert replica.admin.get("votes:order") == server.admin.get("votes:order")


@on_redis
def test_too_few_replicas_are_a_refusal(
    server: RedisServer, servers: Callable[..., RedisServer], redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(votequeue, "PATIENCE_MS", 200)
    replica = followed_by(server, servers)
    VoteQueue(redis, replicas=1).put("ann", "a")
    with pytest.raises(NotStored):
        VoteQueue(redis, replicas=2).put("ann", "a")
    replica.process.send_signal(signal.SIGSTOP)
    with pytest.raises(NotStored):
        VoteQueue(redis, replicas=1).put("ann", "a")


@on_redis
def test_a_replica_takes_no_vote_and_once_promoted_orders_go_on(
    server: RedisServer, servers: Callable[..., RedisServer], redis: Redis, clients: ExitStack
) -> None:
    VoteQueue(redis).put("ann", "a")
    replica = followed_by(server, servers)
    queue = VoteQueue(replica.client(clients))
    with pytest.raises(ReadOnlyError):
        queue.put("ann", "b")
    server.kill()
    replica.admin.replicaof("NO", "ONE")
    queue.put("ann", "b")
    first, second = queued(replica)
    assert (first.choice, second.choice) == ("a", "b")
    assert first.order < second.order


ITEMS = {
    "our own": (b'{"voter_id": "ann", "vote": "a", "order": 4000}', Vote("ann", "a", 4000)),
    "as the published image writes it": (b'{"voter_id": "8f3c", "vote": "a"}', Vote("8f3c", "a", 4002)),
    "other spaces": (b'{ "vote":"a","voter_id":"8f3c" } \n', Vote("8f3c", "a", 4002)),
    "words of ours in it": (b'{"voter_id": "\\"order\\": 7}", "vote": "a"}', Vote('"order": 7}', "a", 4002)),
    "an order too high": (b'{"voter_id": "ann", "vote": "a", "order": 9007199254740992}', Vote("ann", "a", 4002)),
    "an order far too high": (b'{"voter_id": "ann", "vote": "a", "order": %s}' % (b"9" * 400), Vote("ann", "a", 4002)),
    "an order below zero": (b'{"voter_id": "ann", "vote": "a", "order": -1}', Vote("ann", "a", 4002)),
    "letters outside of ASCII": ('{"voter_id": "Ænn %1", "vote": "ß"}'.encode(), Vote("Ænn %1", "ß", 4002)),
}


@on_redis
@pytest.mark.parametrize(("item", "expected"), ITEMS.values(), ids=ITEMS.keys())
def test_a_vote_without_order_gets_one_after_those_before_it(
    server: RedisServer, redis: Redis, item: bytes, expected: Vote
) -> None:
    redis.rpush("votes", b'{"voter_id": "eve", "vote": "b", "order": 4001}', item)
    redis.set("votes:taken", 3000)
    intake = Intake(redis, "one")
    taken = intake.take(500, 0.01)
    assert [read(vote) for vote in taken][1:] == [expected]
    assert int(redis.get("votes:taken")) == max(4001, expected.order)

    assert intake.release() == 2
    assert Intake(redis, "two").take(500, 0.01) == taken, "its order stays when it is put back"
    assert redis.lrange("votes:processing:one", 0, -1) == []


@on_redis
def test_the_first_vote_without_order_gets_the_clock(server: RedisServer, redis: Redis) -> None:
    before = time.time_ns() // 1000
    redis.rpush("votes", b'{"voter_id": "ann", "vote": "a"}', b"[" * 100_000, b'{"voter_id": "ann", "vote": "b"}')
    first, broken, second = Intake(redis, "one").take(500, 0.01)
    assert before < read(first).order < read(second).order < before + SECONDS_TO_START * 1_000_000
    assert broken == b"[" * 100_000


@on_redis
def test_a_worker_waits_for_a_vote_and_leaves_the_queue_as_it_is(server: RedisServer, redis: Redis) -> None:
    intake = Intake(redis, "one")
    assert intake.take(500, 0.05) == []
    votes = [b'{"voter_id": "ann", "vote": "a", "order": %d}' % order for order in range(7)]
    timer = threading.Timer(0.2, server.admin.rpush, ("votes", *votes))
    timer.start()
    assert intake.take(5, 5.0) == votes[:5]
    timer.join()
    assert intake.take(5, 0.05) == votes[:5], "what is held comes again until it is settled"
    intake.settle(votes[:3])
    assert intake.take(3, 0.05) == votes[3:6]
    assert redis.lrange("votes", 0, -1) == votes[6:]


@on_redis
def test_the_votes_of_a_lost_worker_are_put_back_once_its_lease_is_out(server: RedisServer, redis: Redis) -> None:
    votes = [b'{"voter_id": "ann", "vote": "a", "order": %d}' % order for order in range(4)]
    redis.rpush("votes", *votes)
    Intake(redis, "lost").take(3, 0.01)
    assert 50 < redis.ttl("votes:worker:lost") <= 60
    assert Intake(redis, "one").reclaim() == 0
    redis.delete("votes:worker:lost")
    assert Intake(redis, "one").reclaim() == 3
    assert redis.lrange("votes", 0, -1) == votes


class Table:
    """Stands where the database is, for several workers; ``fates`` says what each attempt to store comes to."""

    def __init__(self, fates: Iterable[str] = itertools.repeat("stored")) -> None:
        self.votes: dict[str, Vote] = {}
        self.lock = threading.Lock()
        self.fates = iter(fates)

    def keep_connected(self) -> None:
        """There is nothing to be replaced."""

    def store(self, votes: Collection[Vote]) -> None:
        with self.lock:
            fate = next(self.fates)
            if fate == "away":
                raise psycopg.OperationalError("the server is away")
            for vote in votes:
                if vote.order >= self.votes.get(vote.voter, vote).order:
                    self.votes[vote.voter] = vote
            if fate == "lost":
                raise psycopg.OperationalError("the connection was lost while committing")


@on_redis
def test_a_full_queue_refuses_votes_and_can_be_worked_off(
    server: RedisServer, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.0)
    votes = [b'{"voter_id": "%0200d", "vote": "a"}' % number for number in range(5000)]
    redis.rpush("votes", b"no vote", *votes)
    server.admin.config_set("maxmemory", server.admin.info("memory")["used_memory"] - 300_000)
    queue = VoteQueue(redis)
    with pytest.raises(OutOfMemoryError):
        queue.put("ann", "a")

    table = Table()
    stop = threading.Event()
    rounds = iter(range(20))
    worker.run(Intake(redis, "one"), table, stop, lambda: None if next(rounds, None) is not None else stop.set())
    assert len(table.votes) == len(votes)
    assert redis.lrange("votes:rejected", 0, -1) == [b"no vote"]
    queue.put("ann", "a")


@on_redis
def test_the_last_choice_that_was_thanked_for_counts_whatever_breaks(
    server: RedisServer, clients: ExitStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Voters vote until they are thanked, two workers store, both lose their database; then Redis is killed twice."""
    monkeypatch.setattr(worker, "WAIT_SECONDS", 0.05)
    monkeypatch.setattr(worker, "PAUSE_SECONDS", 0.02)
    table = Table(itertools.cycle(["stored", "stored", "lost", "stored", "away"]))
    stop = threading.Event()
    chosen: dict[str, str] = {}
    page = create_app(server.client(clients))

    def vote(voter: str) -> None:
        browser = page.test_client()
        browser.set_cookie("voter_id", voter)
        for choice in "ababbaabbb" * 6:
            while browser.post("/", data={"vote": choice}).status_code != 200:
                time.sleep(0.05)
            chosen[voter] = choice

    workers = [
        threading.Thread(target=worker.run, args=(Intake(server.client(clients), name), table, stop, lambda: None))
        for name in ("one", "two")
    ]
    voters = [threading.Thread(target=vote, args=(f"voter-{number}",)) for number in range(6)]
    for thread in [*workers, *voters]:
        thread.start()
    for kill in range(2):
        time.sleep(0.3 + 0.2 * kill)
        server.kill()
        server.start()
    for thread in voters:
        thread.join()
    eventually(lambda: not server.admin.keys("votes:processing:*") and not server.admin.llen("votes"))
    stop.set()
    for thread in workers:
        thread.join()
    assert {voter: vote.choice for voter, vote in table.votes.items()} == chosen


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    """Connection parameters of a PostgreSQL of its own, on a socket in a temporary folder."""
    with new_postgres("of nobody") as server:
        server.start("listen_addresses=")
        yield f"host={server.data} user=postgres dbname=postgres"


@pytest.fixture
def database(postgres: str) -> Iterator[psycopg.Connection]:
    """A connection to a database without the table."""
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("DROP TABLE IF EXISTS votes")
        yield connection


@pytest.fixture
def tally(postgres: str, database: psycopg.Connection) -> Iterator[Tally]:
    with ConnectionPool(postgres, min_size=1, max_size=1, configure=prepare) as pool:
        pool.wait()
        yield Tally(pool)


VOTES = [Vote("ann", "first", 1), Vote("ann", "second", 2), Vote("ann", "third", 3)]
# What the published worker and result page say to the database.
PUBLISHED_CREATE = "CREATE TABLE IF NOT EXISTS votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255) NOT NULL)"
PUBLISHED_INSERT = "INSERT INTO votes (id, vote) VALUES (%s, %s)"
PUBLISHED_UPDATE = "UPDATE votes SET vote = %s WHERE id = %s"
PUBLISHED_COUNT = "SELECT vote, COUNT(id) AS count FROM votes GROUP BY vote"


def rows(database: psycopg.Connection) -> dict[str, tuple[str, int]]:
    return {voter: (choice, order) for voter, choice, order in database.execute("SELECT id, vote, ordered FROM votes")}


@on_postgres
def test_the_newest_choice_wins_in_every_sequence_of_votes_delivered_twice(
    database: psycopg.Connection, tally: Tally
) -> None:
    sequences = sorted(set(itertools.permutations(VOTES * 2)))
    assert len(sequences) == 90
    for number, sequence in enumerate(sequences):
        for vote in sequence:
            tally.store([vote._replace(voter=f"voter-{number}")])
    assert set(rows(database).values()) == {("third", 3)}


@on_postgres
def test_a_batch_changes_the_rows_that_it_outranks(database: psycopg.Connection, tally: Tally) -> None:
    tally.store([Vote("ann", "a", 5), Vote("bob", "a", 5), Vote("eve", "a", 5)])
    tally.store([Vote("eve", "b", 6), Vote("dan", "b", 1), Vote("ann", "b", 4), Vote("bob", "b", 5)])
    assert rows(database) == {"ann": ("a", 5), "bob": ("b", 5), "eve": ("b", 6), "dan": ("b", 1)}
    tally.store([Vote("ann", "z", 2**63 - 1)])
    assert rows(database)["ann"] == ("z", 2**63 - 1)


@on_postgres
def test_workers_that_store_the_same_voters_wait_for_each_other(postgres: str, database: psycopg.Connection) -> None:
    with ConnectionPool(postgres, min_size=2, max_size=2, configure=prepare) as pool:
        pool.wait()
        tally = Tally(pool)

        def store(orders: range) -> None:
            for order in orders:
                tally.store([Vote(f"voter-{n}", str(order), order) for n in range(50)][:: 1 if order % 2 else -1])

        threads = [threading.Thread(target=store, args=(range(start, 60, 2),)) for start in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert set(rows(database).values()) == {("59", 59)}


@on_postgres
def test_the_published_images_share_the_table(postgres: str, database: psycopg.Connection) -> None:
    database.execute(PUBLISHED_CREATE)
    database.execute(PUBLISHED_INSERT, ("old", "a"))
    with ConnectionPool(postgres, min_size=1, max_size=1, configure=prepare) as pool:
        pool.wait()
        tally = Tally(pool)
        tally.store([Vote("ann", "a", 7), Vote("old", "b", 0)])
        database.execute(PUBLISHED_CREATE)
        database.execute(PUBLISHED_INSERT, ("new", "a"))
        database.execute(PUBLISHED_UPDATE, ("b", "ann"))
        with pytest.raises(psycopg.errors.UniqueViolation):
            database.execute(PUBLISHED_INSERT, ("ann", "a"))
        assert rows(database) == {"ann": ("b", 7), "old": ("b", 0), "new": ("a", 0)}
        assert dict(database.execute(PUBLISHED_COUNT).fetchall()) == {"a": 1, "b": 2}
        tally.store([Vote("ann", "a", 8), Vote("new", "b", 1)])
    assert rows(database) == {"ann": ("a", 8), "old": ("b", 0), "new": ("b", 1)}


@on_postgres
@pytest.mark.parametrize("before", ["SELECT", PUBLISHED_CREATE], ids=["an empty database", "the published table"])
def test_workers_that_start_together_prepare_one_table(
    postgres: str, database: psycopg.Connection, before: str
) -> None:
    database.execute(before)
    with ConnectionPool(postgres, min_size=8, max_size=8, configure=prepare) as pool:
        pool.wait(timeout=SECONDS_TO_START)
    assert rows(database) == {}


@on_postgres
def test_a_table_that_is_being_read_holds_no_worker_up(postgres: str, tally: Tally) -> None:
    with psycopg.connect(postgres) as reader, psycopg.connect(postgres, options="-c lock_timeout=500ms") as connection:
        reader.execute("SELECT * FROM votes")
        prepare(connection)
