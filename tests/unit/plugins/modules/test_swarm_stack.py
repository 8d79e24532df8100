# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack against a manager in memory."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _convergence, _stack_apply
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_stack
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import FakeCLI, FakeSwarm

Deploy = Callable[..., dict[str, Any]]

FILE = """
services:
  web: {image: "web:1", networks: {front: null}, environment: {PRICE: "5$", DB_PASSWORD: hunter2}}
networks: {front: null}
"""
SECRET = """
services:
  web: {image: "web:1", networks: {front: null}, secrets: [{source: db_password}]}
networks: {front: null}
secrets: {db_password: {external: true, name: db_password}}
"""


@pytest.fixture
def swarm() -> FakeSwarm:
    return FakeSwarm()


@pytest.fixture
def cli(swarm: FakeSwarm) -> FakeCLI:
    return FakeCLI(swarm)


@pytest.fixture
def deploy(
    run: Callable[..., dict[str, Any]], swarm: FakeSwarm, cli: FakeCLI, monkeypatch: pytest.MonkeyPatch
) -> Deploy:
    now = [0.0]
    waits = functools.partial(
        _convergence.wait, clock=lambda: now[0], pause=lambda seconds: now.__setitem__(0, now[0] + seconds)
    )
    monkeypatch.setattr(_stack_apply, "wait", waits)
    monkeypatch.setattr(swarm_stack, "DockerCLI", lambda *_arguments: cli)
    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda *_args, **_options: "/usr/bin/docker")

    def call(**options: Any) -> dict[str, Any]:
        defaults = {"name": "app", "resolve_image": "never", "_ansible_diff": True}
        if options.get("state") != "absent" and "compose_path" not in options:
            defaults["compose"] = FILE
        return run(swarm_stack, swarm, **{**defaults, **options})

    return call


def record(swarm: FakeSwarm, number: int) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(base64.b64decode(swarm.stores["config"][f"app.release.{number}"]["Spec"]["Data"]))
    return data


def test_check_mode_plans_and_changes_nothing(deploy: Deploy, swarm: FakeSwarm) -> None:
    result = deploy(check=True)
    assert result["changed"] is True
    assert result["plan"] == ["create network app_front", "create service web"]
    assert (result["release"], result["services"], result["applied"]) == (None, [], [])
    assert swarm.calls == []
    assert "hunter2" not in json.dumps(result["diff"])


def test_deploy_then_again_then_edit_then_remove(deploy: Deploy, swarm: FakeSwarm) -> None:
    first = deploy()
    assert (first["changed"], first["release"]) == (True, 1)
    assert first["applied"] == ["Updating service app", "recorded release 1"]
    assert first["services"] == [
        {
            "name": "web",
            "full_name": "app_web",
            "mode": "Replicated",
            "replicas_running": 1,
            "replicas_desired": 1,
            "image": "web:1",
        }
    ]
    assert swarm.calls == ["deploy app prune", "create config app.release.1"]
    assert record(swarm, 1)["compose"]["services"]["web"]["environment"]["PRICE"] == "5$"

    swarm.calls.clear()
    again = deploy()
    assert (again["changed"], again["plan"], again["release"], swarm.calls) == (False, [], 1, [])

    edited = deploy(compose=FILE.replace("5$", "6$"))
    assert edited["plan"] == ["update service web (replaces its tasks)"]
    assert edited["diff"][0]["before"] == {"environment.PRICE": "5$"}
    assert edited["diff"][0]["after"] == {"environment.PRICE": "6$"}
    assert edited["release"] == 2

    gone = deploy(state="absent")
    assert (gone["changed"], deploy(state="absent")["changed"]) == (True, False)
    assert swarm.stores == {"service": {}, "network": {}, "secret": {}, "config": {}}


