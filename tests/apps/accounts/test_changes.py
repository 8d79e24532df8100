# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the app notices of it when its accounts change."""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator

import accounts
import psycopg
import pytest
import worker
from intake import Intake
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from vote import create_app
from votequeue import VoteQueue

from tests.apps.accounts.stores import ONE, TWO, Clients, Member, Program, accounts_of, followed_by, log_in, password
from tests.apps.servers import eventually, on_postgres, on_redis


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
