# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How members of the queue start, and what they say of themselves, with stand-ins for what they call."""

from __future__ import annotations

import hashlib
import signal

import pytest

from tests.apps.members import CLIENT, LINKED, LISTENER, MANIFEST, PASSWORD, Member, container, eventually, of, votes

member = pytest.fixture(container)


def replicas(**offsets: int | None) -> dict[str, str]:
    """What the members say of themselves: replicas that have followed so far, or None for one without an offset."""
    return {
        f"redis-cli -h {name.replace('_', '-')} info replication": "# Replication\r\nrole:"
        + ("master\r\nconnected_slaves:0" if offset is None else f"slave\r\nslave_repl_offset:{offset}\r")
        for name, offset in offsets.items()
    }


@of("redis")
def test_an_empty_redis_never_becomes_the_master(member: Member) -> None:
    new = replicas(redis_2=1, redis_3=1)
    member.answers(votes("redis-1", "redis-1", "redis-1") | new | LINKED)
    # However long it takes.
    start = member.start("member", PATIENCE="0")
    member.waits(start, "redis-1 has no data and is the master for the sentinels")
    member.answers(votes("redis-1", "redis-3", "redis-3") | new | LINKED)
    program, *arguments = member.goes_on(start)
    assert program == "redis-server"
    assert arguments[1:4] == ["--replicaof", "redis-3", "6379"]


