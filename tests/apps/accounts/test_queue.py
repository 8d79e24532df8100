# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's accounts at the queue: what they may do, and how what differs is put right."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import accounts
import pytest
from intake import Intake
from redis.exceptions import AuthenticationError, RedisError
from votequeue import VoteQueue

from tests.apps.accounts.stores import ONE, TWO, Clients, Member, followed_by, password
from tests.apps.servers import on_redis


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
