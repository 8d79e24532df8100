# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How members of etcd start, what they say of themselves, and how a lost one is replaced; with stand-ins."""

from __future__ import annotations

import subprocess

import pytest

from tests.apps.members import APPS, HEALTH, VOTER, Member, container, of

member = pytest.fixture(container)

NEW_CLUSTER = "etcd-1=http://etcd-1:2380,etcd-2=http://etcd-2:2380,etcd-3=http://etcd-3:2380"
EXISTING_CLUSTER = "etcd-1=http://etcd-1:2380,etcd-3=http://etcd-3:2380"
ETCD_STARTS: dict[str, tuple[dict[str, str], list[str], set[str]]] = {
    "a new cluster": (
        {".initialise": ""},
        ["--initial-cluster-state=new", f"--initial-cluster={NEW_CLUSTER}"],
        {".initialise"},
    ),
    "a place in one that exists": (
        {".join": EXISTING_CLUSTER + "\n"},
        ["--initial-cluster-state=existing", f"--initial-cluster={EXISTING_CLUSTER}"],
        {".join"},
    ),
    "a place, before a new cluster": (
        {".initialise": "", ".join": EXISTING_CLUSTER},
        ["--initial-cluster-state=existing", f"--initial-cluster={EXISTING_CLUSTER}"],
        {".initialise", ".join"},
    ),
    "with data, whatever was allowed": (
        {"member/wal/0.wal": "", ".initialise": "", ".join": EXISTING_CLUSTER},
        [],
        {"member/wal/0.wal"},
    ),
}


@of("etcd")
@pytest.mark.parametrize(("files", "place", "left"), ETCD_STARTS.values(), ids=ETCD_STARTS.keys())
def test_etcd_starts_in_its_place(member: Member, files: dict[str, str], place: list[str], left: set[str]) -> None:
    for name, text in files.items():
        member.fill(name, text=text)
    program, *arguments = member.goes_on(member.start("member", "--an-option"))
    assert program == "etcd"
    assert [argument for argument in arguments if argument.startswith("--initial-cluster")] == place
    assert "--initial-advertise-peer-urls=http://etcd-1:2380" in arguments
    assert arguments[-1] == "--an-option"
    assert member.files() == left


@of("etcd")
@pytest.mark.parametrize("allowed", [".initialise", ".join"])
def test_an_empty_etcd_waits_for_its_place(member: Member, allowed: str) -> None:
    start = member.start("member")
    member.waits(start, "etcd-1 has no data, and waits to be given a place in the cluster")
    member.fill(allowed)
    assert member.goes_on(start)


MEMBER_LIST = """8e9e05c52164694d, started, etcd-1, http://etcd-1:2380, http://etcd-1:2379, false
91bc3c398fb3c146, started, etcd-2, http://etcd-2:2380, http://etcd-2:2379, false
fd422379fda50e48, started, etcd-3, http://etcd-3:2380, http://etcd-3:2379, false"""
MEMBER_ADDED = """Member ade526d28b1f92f7 added to cluster d282ac2ce600c1ce

ETCD_NAME="etcd-2"
ETCD_INITIAL_CLUSTER="etcd-1=http://etcd-1:2380,etcd-2=http://etcd-2:2380,etcd-3=http://etcd-3:2380"
ETCD_INITIAL_ADVERTISE_PEER_URLS="http://etcd-2:2380"
ETCD_INITIAL_CLUSTER_STATE="existing\""""
# What the cluster knows of the lost member: {case: (its line, the ID to remove)}.
LOST = {
    "as it was": (
        "91bc3c398fb3c146, started, etcd-2, http://etcd-2:2380, http://etcd-2:2379, false",
        "91bc3c398fb3c146",
    ),
    "as a learner that never started": (
        "ade526d28b1f92f7, unstarted, , http://etcd-2:2380, , true",
        "ade526d28b1f92f7",
    ),
    "nothing any more": ("", ""),
}


def etcd_answers(*healthy: str, members: str = MEMBER_LIST) -> dict[str, str]:
    return {f"*--endpoints=http://{name}:2379*endpoint health*": "is healthy" for name in healthy} | {
        "*member list": members,
        "*member remove *": "Member removed",
        "*member add *": MEMBER_ADDED,
        "*member promote *": "Member promoted",
    }


