# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack_info against a manager in memory."""

from __future__ import annotations

import base64
import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_releases import Release
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import (
    LOCK_LABEL,
    NAMESPACE,
    RELEASE_LABEL,
    STACK_LABEL,
)
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_stack_info
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import (
    STACK,
    compose,
    released,
    service,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import Cluster, Engine

Run = Callable[..., dict[str, Any]]

FILE = compose(
    {
        "web": {"image": "shop/web:2@sha256:bb", "environment": {"DB_PASSWORD": "hunter2"}},
        "db": {"image": "postgres:15@sha256:aa"},
    },
    secrets={"password": {"external": True, "name": "app_password_v2"}, "tls": {"file": "/tls.key"}},
    configs={"edge": {"external": True, "name": "edge_for_all"}},
    networks={"back": {"driver": "overlay", "internal": True}, "front": None},
)


class Manager(Engine):
    """The only manager of a swarm of two nodes, with what it lists of services, tasks and configs."""

    def __init__(self) -> None:
        cluster = Cluster()
        super().__init__("server-1", cluster)
        cluster.add("server-1", "manager")
        cluster.add("server-2")
        self.listed_configs: list[dict[str, Any]] = []

    def run(self, name: str, stack: str | None = STACK, **spec: Any) -> None:
        self.member().services.append(service(name, stack, **spec))

    def begin(self, number: int, name: str, state: str, **over: Any) -> None:
        """A task of a service as it is now; the higher the number, the newer it is."""
        status = {"State": state, "Timestamp": f"2026-11-23T19:00:0{number}.5Z", **over.pop("status", {})}
        task = {
            "ID": f"task-{number}",
            "CreatedAt": f"2026-11-23T19:00:0{number}Z",
            "ServiceID": f"id-{name}",
            "Slot": 1,
            "NodeID": "id-server-2",
            "Spec": {"ContainerSpec": {"Image": "web:1"}},
            "DesiredState": "running",
            **over,
        }
        kept = {key: value for key, value in task.items() if value is not None}
        self.member().tasks.append({**kept, "Status": status})

    def keep(self, name: str, data: bytes, labels: dict[str, str]) -> None:
        spec = {"Name": name, "Labels": labels, "Data": base64.b64encode(data).decode()}
        times = {"CreatedAt": "2026-11-23T19:00:00.1Z", "UpdatedAt": "2026-11-23T19:00:39.8Z"}
        self.listed_configs.append({"ID": name, "Spec": spec, **times})

    def record(self, release: Release, stack: str = STACK) -> None:
        labels = {STACK_LABEL: stack, RELEASE_LABEL: str(release.number)}
        self.keep(release.name(stack), release.encoded(), labels)

    def tasks(self, filters: dict[str, Any] | None = None) -> list[dict[str, Any]]:
        assert filters == {"label": f"{NAMESPACE}={STACK}"}
        return copy.deepcopy(self.member().tasks)

    def configs(self) -> list[dict[str, Any]]:
        return copy.deepcopy(self.listed_configs)

    def secrets(self) -> list[dict[str, Any]]:
        return []

    def networks(self, filters: dict[str, str] | None = None) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def engine() -> Manager:
    return Manager()


@pytest.fixture
def told(run: Run, engine: Manager) -> Callable[[], dict[str, Any]]:
    def tell() -> dict[str, Any]:
        result = run(swarm_stack_info, engine, name=STACK)
        assert result.get("failed") is None, result
        assert (result["changed"], engine.calls) == (False, [])
        return result

    return tell


Told = Callable[[], dict[str, Any]]


@pytest.mark.parametrize("check", [True, False])
def test_a_stack_that_is_not_there_is_no_error(run: Run, engine: Manager, check: bool) -> None:
    engine.run("other_web", stack="other")
    engine.record(released(FILE), stack="other")
    result = run(swarm_stack_info, engine, check=check, name=STACK)
    result.pop("invocation", None)
    nothing: dict[str, Any] = {name: [] for name in ("releases", "services", "drift", "tasks")}
    assert result == {"changed": False, "release": None, "deployment": None, **nothing}


def test_releases_come_newest_first_and_keep_their_secrets(told: Told, engine: Manager) -> None:
    older = compose({"web": {"image": "shop/web:1"}})
    for release in (
        released(older, 9),
        replace(released(FILE, 10), deployed_by="anna"),
        replace(released(older, 11), deployed_by="ci", restores=9, complete=False),
    ):
        engine.record(release)
    result = told()
    assert result["release"] == 11
    assert [(release["number"], release["restores"], release["complete"]) for release in result["releases"]] == [
        (11, 9, False),
        (10, None, True),
        (9, None, True),
    ]
    assert result["releases"][1] == {
        "number": 10,
        "deployed_at": "2026-11-23T19:00:00+00:00",
        "deployed_by": "anna",
        "restores": None,
        "complete": True,
        "services": ["db", "web"],
        "images": {"web": "shop/web:2@sha256:bb", "db": "postgres:15@sha256:aa"},
        "secrets": ["app_password_v2", "app_tls"],
        "configs": ["edge_for_all"],
        "networks": {"back": {"driver": "overlay", "internal": True}, "front": {}},
    }
    assert result["releases"][2]["deployed_by"] == ""
    assert "hunter2" not in json.dumps(result)


def test_services_are_held_against_the_newest_release(told: Told, engine: Manager) -> None:
    for name in ("app_web", "app_db"):
        engine.run(name)
    engine.record(released(FILE, 3))
    result = told()
    assert (result["drift"], [fact["drift"] for fact in result["services"]]) == ([], [[], []])

    engine.member().services = []
    engine.run("app_web", Mode={"Replicated": {"Replicas": 7}})
    engine.run("app_test")
    result = told()
    assert result["drift"] == [
        "db is gone",
        "web differs in Mode.Replicated.Replicas",
        "test is not in release 3",
    ]
    by_name = {fact["name"]: fact for fact in result["services"]}
    assert by_name["test"]["drift"] == []
    assert by_name["web"] == {
        "name": "web",
        "full_name": "app_web",
        "mode": "Replicated",
        "replicas_running": 0,
        "replicas_desired": 7,
        "image": "web:1",
        "drift": ["Mode.Replicated.Replicas"],
    }


def test_what_is_not_in_the_file_of_a_release_is_told_whatever_its_record_has(told: Told, engine: Manager) -> None:
    """Records of before had the digests of services that prune did not remove."""
    engine.run("app_web")
    engine.run("app_old")
    release = released(compose({"web": {}, "old": {}}))
    del release.compose["services"]["old"]
    engine.record(release)
    result = told()
    assert result["drift"] == ["old is not in release 1"]
    assert [fact["drift"] for fact in result["services"]] == [[], []]
    del engine.member().services[1]
    assert told()["drift"] == []


def test_without_a_release_nothing_is_drift(told: Told, engine: Manager) -> None:
    engine.run("app_web")
    result = told()
    assert (result["release"], result["drift"], result["services"][0]["drift"]) == (None, [], [])


def test_tasks_come_newest_first_with_why_they_ended(told: Told, engine: Manager) -> None:
    engine.run("app_web")
    engine.run("app_db", Mode={"Global": {}})
    before = {"ContainerSpec": {"Image": "web:0"}}
    failed = {"Err": "task: non-zero exit (1)", "ContainerStatus": {"ContainerID": "c1", "ExitCode": 1}}
    refused = {"Err": "No such image: web:1", "ContainerStatus": {"ContainerID": "", "ExitCode": 0}}
    runs = {"ContainerStatus": {"ContainerID": "c3", "ExitCode": 0}}
    engine.begin(1, "app_web", "failed", Spec=before, DesiredState="shutdown", status=failed)
    engine.begin(2, "app_web", "rejected", DesiredState="shutdown", status=refused)
    engine.begin(4, "app_web", "pending", NodeID=None, status={"Err": "no suitable node"})
    engine.begin(3, "app_db", "running", Slot=None, NodeID="id-server-1", status=runs)
    tasks = told()["tasks"]
    assert [(task["id"], task["service"], task["node"]) for task in tasks] == [
        ("task-3", "db", "server-1"),
        ("task-4", "web", None),
        ("task-2", "web", "server-2"),
        ("task-1", "web", "server-2"),
    ]
    assert [(task["slot"], task["exit_code"], task["current"]) for task in tasks] == [
        (None, None, True),
        (1, None, True),
        (1, None, True),
        (1, 1, False),
    ]
    assert tasks[1]["node_id"] is None
    assert tasks[3] == {
        "id": "task-1",
        "service": "web",
        "slot": 1,
        "node": "server-2",
        "node_id": "id-server-2",
        "state": "failed",
        "desired_state": "shutdown",
        "error": "task: non-zero exit (1)",
        "exit_code": 1,
        "image": "web:0",
        "since": "2026-11-23T19:00:01.5Z",
        "current": False,
    }


def test_a_task_of_a_node_that_left_keeps_its_id(told: Told, engine: Manager) -> None:
    engine.run("app_web")
    engine.begin(1, "app_web", "orphaned", NodeID="id-server-9")
    (task,) = told()["tasks"]
    assert (task["node"], task["node_id"]) == (None, "id-server-9")


def test_a_deployment_under_way_is_told(told: Told, engine: Manager) -> None:
    labels = {STACK_LABEL: STACK, LOCK_LABEL: "anna", f"{LOCK_LABEL}.progress": "app_web 1/2"}
    engine.keep("app.lock", b"lock", labels)
    assert told()["deployment"] == {
        "holder": "anna",
        "progress": "app_web 1/2",
        "since": "2026-11-23T19:00:00.1Z",
        "renewed": "2026-11-23T19:00:39.8Z",
    }


def test_a_config_that_is_only_called_so_is_no_deployment(told: Told, engine: Manager) -> None:
    engine.keep("app.lock", b"mine", {})
    assert told()["deployment"] is None


def test_a_record_of_another_version_is_refused_by_name(run: Run, engine: Manager) -> None:
    engine.keep("app.release.4", b'{"number": 4}', {STACK_LABEL: STACK, RELEASE_LABEL: "4"})
    assert "app.release.4 is not a release record" in run(swarm_stack_info, engine, name=STACK)["msg"]


def test_where_the_swarm_cannot_be_seen_it_says_where_to_run(run: Run, engine: Manager) -> None:
    worker = Engine("server-2", engine.member())
    message = run(swarm_stack_info, worker, name=STACK)["msg"]
    assert message == "server-2 is a worker: run this on a manager of its swarm (10.0.0.2:2377)."
    message = run(swarm_stack_info, Engine("server-3"), name=STACK)["msg"]
    assert message == "server-3 is in no swarm: run this on a manager of the swarm that is meant."
    engine.member().error = "The swarm does not have a leader."
    assert "managers have no leader" in run(swarm_stack_info, engine, name=STACK)["msg"]