def test_drift_is_repaired(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    swarm.stores["service"]["app_web"]["Spec"]["Mode"]["Replicated"]["Replicas"] = 7
    assert "Mode.Replicated.Replicas" in deploy()["plan"][0]
    assert deploy()["changed"] is False


def test_only_the_last_releases_are_kept(deploy: Deploy, swarm: FakeSwarm) -> None:
    for price in range(7):
        deploy(compose=FILE.replace("5$", str(price)))
    assert sorted(swarm.stores["config"]) == [f"app.release.{number}" for number in (3, 4, 5, 6, 7)]


def test_a_generated_secret_is_made_once_and_rotated_by_its_generation(deploy: Deploy, swarm: FakeSwarm) -> None:
    options: dict[str, Any] = {"compose": SECRET, "secrets": [{"name": "db_password", "generate": {"length": 20}}]}
    result = deploy(**options)
    value = base64.b64decode(swarm.stores["secret"]["app_db_password_v1"]["Spec"]["Data"]).decode()
    assert len(value) == 20
    assert value not in json.dumps(result)
    assert deploy(**options)["changed"] is False
    options["secrets"] = [{"name": "db_password", "generate": {"generation": 2}}]
    assert deploy(**options)["plan"] == [
        "create secret app_db_password_v2 (generation 2)",
        "update service web (replaces its tasks)",
    ]


def test_given_secrets_keep_their_names_through_a_failure(deploy: Deploy, swarm: FakeSwarm) -> None:
    options: dict[str, Any] = {"compose": SECRET, "secrets": [{"name": "db_password", "value": "hunter2"}]}
    swarm.ends["web:1"] = "rejected"
    assert deploy(**options)["failed"] is True
    secrets = list(swarm.stores["secret"])
    assert len(secrets) == 1
    swarm.ends.clear()
    result = deploy(**options)
    assert result["release"] == 1
    assert list(swarm.stores["secret"]) == secrets
    assert "hunter2" not in json.dumps(result)
    assert [call for call in swarm.calls if call == "create config app.key"] == ["create config app.key"]


def test_failure_says_what_was_done_and_why(deploy: Deploy, swarm: FakeSwarm) -> None:
    swarm.ends["web:1"] = "rejected"
    result = deploy()
    assert (result["failed"], result["changed"]) == (True, True)
    assert "app_web: task app_web.1 on m1: image not found" in result["msg"]
    assert result["applied"] == ["Updating service app"]
    assert result["failures"][0]["logs"] == ["last words of app_web-1-2"]
    assert result["plan"] == ["create network app_front", "create service web"]
    assert swarm.stores["config"] == {}


def test_images_are_pinned_and_kept(deploy: Deploy, swarm: FakeSwarm) -> None:
    swarm.digests["web:1"] = "sha256:aa"
    assert deploy(resolve_image="changed")["services"][0]["image"] == "web:1@sha256:aa"
    swarm.digests["web:1"] = "sha256:bb"
    assert deploy(resolve_image="changed")["changed"] is False
    assert deploy(resolve_image="always")["services"][0]["image"] == "web:1@sha256:bb"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolve_image": "changed"}, "Cannot resolve the image web:1: manifest unknown"),
        ({"compose": "services: {}"}, "declares no services"),
        ({"compose_path": "/nowhere/stack.yml"}, "Cannot read /nowhere/stack.yml on the manager: No such file"),
        ({"name": "a b"}, "'a b' is no name for a stack"),
        ({"secrets": [{"name": "x", "value": "y"}]}, "secrets: {x: {external: true}}"),
        ({"secrets": [{"name": "x"}]}, "one of the following is required: value, generate"),
        ({"compose": FILE.replace("networks: {front: null},", "networks: {back: null},")}, "names back"),
        ({"compose": SECRET}, "external secret db_password does not exist"),
    ],
)
def test_refusals_come_before_anything_is_created(
    deploy: Deploy, swarm: FakeSwarm, options: dict[str, Any], message: str
) -> None:
    result = deploy(**options)
    assert result["failed"] is True
    assert message in result["msg"]
    assert swarm.calls == []


def test_a_file_on_the_manager_with_variables(deploy: Deploy, cli: FakeCLI, tmp_path: Path) -> None:
    path = tmp_path / "stack.yml"
    path.write_text(FILE, encoding="utf-8")
    result = deploy(compose_path=str(path), variables={"COUNT": 3, "ON": True}, prune=False, registry_auth=True)
    assert result["release"] == 1
    assert (cli.variables, cli.directory) == ({"COUNT": "3", "ON": "true"}, str(tmp_path))
    assert cli.swarm.calls[0] == "deploy app auth"


def test_a_network_still_in_use_is_tried_again_and_then_left_with_a_warning(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    other = FILE.replace("front", "back")
    swarm.busy = 3
    assert deploy(compose=other)["applied"][-1].startswith("remove network app_front")
    swarm.busy = 10_000
    result = deploy()
    assert result["changed"] is True
    assert "in use" in json.dumps(result["warnings"])
    swarm.busy = 0
    swarm.calls.clear()
    assert deploy()["plan"] == ["remove network app_back (no service uses it any more)"]
    assert swarm.calls == ["remove network app_back"]


def test_removal_waits_for_tasks(deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy()
    stuck = dict(swarm.made_tasks[0])
    monkeypatch.setattr(swarm, "tasks", lambda **_filters: [stuck])
    result = deploy(state="absent", timeout=10)
    assert "still run 10 s after" in result["msg"]
    assert list(swarm.stores["network"]) == ["app_front"]
    stuck["Status"] = {"State": "shutdown"}
    assert deploy(state="absent")["changed"] is True
    assert swarm.stores["network"] == {}
