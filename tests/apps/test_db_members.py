# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How members of the database start, and what they say of themselves, with stand-ins for what they call."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apps.members import ASYNC, COMPLETE, LEADER, SYNC, Member, Service, begin, cluster, container, of

member = pytest.fixture(container)


@pytest.fixture
def etcd(member: Member) -> Iterator[dict[str, str]]:
    """The keys of the etcd that the member is told of. Another one that it is told of is silent."""
    keys: dict[str, str] = {}

    def key_of(body: bytes) -> str:
        return base64.b64decode(json.loads(body)["key"]).decode()

    def find(body: bytes) -> str:
        value = keys.get(key_of(body))
        found = {} if value is None else {"kvs": [{"value": base64.b64encode(value.encode()).decode()}]}
        return json.dumps(found)

    def delete(body: bytes) -> str:
        keys.pop(key_of(body), None)
        return "{}"

    with Service({"/v3/kv/range": find, "/v3/kv/deleterange": delete}) as service:
        member.environment["PATRONI_ETCD3_HOSTS"] = f"127.0.0.1:1, 127.0.0.1:{service.server_port}"
        yield keys


PATRONI = ["patroni", "/etc/patroni.yml"]
CLUSTER = "/service/voteapp/initialize"
OTHER = {"/service/other/initialize": "7"}
INCOMPLETE = {"pgdata/PG_VERSION"}
# Clusters that this member is no part of, or that are not there yet.
NO_CLUSTER: dict[str, dict[str, str]] = {"none": {}, "one of another name": OTHER, "one that begins": {CLUSTER: ""}}


@of("db")
@pytest.mark.parametrize("files", [set(), INCOMPLETE], ids=["empty", "incomplete"])
@pytest.mark.parametrize("keys", NO_CLUSTER.values(), ids=NO_CLUSTER.keys())
def test_a_database_without_data_waits_for_a_cluster(
    member: Member, etcd: dict[str, str], keys: dict[str, str], files: set[str]
) -> None:
    member.fill(*files)
    etcd.update(keys)
    start = member.start("member", REPLICATION_PASSWORD="r")
    member.waits(start, "db-1 has no data, and waits for a cluster that it can be cloned from: etcd knows of none")
    assert member.files() == files
    etcd[CLUSTER] = "7512345678901234567"
    assert member.goes_on(start) == PATRONI
    assert member.files() == set()


# {case: (what is in the volume, what etcd knows, what is left of either)}
DB_STARTS: dict[str, tuple[set[str], dict[str, str], set[str], dict[str, str]]] = {
    "a new database": ({".initialise"}, OTHER, {".initialise"}, OTHER),
    "a new one, again": (INCOMPLETE | {".initialise"}, {CLUSTER: ""}, {".initialise"}, {}),
    "a new one, which was made and is not known": (COMPLETE | {".initialise"}, {CLUSTER: ""}, {".initialise"}, {}),
    "asked for, and it was made": (COMPLETE | {".initialise"}, {CLUSTER: "7"}, COMPLETE, {CLUSTER: "7"}),
    "asked for, and another member has one": ({".initialise"}, {CLUSTER: "7"}, set(), {CLUSTER: "7"}),
    "with data": (COMPLETE, {CLUSTER: "7"}, COMPLETE, {CLUSTER: "7"}),
    "with data that etcd has forgotten": (COMPLETE, {}, COMPLETE, {}),
}


@of("db")
@pytest.mark.parametrize(("files", "keys", "left", "known"), DB_STARTS.values(), ids=DB_STARTS.keys())
def test_a_database_starts_on_what_there_is(
    member: Member, etcd: dict[str, str], files: set[str], keys: dict[str, str], left: set[str], known: dict[str, str]
) -> None:
    member.fill(*files)
    etcd.update(keys)
    assert member.goes_on(member.start("member", REPLICATION_PASSWORD="r")) == PATRONI
    assert (member.files(), etcd) == (left, known)


@of("db")
@pytest.mark.parametrize("files", [set(), INCOMPLETE, COMPLETE | {".initialise"}], ids=["empty", "incomplete", "asked"])
def test_a_database_decides_nothing_while_etcd_is_silent(member: Member, files: set[str]) -> None:
    member.fill(*files)
    start = member.start("member", PATRONI_ETCD3_HOSTS="127.0.0.1:1, 127.0.0.1:2", REPLICATION_PASSWORD="r")
    member.waits(start, "etcd does not answer")
    assert member.files() == files


@of("db")
def test_a_database_with_data_asks_nobody(member: Member) -> None:
    member.fill(*COMPLETE)
    assert member.goes_on(begin(member)) == PATRONI
    assert member.files() == COMPLETE


@of("db")
def test_passwords_reach_patroni_by_its_environment_alone(member: Member) -> None:
    member.fill(*COMPLETE)
    secret = member.folder / "secret"
    secret.write_text("repl1ca\n", encoding="utf-8")
    served = member.goes_on(member.start("member", REPLICATION_PASSWORD_FILE=str(secret), REPLICATION_PASSWORD=""))
    assert served == PATRONI
    assert member.environment_of_server() >= {
        "PATRONI_SUPERUSER_PASSWORD=s3cret",
        "PATRONI_REPLICATION_PASSWORD=repl1ca",
        "PATRONI_RESTAPI_CONNECT_ADDRESS=db-1:8008",
        "PATRONI_POSTGRESQL_CONNECT_ADDRESS=db-1:5432",
        f"PATRONI_POSTGRESQL_DATA_DIR={member.data}/pgdata",
    }
    assert not {"s3cret", "repl1ca"} & set(member.said().split())