# Replica of whom, or master: {case: (what sentinels say, what is in the volume, the master, "" being itself)}
REDIS_ROLES: dict[str, tuple[tuple[str | None, ...], set[str], str]] = {
    "empty, a replica": (("redis-2", "redis-2", "redis-2"), set(), "redis-2"),
    "with data, a replica": (("redis-2", "redis-2", "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one is silent": (("redis-2", None, "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one says otherwise": (("redis-1", "redis-2", "redis-2"), {MANIFEST}, "redis-2"),
    "two agree and one knows nothing": (("redis-1", "", "redis-1"), {MANIFEST}, ""),
    "with data, the master of new ones": (("redis-1", "redis-1", None), {MANIFEST}, ""),
    "empty, allowed to begin": (("redis-1", "redis-1", "redis-1"), {".initialise"}, ""),
    "allowed to begin, and another is the master": (("redis-2", "redis-2", None), {".initialise"}, "redis-2"),
}


@of("redis")
@pytest.mark.parametrize(("said", "files", "master"), REDIS_ROLES.values(), ids=REDIS_ROLES.keys())
def test_redis_starts_as_what_two_sentinels_say(
    member: Member, said: tuple[str | None, ...], files: set[str], master: str
) -> None:
    member.fill(*files)
    member.answers(votes(*said) | replicas(redis_2=1, redis_3=None) | LINKED)
    _, configuration, *arguments = member.goes_on(member.start("member"))
    assert configuration == "/etc/redis/redis.conf"
    assert (arguments[:3] == ["--replicaof", master, "6379"]) == bool(master)
    assert ("--replicaof" in arguments) == bool(master)
    assert arguments[arguments.index("--min-replicas-to-write") + 1] == "1"
    assert member.files() == files


NO_MAJORITY: dict[str, tuple[str | None, ...]] = {
    "nobody": (None, None, None),
    "one": ("redis-2", None, None),
    "one, the others know nothing": ("redis-2", "", ""),
    "one each": ("redis-1", "redis-2", "redis-3"),
}


@of("redis")
@pytest.mark.parametrize("allowed", [set(), {MANIFEST}, {".initialise"}], ids=["empty", "data", "allowed"])
@pytest.mark.parametrize("said", NO_MAJORITY.values(), ids=NO_MAJORITY.keys())
def test_redis_waits_until_two_sentinels_agree(member: Member, said: tuple[str | None, ...], allowed: set[str]) -> None:
    member.fill(*allowed)
    member.answers(votes(*said) | replicas(redis_2=1, redis_3=1))
    member.waits(member.start("member"), "redis-1 waits until two sentinels agree on who the master is")


GIVES_WAY: dict[str, dict[str, int | None]] = {
    "to one that has followed it": {"redis_2": 4711, "redis_3": 1},
    "to one that has followed a little": {"redis_2": 1, "redis_3": 12},
    "where one is silent": {"redis_2": 1},
    "where all are silent": {},
}


@of("redis")
@pytest.mark.parametrize("others", GIVES_WAY.values(), ids=GIVES_WAY.keys())
def test_a_master_that_comes_back_leaves_its_place_for_a_while(member: Member, others: dict[str, int | None]) -> None:
    member.fill(MANIFEST)
    member.answers(votes("redis-1", "redis-1", "redis-1") | replicas(**others) | LINKED)
    start = member.start("member")
    member.waits(start, "redis-1 was the master, and leaves its place to a replica")
    member.end()
    # Nobody was chosen for a minute.
    assert "--replicaof" not in member.goes_on(member.start("member", PATIENCE="0"))


@of("redis")
def test_a_replica_can_be_chosen_once_it_follows(member: Member) -> None:
    down = {"redis-cli -t 2 info replication": "role:slave\nmaster_link_status:down"}
    allow = "redis-cli -t 2 config set replica-priority 100"
    member.answers(votes("redis-2", "redis-2", "redis-2") | down)
    arguments = member.goes_on(member.start("member"))
    assert arguments[arguments.index("--replica-priority") + 1] == "0"
    asked = len(member.calls())
    eventually(lambda: len(member.calls()) > asked + 3)
    assert allow not in member.calls()
    member.answers(LINKED)
    eventually(lambda: allow in member.calls())


ONLINE = "slave{}:ip=redis-{},port=6379,state=online,offset=1,lag=0"
MASTER = "role:master\r\nconnected_slaves:{}\r\n"
# {case: (what it says of itself, scope, what is wrong with that)}
REDIS_VERDICTS = {
    "a master of two": (MASTER.format(2) + ONLINE.format(0, 2) + "\r\n" + ONLINE.format(1, 3), "all", ""),
    "a master of one": (MASTER.format(1) + ONLINE.format(0, 2), "one", ""),
    "a master of one, where all count": (MASTER.format(1) + ONLINE.format(0, 2), "all", "one replica of two"),
    "a master of one that loads": (
        MASTER.format(1) + ONLINE.format(0, 2).replace("online", "wait_bgsave"),
        "one",
        "is the master, and has no replica",
    ),
    "a master alone": (MASTER.format(0), "one", "redis-1 is the master, and has no replica"),
    "a replica": ("role:slave\r\nmaster_link_status:up", "all", ""),
    "a replica that is cut off": ("role:slave\r\nmaster_link_status:down", "one", "does not follow its master yet"),
    "one that loads": ("LOADING Redis is loading the dataset in memory", "one", "does not follow its master yet"),
    "silent": (None, "one", "redis-1 does not answer"),
}


@of("redis")
@pytest.mark.parametrize(("said", "scope", "flaw"), REDIS_VERDICTS.values(), ids=REDIS_VERDICTS.keys())
def test_redis_tells_whether_it_does_its_part(member: Member, said: str | None, scope: str, flaw: str) -> None:
    member.answers({"redis-cli -t 2 info replication": said} if said else {})
    code, told = member.run("ready", scope)
    assert (code, flaw in told) == (int(bool(flaw)), True), told


@of("redis", "sentinel")
@pytest.mark.parametrize("arguments", [(), ("26379",)])
def test_an_answer_is_a_sign_of_life_and_so_is_waiting(member: Member, arguments: tuple[str, ...]) -> None:
    assert member.run("alive", *arguments)[0] != 0
    member.answers({f"redis-cli -t 2 -p {''.join(arguments) or 6379} ping": "LOADING"})
    assert member.run("alive", *arguments)[0] == 0
    member.answers({})
    member.waiting.touch()
    assert member.run("alive", *arguments)[0] == 0


# What is in the volume of a member that was started before.
USERS = """user default on #old ~* &* +@all
user check on nopass ~* &* +@all
user somebody on nopass ~* &* +@all
user voteapp_1 on #1 ~votes* resetchannels -@all +get
"""
OF_MASTER = """user check on nopass sanitize-payload resetchannels -@all +info
user default on sanitize-payload #5e ~* &* +@all
user voteapp_2 on #2 ~votes* resetchannels -@all +get
user voteapp_3 on #3 ~votes* resetchannels -@all +get"""
# {case: (who is the master, what it says of its users, the users of the app that the server begins with)}
FIRST_USERS: dict[str, tuple[str, str | None, list[str]]] = {
    "of a master, those in its volume": ("redis-1", OF_MASTER, ["voteapp_1"]),
    "of a replica, those of the master": ("redis-2", OF_MASTER, ["voteapp_2", "voteapp_3"]),
    "of a master that has none": ("redis-2", OF_MASTER.partition("\nuser voteapp")[0], []),
    "where the master is silent": ("redis-2", None, ["voteapp_1"]),
    "where the master has another password": ("redis-2", "NOAUTH Authentication required.", ["voteapp_1"]),
    "where the master loads": ("redis-2", "LOADING Redis is loading the dataset in memory", ["voteapp_1"]),
}


def users(member: Member) -> dict[str, str]:
    """{name: rules} of the users that a server begins with."""
    lines = (member.data / "users.acl").read_text(encoding="utf-8").splitlines()
    return {name: rules for _, name, rules in (line.split(" ", 2) for line in lines)}


@of("redis")
@pytest.mark.parametrize(("master", "told", "of_app"), FIRST_USERS.values(), ids=FIRST_USERS.keys())
def test_a_member_begins_with_the_present_users(
    member: Member, master: str, told: str | None, of_app: list[str]
) -> None:
    member.ask_for(PASSWORD)
    member.fill(MANIFEST)
    member.fill("users.acl", text=USERS)
    known = {f"redis-cli --askpass -h {master} acl list": told} if told else {}
    new = {
        call.replace("redis-cli", "redis-cli --askpass"): text for call, text in replicas(redis_2=1, redis_3=1).items()
    }
    member.answers(votes(master, master, master) | known | new)
    _, configuration, *_ = member.goes_on(member.start("member"))
    assert users(member) == {
        "default": f"on #{hashlib.sha256(PASSWORD.encode()).hexdigest()} ~* &* +@all",
        "check": "on nopass resetchannels -@all +info",
    } | {name: f"on #{name[-1]} ~votes* resetchannels -@all +get" for name in of_app}
    assert configuration == str(member.memory / "redis.conf")
    assert (member.memory / "redis.conf").read_text(encoding="utf-8").splitlines() == [
        "include /etc/redis/redis.conf",
        f"aclfile {member.data}/users.acl",
        "masteruser default",
        f"masterauth {PASSWORD}",
    ]


@of("redis")
def test_a_master_that_hangs_does_not_keep_a_member_from_starting(member: Member) -> None:
    member.ask_for(PASSWORD)
    member.fill("users.acl", text=USERS)
    member.answers(votes("redis-2", "redis-2", "redis-2"))
    client = member.folder / "programs" / "redis-cli"
    client.write_text(
        CLIENT.replace("\nsource", "\n[[ $call != *acl* ]] || exec /bin/sleep 60\nsource"), encoding="utf-8"
    )
    assert member.goes_on(member.start("member"))
    assert "voteapp_1" in users(member)


@of("redis")
@pytest.mark.parametrize(("moment", "old"), [("sync", True), ("mv", True), ("rm", False)])
def test_a_kill_leaves_the_old_users_or_the_new_ones(member: Member, moment: str, old: bool) -> None:
    member.ask_for(PASSWORD)
    member.fill("users.acl", text=USERS)
    killer = member.folder / "programs" / moment
    killer.write_text("#!/bin/bash\nkill -KILL $PPID\n", encoding="utf-8")
    killer.chmod(0o755)
    assert member.run("single")[0] == -signal.SIGKILL
    assert ("somebody" in users(member)) == old
    assert "voteapp_1" in users(member)
    killer.unlink()
    # Redis was killed as well while it wrote.
    member.fill("users.acl.tmp-1-1795730557158")
    assert member.run("single")[0] == 0
    assert users(member).keys() == {"default", "check", "voteapp_1"}
    assert member.files() == {"users.acl"}


@of("redis")
@pytest.mark.parametrize("program", ["single", "member"])
def test_nobody_is_asked_for_a_password_that_is_not_set(member: Member, program: str) -> None:
    member.fill(MANIFEST)
    member.fill("users.acl", text=USERS)
    member.answers(votes("redis-2", "redis-2", "redis-2") | LINKED)
    assert member.goes_on(member.start(program))[:2] == ["redis-server", "/etc/redis/redis.conf"]
    assert (member.data / "users.acl").read_text(encoding="utf-8") == USERS
    assert list(member.memory.iterdir()) == []
    assert not [call for call in member.calls() if "askpass" in call or "acl" in call]


@of("redis", "sentinel")
@pytest.mark.parametrize("secret", [None, "", "two words", "two\nlines", "a\ttab", 'qu"ote', "qu'ote"])
def test_a_password_that_cannot_be_used_is_refused(member: Member, secret: str | None) -> None:
    member.ask_for(secret or "")
    if secret is None:
        (member.folder / "secret").unlink()
    for program in ("single", "member") if member.store == "redis" else ("sentinel",):
        code, said = member.run(program)
        assert code == 78
        assert "REDIS_PASSWORD_FILE has to name a file with a password: one line without spaces and quotes" in said
    assert (member.files(), member.served()) == (set(), [])


@of("redis")
def test_the_administrators_client_has_the_password_by_its_input(member: Member) -> None:
    command = ["-h", "redis-2", "config", "get", "a b"]
    (member.folder / "programs" / "redis-cli").write_text(LISTENER, encoding="utf-8")
    assert member.run("votes", *command) == (0, "")
    assert member.served() == ["redis-cli", *command]
    member.ask_for(PASSWORD)
    assert member.run("votes", *command) == (0, "")
    assert member.served() == ["redis-cli", "--askpass", *command]
    assert (member.folder / "statements").read_text(encoding="utf-8") == PASSWORD
    assert not [line for line in member.environment_of_server() if PASSWORD in line]