@of("etcd")
@pytest.mark.parametrize(("line", "removed"), LOST.values(), ids=LOST.keys())
def test_a_lost_etcd_is_taken_out_and_in_again_as_a_learner(member: Member, line: str, removed: str) -> None:
    one, _, three = MEMBER_LIST.splitlines()
    member.answers(etcd_answers("etcd-1", "etcd-3", members="\n".join(filter(None, (one, line, three)))))
    process = subprocess.run(
        [APPS / "etcd" / "replace", "etcd-2"], env=member.environment, capture_output=True, text=True, check=False
    )
    assert (process.returncode, process.stdout) == (0, f"{NEW_CLUSTER}\n"), process.stderr
    changes = [call.partition(" member ")[2] for call in member.calls() if "remove" in call or "add" in call]
    assert changes == [
        *([f"remove {removed}"] if removed else []),
        "add etcd-2 --learner --peer-urls=http://etcd-2:2380",
    ]


@of("etcd")
@pytest.mark.parametrize("healthy", ["etcd-1", "etcd-3"])
def test_a_lost_etcd_is_not_replaced_while_another_member_is_silent(member: Member, healthy: str) -> None:
    member.answers(etcd_answers(healthy))
    code, said = member.run("replace", "etcd-2")
    assert code == 1
    silent = {"etcd-1": "etcd-3", "etcd-3": "etcd-1"}[healthy]
    assert f"{silent} does not answer, and without it and etcd-2 the cluster has no majority" in said
    assert not [call for call in member.calls() if "remove" in call or "add" in call]


@of("etcd")
def test_a_learner_is_given_its_vote_once(member: Member) -> None:
    learner = MEMBER_LIST.replace("http://etcd-2:2379, false", "http://etcd-2:2379, true")
    for members, promotions in ((learner, 1), (MEMBER_LIST, 1)):
        member.answers(etcd_answers(members=members))
        assert member.run("promote", "etcd-2")[0] == 0
        promoted = [call for call in member.calls() if "promote" in call]
        assert promoted == ["etcdctl --command-timeout=5s member promote 91bc3c398fb3c146"] * promotions


@of("etcd")
def test_a_learner_that_is_not_known_or_not_ready_is_no_success(member: Member) -> None:
    member.answers({"*member list": MEMBER_LIST})
    assert member.run("promote", "etcd-4") == (1, "etcd-4 has no place in the cluster\n")
    member.answers({"*member list": MEMBER_LIST.replace("http://etcd-2:2379, false", "http://etcd-2:2379, true")})
    assert member.run("promote", "etcd-2")[0] != 0


LEARNER = {"*endpoint status*": '[{"Endpoint":"127.0.0.1:2379","Status":{"leader":1,"isLearner":true}}]'}
TWO_OTHERS = {f"*--endpoints=http://{name}:2379 *health": "is healthy" for name in ("etcd-1", "etcd-3")}
# {case: (answers, scope, exit code, what is said)}
ETCD_VERDICTS = {
    "a voter": (VOTER | HEALTH, "one", 0, ""),
    "silent": ({}, "one", 1, "etcd-1 does not answer"),
    "a learner": (LEARNER | HEALTH, "one", 3, "etcd-1 is a learner"),
    "without a leader": (VOTER, "one", 1, "etcd-1 knows no leader"),
    "all are well": (VOTER | {"*health": "is healthy"}, "all", 0, ""),
    "one asks for itself alone": (TWO_OTHERS | VOTER | {"etcdctl --command-timeout=3s*": ""}, "one", 0, ""),
    "all ask for the others": (TWO_OTHERS | VOTER | {"etcdctl --command-timeout=3s*": ""}, "all", 1, "etcd-2 does not"),
}


@of("etcd")
@pytest.mark.parametrize(("answers", "scope", "code", "text"), ETCD_VERDICTS.values(), ids=ETCD_VERDICTS.keys())
def test_etcd_tells_whether_it_has_a_vote(
    member: Member, answers: dict[str, str], scope: str, code: int, text: str
) -> None:
    member.answers(answers)
    told = member.run("ready", scope)
    assert told[0] == code, told
    assert text in told[1]
