# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How sentinels start, what they keep and what they say of themselves, with stand-ins for what they call."""

from __future__ import annotations

import shutil
import signal
import subprocess

import pytest

from tests.apps.members import PASSWORD, SECONDS_TO_ACT, SERVER, Member, container, eventually, is_held, of, votes

member = pytest.fixture(container)

KNOWN = {"*get-master-addr-by-name*": "redis-3\n6379"}


def configuration(member: Member) -> list[str]:
    return (member.data / "sentinel.conf").read_text(encoding="utf-8").splitlines()


@of("sentinel")
def test_a_sentinel_goes_on_with_what_it_has_learned(member: Member) -> None:
    learned = ["sentinel myid abc", "sentinel monitor votes redis-2 6379 2", "sentinel known-sentinel votes sentinel-2"]
    old = ["sentinel down-after-milliseconds votes 30000", "sentinel failover-timeout votes 180000"]
    member.fill("sentinel.conf", text="\n".join([*learned, *old, ""]))
    member.answers(KNOWN)
    served = member.goes_on(member.start("sentinel"))
    assert served == ["redis-server", str(member.data / "sentinel.conf"), "--sentinel"]
    assert configuration(member) == [
        *learned,
        "sentinel down-after-milliseconds votes 6000",
        "sentinel failover-timeout votes 5000",
    ]
    assert not [call for call in member.calls() if "get-master-addr-by-name" in call]
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_asks_replicas_more_often_than_it_does_by_itself(member: Member) -> None:
    often = "redis-cli -t 2 -p 26379 sentinel debug info-period 1000"
    member.fill(".initialise")
    assert member.goes_on(member.start("sentinel"))
    # It does not answer yet.
    eventually(lambda: member.calls().count(often) > 3)
    assert is_held(member.data / ".lock")
    member.answers({often: "OK"})
    eventually(lambda: not is_held(member.data / ".lock"))


@of("sentinel")
@pytest.mark.parametrize("allowed", [(), (".initialise",)], ids=["lost", "allowed to begin"])
def test_a_sentinel_that_knows_nothing_believes_another_one(member: Member, allowed: tuple[str, ...]) -> None:
    member.fill(*allowed)
    # One may be down, or know nothing itself.
    member.answers(votes(None, "", "redis-3"))
    member.goes_on(member.start("sentinel"))
    assert "sentinel monitor votes redis-3 6379 2" in configuration(member)
    assert not [call for call in member.calls() if "sentinel-1" in call]
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_that_knows_nothing_waits_for_another_one(member: Member) -> None:
    start = member.start("sentinel")
    member.waits(start, "sentinel-1 waits for another sentinel that knows the master")
    assert member.files() == set()
    member.answers(KNOWN)
    assert member.goes_on(start)
    assert "sentinel monitor votes redis-3 6379 2" in configuration(member)


@of("sentinel")
def test_the_first_member_is_the_master_of_a_new_queue(member: Member) -> None:
    member.fill(".initialise")
    assert member.goes_on(member.start("sentinel"))
    assert "sentinel monitor votes redis-1 6379 2" in configuration(member)
    assert member.files() == {"sentinel.conf"}


@of("sentinel")
def test_a_sentinel_is_the_same_one_after_a_loss(member: Member) -> None:
    member.answers(KNOWN)
    identities, patience = [], []
    for name in ("sentinel-1", "sentinel-2", "sentinel-3", "sentinel-1"):
        member.goes_on(member.start("sentinel", SENTINEL_NAME=name))
        identities += [line for line in configuration(member) if line.startswith("sentinel myid ")]
        patience += [line for line in configuration(member) if "down-after-milliseconds" in line]
        assert f"sentinel announce-ip {name}" in configuration(member)
        member.end()
        shutil.rmtree(member.data)
        member.data.mkdir()
    assert identities[3] == identities[0]
    assert len(set(identities)) == 3
    # Sentinels that ask at the same moment are elected by nobody.
    assert [int(line.rpartition(" ")[2]) for line in patience] == [6000, 6500, 7000, 6000]


SENTINEL_VERDICTS = {
    "three": ("OK 3 usable Sentinels. Quorum and failover authorization can be reached", "all", ""),
    "two": ("OK 2 usable Sentinels. Quorum and failover authorization can be reached", "one", ""),
    "two, where all count": ("OK 2 usable Sentinels. Quorum can be reached", "all", "sentinel-1 misses another one"),
    "one": ("NOQUORUM 1 usable Sentinels. Not enough to reach the majority", "one", "sentinel-1: NOQUORUM"),
    "silent": (None, "one", "sentinel-1 does not answer"),
}


@of("sentinel")
@pytest.mark.parametrize(("said", "scope", "flaw"), SENTINEL_VERDICTS.values(), ids=SENTINEL_VERDICTS.keys())
def test_a_sentinel_tells_whether_it_does_its_part(member: Member, said: str | None, scope: str, flaw: str) -> None:
    member.answers({"redis-cli -t 2 -p 26379 sentinel ckquorum votes": said} if said else {})
    code, told = member.run("ready", scope)
    assert (code, flaw in told) == (int(bool(flaw)), True), told


