# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the members of all replicated stores have in common, with stand-ins for what they call."""

from __future__ import annotations

import json
import os
import signal
import subprocess

import pytest

from tests.apps.members import (
    ASYNC,
    COMPLETE,
    HEALTH,
    LEADER,
    LINKED,
    MANIFEST,
    SECONDS_TO_ACT,
    SERVER,
    SYNC,
    VOTER,
    Member,
    Service,
    begin,
    cluster,
    container,
    eventually,
    of,
    votes,
)

member = pytest.fixture(container)


@of("etcd", "redis", "sentinel", "db")
def test_one_that_waits_can_be_stopped(member: Member) -> None:
    process = begin(member)
    member.waits(process, "waits")
    process.terminate()
    assert process.wait(SECONDS_TO_ACT) == 143


@of("etcd", "redis", "sentinel", "db")
def test_one_that_waits_is_not_ready_and_says_for_what(member: Member) -> None:
    member.waits(begin(member), "waits")
    member.end()
    said, asked = member.said().splitlines()[-1], len(member.calls())
    # Code 3 is for a deployment, which gives it a place.
    assert member.run("ready") == (3 if member.store == "etcd" else 1, f"{said}\n")
    # What the member itself was just asking may still be under way.
    assert not [call for call in member.calls()[asked:] if "get-master-addr-by-name" not in call]


# With these all of them go on.
WELL = {**votes("redis-2", "redis-2", "redis-2"), **LINKED, "*sentinel debug info-period*": "OK"}
DATA = {"sentinel.conf", MANIFEST, "member/wal/0.wal", *COMPLETE}


@of("redis", "sentinel", "db")
def test_one_waits_for_the_container_that_has_its_volume_still(member: Member) -> None:
    member.fill(*DATA)
    member.answers(WELL)
    for server in ("redis-server", "patroni"):
        (member.folder / "programs" / server).write_text(f"{SERVER}exec /bin/sleep 60\n", encoding="utf-8")
    first = begin(member)
    eventually(lambda: bool(member.served()))
    assert (member.data / ".name").read_text(encoding="utf-8").strip() == f"{member.store}-1"
    # What is started beside the server has ended: it is the server that has the volume.
    eventually(lambda: member.store == "db" or any("config set" in call or "debug" in call for call in member.calls()))
    (member.folder / "served").unlink()
    asked = len(member.calls())

    second = begin(member)
    eventually(lambda: "waits until the container before it has ended" in member.said())
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.5)
    assert (member.calls()[asked:], member.served()) == ([], [])
    code, told = member.run("ready")
    assert (code, "waits until the container before it has ended" in told) == (1, True)
    os.killpg(first.pid, signal.SIGKILL)
    eventually(lambda: bool(member.served()))
    assert not member.waiting.exists()


@of("etcd", "redis", "sentinel", "db")
def test_one_does_not_touch_the_volume_of_another_member(member: Member) -> None:
    files = {".initialise", *DATA}
    member.fill(*files)
    member.fill(".name", text=f"{member.store}-2")
    process = begin(member)
    eventually(lambda: f"does not touch this volume, which is that of {member.store}-2" in member.said())
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.5)
    assert (member.files(), member.calls(), member.served()) == (files, [], [])
    # No deployment can help, so it is not the code for that.
    code, told = member.run("ready")
    assert (code, f"that of {member.store}-2" in told) == (1, True)


@of("etcd", "redis", "sentinel", "db")
def test_one_goes_on_when_the_volume_is_said_to_be_its_own(member: Member) -> None:
    member.fill(*DATA)
    member.fill(".name", text=f"{member.store}-2")
    member.answers(WELL)
    process = begin(member)
    eventually(lambda: "does not touch this volume" in member.said())
    member.fill(".name", text=f"{member.store}-1")
    assert member.goes_on(process)


@of("etcd", "redis", "db")
def test_what_allowed_one_to_begin_is_over_once_it_is_ready(member: Member) -> None:
    member.fill(".initialise")
    with Service({"/cluster": lambda _: json.dumps(cluster(LEADER, SYNC, ASYNC))}) as patroni:
        assert member.run("ready", API_PORT="1")[0] == 1
        assert member.files() == {".initialise"}
        member.answers(VOTER | HEALTH | LINKED)
        assert member.run("ready", API_PORT=str(patroni.server_port)) == (0, "")
    assert member.files() == set()