@of("db")
@pytest.mark.parametrize("role", ["primary", "master", "promoted"])
def test_a_leader_takes_the_passwords_that_it_is_given(member: Member, role: str) -> None:
    secret = member.folder / "secret"
    secret.write_text("repl1ca\n", encoding="utf-8")
    code, said = member.run("passwords", "on_role_change", role, "voteapp", REPLICATION_PASSWORD_FILE=str(secret))
    assert code == 0, said
    assert member.environment_of_server() >= {"SUPERUSER=s3cret", "REPLICATION=repl1ca"}
    statements = (member.folder / "statements").read_text(encoding="utf-8")
    told = " ".join(member.served()) + said + statements
    assert not {password for password in ("s3cret", "repl1ca") if password in told}
    # No second member can log in before, so none can confirm this.
    assert statements.index("SET synchronous_commit = local;") < statements.index("ALTER ROLE postgres")
    assert re.search(r"ROLE replicator [^:]*PASSWORD %L'[^:]*:'replication'", statements)
    # A database that one server has made has no such role.
    assert "CASE WHEN count(*) > 0 THEN 'ALTER' ELSE 'CREATE' END" in statements
    assert statements.rstrip().endswith("FROM pg_roles WHERE rolname = 'replicator' \\gexec")


@of("db")
def test_no_role_loses_its_password_to_a_secret_that_is_missing(member: Member) -> None:
    code, _ = member.run("passwords", "on_start", "primary", "voteapp", REPLICATION_PASSWORD_FILE="/nowhere")
    assert (code == 0, member.served()) == (False, [])


@of("db")
@pytest.mark.parametrize("role", ["replica", "sync_standby", "demoted"])
def test_a_member_that_follows_leaves_the_passwords(member: Member, role: str) -> None:
    assert member.run("passwords", "on_start", role, "voteapp") == (0, "")
    assert not member.served()


@of("db")
def test_a_database_needs_its_passwords(member: Member) -> None:
    member.fill(".initialise")
    code, said = member.run("member")
    assert code != 0
    assert "Set REPLICATION_PASSWORD_FILE to the path of a file" in said


# {case: (what Patroni says, scope, what is wrong with that)}
DB_VERDICTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "leads": (cluster(LEADER, SYNC, ASYNC), "all", ""),
    "is the synchronous standby": (cluster(SYNC, LEADER, ASYNC), "all", ""),
    "follows": (cluster(ASYNC, LEADER, SYNC), "one", ""),
    "follows closely": (cluster("replica streaming 1048576", LEADER, SYNC), "all", ""),
    "is behind": (cluster("replica streaming 1048577", LEADER, SYNC), "one", "db-1 is 1048577 bytes behind"),
    "does not know how far it is": (
        cluster('replica streaming "unknown"', LEADER, SYNC),
        "one",
        "db-1 is unknown bytes",
    ),
    "has no leader": (cluster(ASYNC, SYNC, ASYNC), "one", "the database has no leader"),
    "has no copy of what it commits": (cluster(LEADER, ASYNC, ASYNC), "one", "no synchronous standby"),
    "leads and starts": (cluster("leader starting", SYNC, ASYNC), "one", "db-1 (leader) is starting"),
    "is being cloned": (cluster("replica creating", LEADER, SYNC), "one", "db-1 (replica) is creating"),
    "replays an archive": (cluster("replica running 0", LEADER, SYNC), "one", "db-1 (replica) is running"),
    "is not among them": ({"members": cluster(ASYNC, LEADER, SYNC)["members"][1:]}, "one", "db-1 (none) is unknown"),
    "asks for itself": (cluster(LEADER, SYNC, "replica stopped"), "one", ""),
    "asks for all": (cluster(LEADER, SYNC, "replica stopped"), "all", "db-3 (replica) is stopped"),
    "asks for itself, of two": (cluster(LEADER, SYNC), "one", ""),
    "asks for all, of two": (cluster(LEADER, SYNC), "all", "the database has only db-1, db-2"),
    "says something else": ({}, "one", "db-1 does not answer"),
}


@of("db")
@pytest.mark.parametrize(("told", "scope", "flaw"), DB_VERDICTS.values(), ids=DB_VERDICTS.keys())
def test_the_database_tells_whether_it_does_its_part(
    member: Member, told: dict[str, Any], scope: str, flaw: str
) -> None:
    with Service({"/cluster": lambda _: json.dumps(told)}) as patroni:
        code, said = member.run("ready", scope, API_PORT=str(patroni.server_port))
    assert (code, flaw in said) == (int(bool(flaw)), True), said


@of("db")
@pytest.mark.parametrize(("status", "lives"), [(200, True), (503, False)])
def test_a_database_lives_while_patroni_says_so_or_it_waits(member: Member, status: int, lives: bool) -> None:
    with Service({"/liveness": lambda _: ""}, status) as patroni:
        assert (member.run("alive", API_PORT=str(patroni.server_port))[0] == 0) == lives
    assert member.run("alive", API_PORT="1")[0] != 0
    member.waiting.touch()
    assert member.run("alive", API_PORT="1")[0] == 0