# A server that learns one thing more when it is told to stop.
UNTIL_STOPPED = f"""{SERVER}
trap 'sed s/redis-2/redis-3/ "$1" >"$1.new"; mv "$1.new" "$1"; exit 7' TERM
while true; do /bin/sleep 0.05; done
"""
LEARNED = [
    "sentinel myid abc",
    "sentinel monitor votes redis-2 6379 2",
    "sentinel config-epoch votes 7",
    "sentinel known-sentinel votes sentinel-2 26379 abcd",
]


def learn(member: Member, *lines: str) -> None:
    """Writes the configuration as Sentinel does."""
    new = member.memory / "sentinel.conf.abc123"
    # That is how it keeps a line that it cannot read.
    password = [f"sentinel auth-pass votes {PASSWORD}", f"# ??? sentinel auth-pass votes {PASSWORD}"]
    new.write_text("\n".join([*password, *lines, ""]), encoding="utf-8")
    new.rename(member.memory / "sentinel.conf")


def serve(member: Member) -> subprocess.Popen[str]:
    """A start of a sentinel that has a password, up to its server."""
    (member.folder / "programs" / "redis-server").write_text(UNTIL_STOPPED, encoding="utf-8")
    member.ask_for(PASSWORD)
    process = member.start("sentinel")
    eventually(lambda: bool(member.served()))
    return process


@of("sentinel")
def test_a_sentinel_has_its_password_in_memory_alone(member: Member) -> None:
    old = ["sentinel down-after-milliseconds votes 30000", "sentinel failover-timeout votes 180000"]
    member.fill("sentinel.conf", text="\n".join([*LEARNED, *old, "sentinel current-epoch 8", ""]))
    serve(member)
    working = member.memory / "sentinel.conf"
    assert member.served() == ["redis-server", str(working), "--sentinel"]
    lines = working.read_text(encoding="utf-8").splitlines()
    assert f"sentinel auth-pass votes {PASSWORD}" in lines
    assert set(lines) >= {*LEARNED, "sentinel failover-timeout votes 5000"}
    assert not set(lines) & set(old)
    eventually(lambda: "sentinel failover-timeout votes 5000" in configuration(member))
    assert configuration(member) == [line for line in lines if PASSWORD not in line]
    assert not [line for line in member.environment_of_server() if PASSWORD in line]


@of("sentinel")
def test_what_a_sentinel_learns_is_in_its_volume_within_a_second(member: Member) -> None:
    member.answers(KNOWN)
    serve(member)
    learn(member, *LEARNED, "sentinel current-epoch 1")
    eventually(lambda: configuration(member) == [*LEARNED, "sentinel current-epoch 1"], 1)
    learn(member, *LEARNED, "sentinel current-epoch 2")
    eventually(lambda: configuration(member) == [*LEARNED, "sentinel current-epoch 2"], 1)
    assert member.files() == {"sentinel.conf"}
    # After a power cut it goes on there, with nothing in memory.
    member.end()
    shutil.rmtree(member.memory)
    member.memory.mkdir()
    (member.folder / "served").unlink()
    serve(member)
    assert set((member.memory / "sentinel.conf").read_text(encoding="utf-8").splitlines()) >= set(LEARNED)


@of("sentinel")
@pytest.mark.parametrize(
    ("known", "voted"), [("sentinel current-epoch 8\nsentinel leader-epoch votes 6\n", 9), ("", 1)]
)
def test_a_sentinel_does_not_vote_in_an_epoch_that_it_may_have_forgotten(
    member: Member, known: str, voted: int
) -> None:
    member.fill("sentinel.conf", text="\n".join([*LEARNED, known]))
    serve(member)
    lines = (member.memory / "sentinel.conf").read_text(encoding="utf-8").splitlines()
    last = {name: number for *_, name, number in (line.split() for line in lines if "epoch" in line)}
    assert last == {"current-epoch": str(voted), "votes": str(voted)}


@of("sentinel")
def test_a_sentinel_that_is_stopped_has_kept_all_of_it(member: Member) -> None:
    member.fill("sentinel.conf", text="\n".join([*LEARNED, ""]))
    process = serve(member)
    process.terminate()
    assert process.wait(SECONDS_TO_ACT) == 7
    assert "sentinel monitor votes redis-3 6379 2" in configuration(member)


# {case: (the program that something happens in, what happens, how the sentinel ends)}
INTERRUPTIONS = {
    "killed while it writes": ("sync", "kill -KILL $PPID", -signal.SIGKILL),
    "killed before it is in place": ("mv", "kill -KILL $PPID", -signal.SIGKILL),
    "the disk is full": ("sync", "echo full >&2", 1),
}


@of("sentinel")
@pytest.mark.parametrize(("program", "event", "code"), INTERRUPTIONS.values(), ids=INTERRUPTIONS.keys())
def test_a_sentinel_that_cannot_keep_what_it_learns_ends(member: Member, program: str, event: str, code: int) -> None:
    stand_in = member.folder / "programs" / program
    stand_in.write_text(
        f'#!/bin/bash\n[[ ! -e $BOX/now ]] || {{ {event}; exit 1; }}\nexec /bin/{program} "$@"\n', encoding="utf-8"
    )
    stand_in.chmod(0o755)
    member.fill("sentinel.conf", text="\n".join([*LEARNED, ""]))
    process = serve(member)
    eventually(lambda: "sentinel failover-timeout votes 5000" in configuration(member))
    known = configuration(member)
    (member.folder / "now").touch()
    learn(member, *LEARNED, "sentinel current-epoch 9")
    assert process.wait(SECONDS_TO_ACT) == code
    assert configuration(member) == known
