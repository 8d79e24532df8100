# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack against a manager in memory. Nothing sleeps: a clock is moved on instead."""

from __future__ import annotations

import base64
import functools
import getpass
import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _convergence, _stack_apply, _stack_lock
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import LOCK_LABEL, STACK_LABEL
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_stack
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import refusal
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock, FakeCLI, FakeSwarm

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
TWO = """
services:
  web: {image: "web:1", networks: {front: null}}
  worker: {image: "worker:1", networks: {front: null}}
networks: {front: null}
"""
STORE = """
services:
  db1: {image: "db:1", networks: {back: null}}
  db2: {image: "db:1", networks: {back: null}}
  db3: {image: "db:1", networks: {back: null}}
networks: {back: null}
"""
NEWER = STORE.replace("db:1", "db:2")
ONE = TWO.replace('  worker: {image: "worker:1", networks: {front: null}}\n', "")
VOLUME = """
services:
  web: {image: "web:1", networks: {front: null}, volumes: [{type: volume, source: data, target: /data}]}
networks: {front: null}
volumes: {data: {}}
"""


@pytest.fixture
def swarm() -> FakeSwarm:
    return FakeSwarm()


@pytest.fixture
def cli(swarm: FakeSwarm) -> FakeCLI:
    return FakeCLI(swarm)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    waits = functools.partial(_convergence.wait, clock=clock.monotonic, pause=clock.sleep)
    monkeypatch.setattr(_stack_apply, "wait", waits)
    monkeypatch.setattr(_stack_lock, "monotonic", clock.monotonic)
    monkeypatch.setattr(_stack_lock, "sleep", clock.sleep)
    return clock


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that a run logs."""
    lines: list[str] = []

    def log(_module: Any, line: str, **options: Any) -> None:
        lines.append(line + (f" {options}" if options else ""))

    monkeypatch.setattr(basic.AnsibleModule, "log", log)
    return lines


@pytest.fixture
def deploy(
    run: Callable[..., dict[str, Any]],
    swarm: FakeSwarm,
    cli: FakeCLI,
    clock: Clock,
    journal: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Deploy:
    monkeypatch.setattr(swarm_stack, "DockerCLI", lambda *_arguments: cli)
    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda *_args, **_options: "/usr/bin/docker")

    def call(**options: Any) -> dict[str, Any]:
        defaults = {"name": "app", "resolve_image": "never", "_ansible_diff": True}
        if options.get("state") != "absent" and not options.keys() & set(swarm_stack._SOURCES):
            defaults["compose"] = FILE
        given = {name: value for name, value in {**defaults, **options}.items() if value is not None}
        return run(swarm_stack, swarm, **given)

    return call


def record(swarm: FakeSwarm, number: int) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(content(swarm, "config", f"app.release.{number}"))
    return data


def content(swarm: FakeSwarm, kind: str, name: str) -> bytes:
    return base64.b64decode(swarm.stores[kind][name]["Spec"]["Data"])


def spec(swarm: FakeSwarm) -> str:
    """Of the service web."""
    return json.dumps(swarm.stores["service"]["app_web"]["Spec"], sort_keys=True)


def container(swarm: FakeSwarm) -> dict[str, Any]:
    """The part of the spec of the service web."""
    part: dict[str, Any] = swarm.stores["service"]["app_web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    return part


def lock(swarm: FakeSwarm, holder: str) -> None:
    """The lock of a run on another manager."""
    swarm.create_config("app.lock", b"lock", labels={STACK_LABEL: "app", LOCK_LABEL: holder})


def scale_by_hand(swarm: FakeSwarm, replicas: int) -> None:
    swarm.stores["service"]["app_web"]["Spec"]["Mode"]["Replicated"]["Replicas"] = replicas


def generated(generation: int) -> dict[str, Any]:
    """Options for a deployment of ``SECRET``."""
    generate = {"length": 20, "generation": generation}
    return {"compose": SECRET, "secrets": [{"name": "db_password", "generate": generate}]}


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
    assert swarm.calls == [
        "create config app.lock",
        "deploy app prune",
        "create config app.release.1",
        "remove config app.lock",
    ]
    web = record(swarm, 1)["compose"]["services"]["web"]
    assert (web["environment"]["PRICE"], web["deploy"]["update_config"]["order"]) == ("5$", "start-first")

    swarm.calls.clear()
    again = deploy()
    assert (again["changed"], again["plan"], again["release"], swarm.calls) == (False, [], 1, [])

    edited = deploy(compose=FILE.replace("5$", "6$"))
    assert edited["plan"] == ["update service web (replaces its tasks)"]
    assert edited["diff"][0]["before"] == {"environment.PRICE": "5$"}
    assert edited["diff"][0]["after"] == {"environment.PRICE": "6$"}
    assert edited["release"] == 2

    gone = deploy(state="absent")
    assert gone["applied"] == gone["plan"]
    assert (gone["changed"], deploy(state="absent")["changed"]) == (True, False)
    assert not any(swarm.stores.values())


def test_drift_is_repaired(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    scale_by_hand(swarm, 7)
    assert "Mode.Replicated.Replicas" in deploy()["plan"][0]
    assert deploy()["changed"] is False


def test_an_image_changed_by_hand_is_that_of_the_file_again(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    container(swarm)["Image"] = "evil:1"
    swarm.calls.clear()
    result = deploy()
    assert "TaskTemplate.ContainerSpec.Image" in result["plan"][0]
    assert swarm.calls[1:3] == ["forget the image of app_web", "deploy app prune"]
    assert result["applied"] == [
        "took the label com.docker.stack.image from app_web",
        "Updating service app",
        "recorded release 2",
    ]
    assert (result["services"][0]["image"], result["release"]) == ("web:1", 2)
    assert deploy()["changed"] is False


def test_what_the_command_line_sets_by_itself_needs_nothing_forgotten(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=TWO)
    container(swarm)["Image"] = "evil:1"
    deploy(compose=TWO.replace("web:1", "web:2"))
    assert container(swarm)["Image"] == "web:2"
    deploy(compose=ONE)
    assert not any(call.startswith("forget") for call in swarm.calls)


def test_an_engine_that_keeps_another_image_is_told_and_nothing_recorded(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    swarm.keeps_images = True
    result = deploy(compose=FILE.replace("web:1", "web:2"))
    assert result["msg"] == ("The engine has not taken the images of the Compose file: web has web:1. Run this again.")
    assert (result["failed"], result["changed"], result["applied"]) == (True, True, ["Updating service app"])
    assert list(swarm.stores["config"]) == ["app.release.1"]


def test_what_is_changed_by_hand_while_a_stack_converges_is_drift(
    deploy: Deploy, swarm: FakeSwarm, clock: Clock
) -> None:
    def label() -> None:
        swarm.stores["service"]["app_web"]["Spec"]["Labels"]["by"] = "hand"

    clock.meanwhile = label
    assert deploy()["release"] == 1
    clock.meanwhile = lambda: None
    assert deploy(check=True)["plan"] == [
        "update service web (its tasks keep running; it is not as release 1 left it: Labels.by)"
    ]
    assert deploy()["release"] == 2
    assert deploy()["changed"] is False


def test_drift_is_refused_where_that_is_asked_for(deploy: Deploy, swarm: FakeSwarm) -> None:
    edited = FILE.replace("5$", "6$")
    assert deploy(on_drift="refuse")["release"] == 1
    assert deploy(on_drift="refuse", compose=edited)["release"] == 2
    scale_by_hand(swarm, 7)
    swarm.calls.clear()
    result = deploy(on_drift="refuse", compose=edited)
    assert "not as release 2 left it: web differs in Mode.Replicated.Replicas" in result["msg"]
    assert (result["failed"], result["changed"], swarm.calls) == (True, False, [])
    del swarm.stores["service"]["app_web"]
    assert "web is gone" in deploy(on_drift="refuse")["msg"]


def test_without_prune_a_service_may_leave_the_file_and_come_back(deploy: Deploy, swarm: FakeSwarm) -> None:
    assert deploy(compose=TWO, prune=False)["release"] == 1
    left = deploy(compose=ONE.replace("web:1", "web:2"), prune=False)
    assert left["plan"][-1] == "note: service worker is not in the Compose file and stays, because prune is off"
    assert [set(record(swarm, number)["specs"]) for number in (1, 2)] == [{"web", "worker"}, {"web"}]
    assert deploy(compose=TWO, prune=False)["plan"] == [
        "update service web (replaces its tasks)",
        "update service worker (it runs, and no release of this module tells from what file: deployed again)",
    ]
    assert deploy(compose=TWO, prune=False)["changed"] is False
    assert deploy(compose=ONE)["plan"] == ["remove service worker (not in the Compose file)"]
    assert list(swarm.stores["service"]) == ["app_web"]


def test_a_service_that_stays_for_want_of_prune_is_no_drift_to_refuse(deploy: Deploy, swarm: FakeSwarm) -> None:
    strict: dict[str, Any] = {"prune": False, "on_drift": "refuse"}
    left = ONE.replace("web:1", "web:2")
    for file in (TWO, left):
        deploy(compose=file, **strict)
    again = deploy(compose=left, **strict)
    assert (again.get("failed"), again["changed"], again["release"]) == (None, False, 2)
    scale_by_hand(swarm, 7)
    refused = "not as release 2 left it: web differs in Mode.Replicated.Replicas. Take over"
    assert refused in deploy(compose=left, **strict)["msg"]
    assert "Replicas; worker is not in release 2. Take" in deploy(compose=left, on_drift="refuse")["msg"]
    assert "worker is not in release 2. So a deployment" in deploy(release="previous", prune=False)["msg"]


def test_a_port_of_the_mesh_moves_in_two_deployments(deploy: Deploy, swarm: FakeSwarm) -> None:
    port = "ports: [{target: 80, published: 80}], networks"
    on_web = TWO.replace("networks: {front", f"{port}: {{front", 1)
    on_worker = TWO.replace('"worker:1", networks', f'"worker:1", {port}')
    deploy(compose=on_web)
    swarm.calls.clear()
    assert "deploy once with web without it, then this" in deploy(compose=on_worker)["msg"]
    assert swarm.calls == []
    assert [deploy(compose=file)["release"] for file in (TWO, on_worker)] == [2, 3]


@pytest.mark.parametrize(
    ("options", "numbers"),
    [({}, [3, 4, 5, 6, 7]), ({"keep_releases": 2}, [6, 7]), ({"keep_releases": 1}, [7])],
)
def test_only_the_last_releases_are_kept(
    deploy: Deploy, swarm: FakeSwarm, options: dict[str, int], numbers: list[int]
) -> None:
    for price in range(7):
        deploy(compose=FILE.replace("5$", str(price)), **options)
    assert sorted(swarm.stores["config"]) == [f"app.release.{number}" for number in numbers]
    assert deploy(compose=FILE.replace("5$", "6"), **options)["changed"] is False


def test_a_generated_secret_is_made_once_and_rotated_by_its_generation(deploy: Deploy, swarm: FakeSwarm) -> None:
    result = deploy(**generated(1))
    value = content(swarm, "secret", "app_db_password_v1").decode()
    assert (len(value), value.isalnum()) == (20, True)
    assert value not in json.dumps(result)
    assert deploy(**generated(1))["changed"] is False
    assert deploy(**generated(2))["plan"] == [
        "create secret app_db_password_v2 (generation 2)",
        "update service web (replaces its tasks)",
    ]


@pytest.mark.parametrize("release", ["1", "previous"])
def test_a_rollback_brings_back_the_spec_with_its_secrets(deploy: Deploy, swarm: FakeSwarm, release: str) -> None:
    swarm.digests["web:1"] = "sha256:aa"
    deploy(**generated(1), resolve_image="always")
    before, secret = spec(swarm), content(swarm, "secret", "app_db_password_v1")
    swarm.digests["web:1"] = "sha256:bb"
    deploy(**generated(2), resolve_image="always")
    assert spec(swarm) != before

    swarm.digests.clear()
    result = deploy(release=release, resolve_image="always")
    assert (result["release"], result["plan"]) == (3, ["update service web (replaces its tasks)"])
    assert spec(swarm) == before
    assert content(swarm, "secret", "app_db_password_v1") == secret
    restored = record(swarm, 3)
    assert restored["restores"] == 1
    assert {name: restored[name] for name in ("compose", "images", "specs")} == {
        name: record(swarm, 1)[name] for name in ("compose", "images", "specs")
    }
    assert [record(swarm, number)["restores"] for number in (1, 2)] == [None, None]

    swarm.calls.clear()
    again = deploy(release="1")
    assert (again["changed"], again["release"], swarm.calls) == (False, 3, [])


def test_a_return_to_a_return_names_what_is_run_again(deploy: Deploy, swarm: FakeSwarm) -> None:
    for generation in (1, 2):
        deploy(**generated(generation))
    deploy(release="1")
    deploy(**generated(2))
    assert deploy(release="3")["release"] == 5
    assert [record(swarm, number)["restores"] for number in range(1, 6)] == [None, None, 1, None, 1]


def test_a_rollback_needs_none_of_the_files_that_were_deployed(
    deploy: Deploy, swarm: FakeSwarm, tmp_path: Path
) -> None:
    path = tmp_path / "motd"
    file = f"""
services:
  web: {{image: "web:1", networks: {{front: null}}, configs: [{{source: motd}}]}}
networks: {{front: null}}
configs: {{motd: {{file: {path}}}}}
"""
    path.write_text("one", encoding="utf-8")
    deploy(compose=file)
    before = spec(swarm)
    path.write_text("two", encoding="utf-8")
    deploy(compose=file)
    path.unlink()
    assert deploy(release="previous")["release"] == 3
    assert spec(swarm) == before
    (name,) = container(swarm)["Configs"]
    assert content(swarm, "config", name) == b"one"


def test_previous_is_refused_while_it_may_mean_two_releases(deploy: Deploy, swarm: FakeSwarm) -> None:
    for price in "123":
        deploy(compose=FILE.replace("5$", price))
    swarm.ends["web:2"] = "rejected"
    assert deploy(compose=FILE.replace("web:1", "web:2"))["failed"] is True
    swarm.calls.clear()
    result = deploy(release="previous")
    assert "set release to 3 for what the last success left, or to 2 for the one before" in result["msg"]
    assert swarm.calls == []
    assert deploy(release="3", on_drift="refuse")["release"] == 4


@pytest.mark.parametrize(
    ("files", "failing"),
    [
        # It adds a service that no release has.
        ([ONE, ONE.replace("web:1", "web:2")], TWO.replace("web:1", "web:2").replace("worker:1", "bad:1")),
        # It changes a service that the release to go back to has not.
        ([ONE, TWO], TWO.replace("worker:1", "bad:1")),
    ],
)
def test_previous_is_refused_whichever_service_a_failed_deployment_touched(
    deploy: Deploy, swarm: FakeSwarm, files: list[str], failing: str
) -> None:
    for file in files:
        deploy(compose=file)
    swarm.ends["bad:1"] = "rejected"
    assert deploy(compose=failing)["failed"] is True
    swarm.calls.clear()
    result = deploy(release="previous")
    assert "set release to 2 for what the last success left, or to 1 for the one before" in result["msg"]
    assert swarm.calls == []
    assert deploy(release="2", on_drift="refuse")["release"] == 3
    assert deploy(release="2")["changed"] is False


def test_previous_is_refused_after_a_return(deploy: Deploy, swarm: FakeSwarm) -> None:
    for price in "12":
        deploy(compose=FILE.replace("5$", price))
    assert deploy(release="previous")["release"] == 3
    swarm.calls.clear()
    result = deploy(release="previous")
    assert "the newest one, 3, is a return to 1 already" in result["msg"]
    assert (result["failed"], swarm.calls) == (True, [])
    assert deploy(release="2")["release"] == 4


def test_a_release_that_is_not_kept_is_refused(deploy: Deploy, swarm: FakeSwarm) -> None:
    for generation in (1, 2, 3):
        deploy(**generated(generation), keep_releases=2)
    assert list(swarm.stores["secret"]) == ["app_db_password_v2", "app_db_password_v3"]
    swarm.calls.clear()
    result = deploy(release="1")
    assert (result["failed"], swarm.calls) == (True, [])
    assert result["msg"].endswith("'1' is neither 'previous' nor the number of a release that is kept (2, 3)")


def test_a_release_whose_secret_was_removed_is_refused(deploy: Deploy, swarm: FakeSwarm) -> None:
    for generation in (1, 2):
        deploy(**generated(generation))
    del swarm.stores["secret"]["app_db_password_v1"]
    swarm.calls.clear()
    assert "external secret app_db_password_v1 does not exist" in deploy(release="1")["msg"]
    assert swarm.calls == []


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


def test_a_dry_run_without_a_key_names_contents_as_no_other_does(deploy: Deploy, swarm: FakeSwarm) -> None:
    options: dict[str, Any] = {"compose": SECRET, "secrets": [{"name": "db_password", "value": "hunter2"}]}
    dry = deploy(check=True, **options)
    assert dry["plan"][0] == "create secret app_db_password_............ (named by its content)"
    assert deploy(check=True, **options)["plan"] == dry["plan"]
    assert (dry["changed"], swarm.calls) == (True, [])
    real = deploy(**options)
    (name,) = swarm.stores["secret"]
    assert re.fullmatch(r"app_db_password_[0-9a-f]{12}", name)
    assert json.dumps(real["diff"]).replace(name, dry["diff"][0]["after"]["name"]) == json.dumps(dry["diff"])
    assert [line.replace(name, dry["diff"][0]["after"]["name"]) for line in real["plan"]] == dry["plan"]
    assert deploy(check=True, **options)["changed"] is False


def test_secrets_and_configs_are_made_from_files_and_configs_by_chance(
    deploy: Deploy, swarm: FakeSwarm, tmp_path: Path
) -> None:
    (tmp_path / "password").write_bytes(b"hunter2")
    file = """
services:
  web:
    image: "web:1"
    networks: {front: null}
    secrets: [{source: s}]
    configs: [{source: c}, {source: salt}]
networks: {front: null}
secrets: {s: {external: true}}
configs: {c: {external: true}, salt: {external: true}}
"""
    options: dict[str, Any] = {
        "compose": file,
        "secrets": [{"name": "s", "file": str(tmp_path / "password")}],
        "configs": [{"name": "c", "content": "text"}, {"name": "salt", "generate": {"length": 9}}],
    }
    deploy(**options)
    used = container(swarm)
    assert content(swarm, "secret", used["Secrets"][0]) == b"hunter2"
    assert content(swarm, "config", used["Configs"][0]) == b"text"
    assert (used["Configs"][1], len(content(swarm, "config", "app_salt_v1"))) == ("app_salt_v1", 9)
    assert deploy(**options)["changed"] is False
    (tmp_path / "password").write_bytes(b"hunter3")
    assert deploy(**options)["plan"][-1] == "update service web (replaces its tasks)"


def test_a_secret_under_a_name_of_its_own_is_noted_once_it_is_there(deploy: Deploy, tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b"hunter2")
    declared = f"{{file: {tmp_path / 'password'}, name: mine}}"
    file = SECRET.replace("{external: true, name: db_password}", declared)
    assert deploy(compose=file)["plan"] == [
        "create secret mine",
        "create network app_front",
        "create service web",
    ]
    again = deploy(compose=file)
    assert (again["changed"], len(again["plan"])) == (False, 1)
    assert again["plan"][0].startswith("note: secrets.db_password is there under the name that the file gives it")


def test_failure_says_what_was_done_and_why(deploy: Deploy, swarm: FakeSwarm) -> None:
    swarm.ends["web:1"] = "rejected"
    result = deploy()
    assert (result["failed"], result["changed"]) == (True, True)
    assert "app_web: task app_web.1 on m1: image not found" in result["msg"]
    assert result["msg"].endswith("correct the cause and run this again.")
    assert result["applied"] == ["Updating service app"]
    assert result["failures"][0]["logs"] == ["last words of app_web-2-2"]
    assert result["plan"] == ["create network app_front", "create service web"]
    assert swarm.stores["config"] == {}


def test_a_command_that_fails_half_way_leaves_told_what_it_did(deploy: Deploy, swarm: FakeSwarm, cli: FakeCLI) -> None:
    cli.breaks = "docker stack deploy failed: no such thing."
    result = deploy(compose=SECRET, secrets=[{"name": "db_password", "value": "hunter2"}])
    assert (result["failed"], result["changed"], result["msg"]) == (True, True, cli.breaks)
    (secret,) = swarm.stores["secret"]
    assert result["applied"] == [
        "made the key that contents are named with",
        f"create secret {secret} (named by its content)",
        "Updating service app",
    ]
    assert list(swarm.stores["config"]) == ["app.key"]


def test_passwords_of_addresses_that_tasks_printed_are_not_told(deploy: Deploy, swarm: FakeSwarm, cli: FakeCLI) -> None:
    swarm.ends["web:1"] = "rejected"
    cli.logs = ["cannot reach postgres://u:sword@fish@db/x"]
    result = deploy()
    assert result["failures"][0]["logs"][0] == "cannot reach postgres://u:(hidden)@db/x"
    assert "postgres://u:(hidden)@db/x | last words" in result["msg"]
    assert "fish" not in json.dumps(result)


def without_leader(
    monkeypatch: pytest.MonkeyPatch, swarm: FakeSwarm, method: str, times: int, begun: Callable[[], bool]
) -> None:
    """The swarm has no leader for as many calls of a method, once ``begun``."""
    original, refused = getattr(swarm, method), [times]

    def call(*arguments: Any, **options: Any) -> Any:
        if refused[0] and begun():
            refused[0] -= 1
            raise refusal("rpc error: code = Unknown desc = The swarm does not have a leader.")
        return original(*arguments, **options)

    monkeypatch.setattr(swarm, method, call)


@pytest.mark.parametrize(("times", "recorded"), [(20, True), (100, False)])
def test_a_release_is_recorded_when_a_leader_is_there_again(
    deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch, times: int, recorded: bool
) -> None:
    without_leader(monkeypatch, swarm, "create_config", times, lambda: bool(swarm.stores["service"]))
    result = deploy()
    assert list(swarm.stores["config"]) == (["app.release.1"] if recorded else [])
    if recorded:
        assert (result["release"], result["applied"][-1]) == (1, "recorded release 1")
    else:
        assert "Cannot record the release as the config app.release.1: The swarm does not have" in result["msg"]
        assert (result["failed"], result["changed"]) == (True, True)


def test_a_record_that_is_there_already_is_no_matter_of_waiting(
    deploy: Deploy, swarm: FakeSwarm, journal: list[str]
) -> None:
    swarm.create_config("app.release.1", b"", labels={})
    result = deploy()
    assert result["msg"].startswith("Cannot record the release as the config app.release.1: config app.release.1 alre")
    assert (result["failed"], result["changed"]) == (True, True)
    assert journal[-1] == "swarm_stack app: records the release"


def test_the_services_are_told_when_a_leader_is_there_again(
    deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_leader(monkeypatch, swarm, "services", 20, lambda: "app.release.1" in swarm.stores["config"])
    result = deploy()
    assert (result["changed"], result["release"], result["services"][0]["name"]) == (True, 1, "web")


def test_failure_names_the_release_to_go_back_to(deploy: Deploy, swarm: FakeSwarm) -> None:
    swarm.ends["web:3"] = "rejected"
    for image in ("web:1", "web:2"):
        deploy(compose=FILE.replace("web:1", image))
    before = spec(swarm)
    result = deploy(compose=FILE.replace("web:1", "web:3"))
    assert result["msg"].endswith("run this again, or go back to what ran before (release: 2).")
    assert deploy(release="2")["release"] == 3
    assert spec(swarm) == before


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
        ({"compose_files": [{"content": FILE}, {"path": "/nowhere/stack.yml"}]}, "Cannot read /nowhere/stack.yml"),
        ({"compose_files": [{"content": FILE, "path": "/x"}]}, "mutually exclusive: content|path"),
        ({"compose_files": [{}]}, "one of the following is required: content, path"),
        ({"compose": FILE, "release": "1"}, "mutually exclusive: compose|compose_path|compose_files|release"),
        ({"compose": None}, "any of the following are missing: compose, compose_path, compose_files, release"),
        ({"release": "1"}, "'1' is neither 'previous' nor the number of a release that is kept (none)"),
        ({"release": "previous"}, "none before the newest one (kept: none)"),
        ({"release": "1", "variables": {"A": "b"}, "configs": [{"name": "x", "content": "y"}]}, "variables, configs"),
        ({"compose": ""}, "all of them are empty"),
        ({"compose_files": []}, "all of them are empty"),
        ({"services": ["web"]}, "services: there is no release whose other services could stay; leave services empty"),
        ({"state": "absent", "services": ["web"]}, "services is for state: present"),
        ({"keep_releases": 0}, "keep_releases is 0: keep at least 1"),
        ({"name": "a b"}, "'a b' is no name for a stack"),
        ({"name": "a" * 49}, "has 49 characters, and its records in the Swarm allow 48"),
        ({"compose": FILE.replace('PRICE: "5$"', "HOME: null")}, "services.web.environment.HOME has no value"),
        ({"compose": FILE.replace('PRICE: "5$"', "DOCKER_HOST: null")}, "environment.DOCKER_HOST has no value"),
        ({"compose": SECRET, "secrets": [{"name": "db_password", "value": ""}]}, "secrets.db_password is empty"),
        ({"compose": SECRET, "secrets": 2 * [{"name": "db_password", "value": "x"}]}, "db_password is there twice"),
        ({"secrets": [{"name": "x", "value": "y"}]}, "secrets: {x: {external: true}}"),
        ({"configs": [{"name": "x", "content": "y"}]}, "configs: {x: {external: true}}"),
        ({"secrets": [{"name": "x"}]}, "one of the following is required: value, file, generate"),
        ({"configs": [{"name": "x"}]}, "one of the following is required: content, file, generate"),
        ({"secrets": [{"name": "x", "value": "hunter2", "file": "/y"}]}, "mutually exclusive: value|file|generate"),
        ({"configs": [{"name": "x", "file": "/nowhere"}], "compose": FILE}, "Cannot read /nowhere"),
        ({"compose": FILE.replace("networks: {front: null},", "networks: {back: null},")}, "names back"),
        ({"compose": SECRET}, "external secret db_password does not exist"),
        ({"remove_volumes": ["app_data"], "remove_volumes_confirm": "app"}, "remove_volumes is for state: absent"),
        ({"state": "absent", "remove_volumes": ["app_data"]}, "set remove_volumes_confirm to app"),
        (
            {"state": "absent", "remove_volumes": ["a", "b"], "remove_volumes_confirm": "App"},
            "would delete the data in a, b for good",
        ),
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
    assert "deploy app auth" in cli.swarm.calls


@pytest.mark.parametrize(
    ("order", "price", "directory"),
    [
        (["base/stack.yml", "other/stack.yml"], "7", "base"),
        (["other/stack.yml", "base/stack.yml"], "5$", "other"),
        (["base/stack.yml", "text"], "8", "base"),
        (["text", "base/stack.yml", "other/stack.yml"], "7", "/"),
    ],
)
def test_files_are_merged_in_their_order_and_seen_from_the_folder_of_the_first(
    deploy: Deploy, swarm: FakeSwarm, cli: FakeCLI, tmp_path: Path, order: list[str], price: str, directory: str
) -> None:
    texts = {"base/stack.yml": FILE, "other/stack.yml": 'services: {web: {environment: {PRICE: "7"}}}'}
    for name, text in texts.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [
        {"path": str(tmp_path / name)} if name in texts else {"content": 'services: {web: {environment: {PRICE: "8"}}}'}
        for name in order
    ]
    assert deploy(compose_files=files)["release"] == 1
    environment = record(swarm, 1)["compose"]["services"]["web"]["environment"]
    assert environment == {"PRICE": price, "DB_PASSWORD": "hunter2"}
    assert cli.directory == str(tmp_path / directory)


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
    assert swarm.calls == ["create config app.lock", "remove network app_back", "remove config app.lock"]


def test_removal_waits_for_tasks(deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    deploy()
    stuck = dict(swarm.made_tasks[0])
    monkeypatch.setattr(swarm, "tasks", lambda **_filters: [stuck])
    result = deploy(state="absent", timeout=10)
    assert "still run 10 s after" in result["msg"]
    assert result["applied"] == ["remove service web"]
    assert list(swarm.stores["network"]) == ["app_front"]
    assert "app.lock" not in swarm.stores["config"]
    stuck["Status"] = {"State": "shutdown"}
    assert deploy(state="absent")["changed"] is True
    assert swarm.stores["network"] == {}


def test_what_somebody_else_removed_meanwhile_is_gone(
    deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    deploy()
    remove = swarm.remove_service

    def remove_all(name: str) -> None:
        remove(name)
        swarm.stores["network"].clear()

    monkeypatch.setattr(swarm, "remove_service", remove_all)
    result = deploy(state="absent")
    assert result["applied"] == result["plan"]
    assert not any(swarm.stores.values())


def test_volumes_stay_but_for_those_named_and_confirmed(deploy: Deploy, swarm: FakeSwarm) -> None:
    planned = deploy(compose=VOLUME)["plan"]
    assert planned[1].startswith("create volume app_data (on each node")
    swarm.stores["volume"].update(app_old={}, theirs={})
    assert deploy(state="absent")["changed"] is True
    assert list(swarm.stores["volume"]) == ["app_data", "app_old", "theirs"]

    deploy(compose=VOLUME)
    named = {"remove_volumes": ["app_old", "app_data", "app_elsewhere"], "remove_volumes_confirm": "app"}
    note = "note: this engine has no volume app_elsewhere; volumes of other nodes stay"
    assert deploy(state="absent", check=True, **named)["plan"][-3:] == [
        "remove volume app_data",
        "remove volume app_old",
        note,
    ]
    assert "app_data" in swarm.stores["volume"]
    result = deploy(state="absent", **named)
    assert [*result["applied"], note] == result["plan"]
    assert list(swarm.stores["volume"]) == ["theirs"]
    again = deploy(state="absent", **named)
    assert (again["changed"], len(again["plan"])) == (False, 3)


def test_a_volume_whose_options_changed_is_noted(deploy: Deploy) -> None:
    deploy(compose=VOLUME)
    planned = deploy(compose=VOLUME.replace("{data: {}}", "{data: {driver: nfs}}"), check=True)["plan"]
    assert planned[0] == "update service web (replaces its tasks)"
    assert planned[1].startswith("note: the volume app_data keeps the options")


def test_another_run_is_waited_for_and_named(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    lock(swarm, "ann@m2")
    sign_of_life = swarm.stores["config"]["app.lock"]["Version"]
    clock.meanwhile = lambda: sign_of_life.update(Index=sign_of_life["Index"] + 1)
    swarm.calls.clear()
    result = deploy(timeout=40)
    assert "is being deployed by ann@m2" in result["msg"]
    assert (result["failed"], result["changed"], result["applied"]) == (True, False, [])
    assert (clock.now, swarm.calls) == (140, [])


@pytest.mark.parametrize("options", [{}, {"compose": FILE.replace("5$", "6$")}])
def test_a_dry_run_waits_for_nobody(deploy: Deploy, swarm: FakeSwarm, clock: Clock, options: dict[str, Any]) -> None:
    deploy()
    lock(swarm, "ann@m2")
    before = clock.now
    swarm.calls.clear()
    result = deploy(check=True, **options)
    assert (result.get("failed"), result["changed"]) == (None, bool(options))
    assert (clock.now, swarm.calls) == (before, [])


def test_the_lock_that_a_run_left_goes_though_nothing_else_is_to_be_done(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy()
    for options in ({}, {"state": "absent"}, {"state": "absent"}):
        lock(swarm, "ann@m2")
        result = deploy(**options)
        assert "app.lock" not in swarm.stores["config"]
    assert (result["changed"], result["plan"], result["applied"]) == (False, [], [])


def test_nothing_to_do_waits_for_whom_is_at_work(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    deploy()
    lock(swarm, "ann@m2")
    sign_of_life = swarm.stores["config"]["app.lock"]["Version"]
    clock.meanwhile = lambda: sign_of_life.update(Index=sign_of_life["Index"] + 1)
    result = deploy(timeout=40)
    assert "is being deployed by ann@m2" in result["msg"]
    assert (result["failed"], result["changed"]) == (True, False)

    ends = clock.now + 20

    def works_and_ends() -> None:
        sign_of_life["Index"] += 1
        if clock.now >= ends:
            swarm.stores["config"].pop("app.lock", None)

    clock.meanwhile = works_and_ends
    result = deploy(timeout=40)
    assert (result["changed"], result["release"], clock.now) == (False, 1, ends)


def test_what_another_run_did_meanwhile_is_not_done_again(deploy: Deploy, swarm: FakeSwarm, clock: Clock) -> None:
    deploy()
    scale_by_hand(swarm, 7)
    lock(swarm, "ann@m2")
    swarm.calls.clear()

    def other() -> None:
        if "app.lock" in swarm.stores["config"]:
            scale_by_hand(swarm, 1)
            del swarm.stores["config"]["app.lock"]

    clock.meanwhile = other
    result = deploy()
    assert (result["changed"], result["plan"], result["release"]) == (False, [], 1)
    assert swarm.calls == ["create config app.lock", "remove config app.lock"]


def test_the_lock_of_a_run_that_died_is_taken_over(deploy: Deploy, swarm: FakeSwarm) -> None:
    lock(swarm, "ann@m2")
    assert deploy()["release"] == 1
    assert list(swarm.stores["config"]) == ["app.release.1"]


def test_a_run_that_lost_its_lock_ends(deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(_lock: Any, _progress: str) -> None:
        raise EngineError("Another run has taken over")

    monkeypatch.setattr(_stack_lock.Lock, "tell", lost)
    result = deploy()
    assert (result["failed"], result["changed"], result["msg"]) == (True, False, "Another run has taken over")
    assert swarm.stores["config"] == {}


def test_progress_is_told_once_for_each_change(
    deploy: Deploy, journal: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = []
    monkeypatch.setattr(_stack_lock.Lock, "tell", lambda _lock, progress: told.append(progress))
    deploy()
    assert journal == [
        "swarm_stack app: sends the Compose file",
        "swarm_stack app: app_web 1/1 (its tasks run, their monitor period is not over)",
        "swarm_stack app: all services have converged",
        "swarm_stack app: records the release",
    ]
    assert set(told) == {line[len("swarm_stack app: ") :] for line in journal}


def test_each_thing_that_goes_is_told(deploy: Deploy, journal: list[str]) -> None:
    deploy()
    journal.clear()
    deploy(compose=FILE.replace("front", "back"), keep_releases=1)
    assert journal[-2:] == [
        "swarm_stack app: remove release app.release.1 (older than those kept)",
        "swarm_stack app: remove network app_front (no service uses it any more)",
    ]
    assert journal[-3] == "swarm_stack app: records the release"


def test_nothing_that_a_run_was_called_with_is_logged(deploy: Deploy, journal: list[str]) -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\nkqhkiG9w0BAQEF\n-----END PRIVATE KEY-----\n"
    file = SECRET.replace("networks: {front: null}, ", "networks: {front: null}, environment: {WHO: swordfish}, ")
    file += "configs: {motd: {external: true}}\n"
    options: dict[str, Any] = {
        "compose": file,
        "variables": {"NAME": "sesame"},
        "secrets": [{"name": "db_password", "value": pem}],
        "configs": [{"name": "motd", "content": "welcome\nto all"}],
    }
    assert deploy(check=True, **options)["changed"] is True
    assert deploy(**options)["release"] == 1
    assert all(line.startswith("swarm_stack app: ") for line in journal)
    for words in ("PRIVATE", "MIIEvQIBADANBg", "kqhkiG9w0BAQEF", "welcome", "swordfish", "sesame"):
        assert not [line for line in journal if words in line]


@pytest.mark.parametrize(
    ("options", "user", "by"),
    [
        ({"deployed_by": "Ann, for ticket 7"}, "ann", "Ann, for ticket 7"),
        ({}, "ann", "ann@m1"),
        ({}, "", "root@m1"),
    ],
)
def test_who_deploys_is_recorded(
    deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch, options: dict[str, str], user: str, by: str
) -> None:
    monkeypatch.setenv("SUDO_USER", user)
    monkeypatch.setattr(getpass, "getuser", lambda: "root")
    monkeypatch.setattr(socket, "gethostname", lambda: "m1")
    deploy(**options)
    assert record(swarm, 1)["deployed_by"] == by


def images(swarm: FakeSwarm) -> list[str]:
    """Of db1, db2 and db3 as they run."""
    specs = (swarm.stores["service"][f"app_db{number}"]["Spec"] for number in (1, 2, 3))
    return [spec["TaskTemplate"]["ContainerSpec"]["Image"] for spec in specs]


def kept(swarm: FakeSwarm) -> str:
    """The releases, oldest first, steps with a comma."""
    numbers = sorted(int(name.rpartition(".")[2]) for name in swarm.stores["config"] if ".release." in name)
    return " ".join(f"{number}" + ("" if record(swarm, number)["complete"] else ",") for number in numbers)


def test_members_are_updated_one_at_a_time_and_the_last_completes_the_release(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=STORE)
    swarm.calls.clear()
    dry = deploy(compose=NEWER, services=["db1"], check=True)
    assert (dry["changed"], dry["release"], swarm.calls) == (True, 1, [])
    first = deploy(compose=NEWER, services=["db1"])
    assert first["plan"] == dry["plan"]
    assert first["plan"] == [
        "update service db1 (replaces its tasks)",
        "note: not as the Compose file says, and left so: db2, db3",
    ]
    assert first["diff"] == dry["diff"]
    assert (first["release"], first["applied"][-1]) == (2, "recorded release 2, a step")
    assert (images(swarm), kept(swarm)) == (["db:2", "db:1", "db:1"], "1 2,")

    again = deploy(compose=NEWER, services=["db1"])
    assert (again["changed"], again["release"], kept(swarm)) == (False, 2, "1 2,")

    deploy(compose=NEWER, services=["db2"])
    assert (images(swarm), kept(swarm)) == (["db:2", "db:2", "db:1"], "1 2, 3,")
    last = deploy(compose=NEWER, services=["db3"])
    assert last["plan"] == [
        "update service db3 (replaces its tasks)",
        "remove release app.release.2 (a step on the way)",
        "remove release app.release.3 (a step on the way)",
    ]
    assert (images(swarm), kept(swarm)) == (3 * ["db:2"], "1 4")
    for options in ({}, {"services": ["db1"]}, {"services": ["db3", "db1"]}):
        assert deploy(compose=NEWER, **options)["changed"] is False
    assert deploy(release="previous")["plan"] == [
        f"update service db{number} (replaces its tasks)" for number in (1, 2, 3)
    ]
    assert kept(swarm) == "1 4 5"


@pytest.mark.parametrize(
    "runs",
    [
        [["db1"], []],
        [["db3", "db1"], ["db2"]],
        [["db1"], ["db1"], ["db2", "db1"], ["db3"], ["db3"]],
        # One that fails, done again, with others or as a whole.
        ["db2", ["db2"], ["db1"], ["db3"]],
        [["db1"], "db2", ["db2", "db3"]],
        [["db1"], "db2", []],
    ],
)
def test_whatever_the_order_it_ends_in_one_complete_release(
    deploy: Deploy, swarm: FakeSwarm, runs: list[list[str] | str]
) -> None:
    deploy(compose=STORE)
    for names in runs:
        if isinstance(names, str):
            swarm.ends["db:2"] = "rejected"
            assert deploy(compose=NEWER, services=[names])["failed"] is True
            swarm.ends.clear()
        else:
            assert deploy(compose=NEWER, services=names).get("failed") is None
    assert images(swarm) == 3 * ["db:2"]
    number = deploy(compose=NEWER)["release"]
    assert kept(swarm) == f"1 {number}"
    assert [record(swarm, number)["compose"], record(swarm, number)["restores"]] == [
        {"services": {f"db{member}": record(swarm, number)["compose"]["services"]["db1"] for member in (1, 2, 3)}}
        | {"networks": {"back": None}},
        None,
    ]


@pytest.mark.parametrize("options", [{}, {"services": ["db2"]}])
def test_a_file_that_has_come_to_what_a_step_left_completes_it(
    deploy: Deploy, swarm: FakeSwarm, options: dict[str, Any]
) -> None:
    deploy(compose=STORE)
    deploy(compose=NEWER, services=["db1"])
    swarm.calls.clear()
    mixed = STORE.replace("db:1", "db:2", 1)
    expected = [
        "record release app.release.3 (all services are as the Compose file says, and release 2 is a step)",
        "remove release app.release.2 (a step on the way)",
    ]
    dry = deploy(compose=mixed, check=True, **options)
    assert (dry["changed"], dry["plan"], dry["release"], swarm.calls) == (True, expected, 2, [])
    result = deploy(compose=mixed, **options)
    assert (result["changed"], result["plan"], result["release"]) == (True, expected, 3)
    assert result["applied"] == ["recorded release 3", expected[1]]
    assert swarm.calls == [
        "create config app.lock",
        "create config app.release.3",
        "remove config app.release.2",
        "remove config app.lock",
    ]
    assert kept(swarm) == "1 3"
    assert deploy(compose=mixed, **options)["changed"] is False
    assert deploy(compose=mixed, on_drift="refuse")["changed"] is False


def test_steps_that_a_run_has_left_behind_are_cleared_away(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=STORE)
    deploy(compose=NEWER, services=["db1"])
    step = swarm.stores["config"]["app.release.2"]
    deploy(compose=NEWER)
    swarm.stores["config"]["app.release.2"] = step
    result = deploy(compose=NEWER)
    assert (result["plan"], result["release"]) == (["remove release app.release.2 (a step on the way)"], 3)
    assert (kept(swarm), deploy(compose=NEWER)["changed"]) == ("1 3", False)


def test_previous_after_a_step_is_where_the_steps_began(deploy: Deploy, swarm: FakeSwarm) -> None:
    for file in (STORE, NEWER):
        deploy(compose=file)
    third = STORE.replace("db:1", "db:3")
    for name in ("db1", "db2"):
        deploy(compose=third, services=[name])
    assert kept(swarm) == "1 2 3, 4,"
    one = deploy(release="previous", services=["db1"])
    assert (one["applied"][-1], record(swarm, 5)["restores"]) == ("recorded release 5, a step", 2)
    assert images(swarm) == ["db:2", "db:3", "db:2"]
    assert deploy(release="previous", services=["db2"])["release"] == 6
    assert (images(swarm), kept(swarm), record(swarm, 6)["restores"]) == (3 * ["db:2"], "1 2 6", 2)


def test_a_return_in_steps_goes_on_by_its_number(deploy: Deploy, swarm: FakeSwarm) -> None:
    for file in (STORE, NEWER):
        deploy(compose=file)
    deploy(release="previous", services=["db1"])
    refused = deploy(release="previous", services=["db2"])["msg"]
    assert refused.endswith("name the number of the release that is meant (kept: 1, 2, 3 (a step))")
    deploy(release="1", services=["db2"])
    assert (images(swarm), kept(swarm)) == (["db:1", "db:1", "db:2"], "1 2 3, 4,")
    assert (deploy(release="1")["release"], kept(swarm)) == (5, "1 2 5")
    assert images(swarm) == 3 * ["db:1"]


def test_a_step_is_gone_back_to_by_its_number_and_is_one_again(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=STORE)
    deploy(compose=NEWER, services=["db1"])
    swarm.ends["db:3"] = "rejected"
    failed = deploy(compose=STORE.replace("db:1", "db:3"), services=["db2"])
    assert failed["msg"].endswith("go back to what ran before (release: 2).")
    assert "or to 1 for the one before" in deploy(release="previous")["msg"]
    assert deploy(release="2")["applied"][-1] == "recorded release 3, a step"
    assert (images(swarm), kept(swarm), record(swarm, 3)["restores"]) == (["db:2", "db:1", "db:1"], "1 2, 3,", 2)
    assert deploy(release="3")["changed"] is False


def test_what_stays_is_refused_where_it_was_changed_by_hand(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=STORE)
    db2 = swarm.stores["service"]["app_db2"]
    db2["Spec"]["Mode"]["Replicated"]["Replicas"] = 7
    del swarm.stores["service"]["app_db3"]
    swarm.calls.clear()
    result = deploy(compose=NEWER, services=["db1"])
    assert result["msg"] == (
        "The stack is not as release 1 left it: db2 differs in Mode.Replicated.Replicas; db3 is gone. Only db1 shall "
        "change, and sending the stack would change that as well: deploy it first, or leave services empty"
    )
    assert (result["failed"], swarm.calls) == (True, [])
    refused = deploy(compose=NEWER, services=["db2", "db3"], on_drift="refuse")["msg"]
    assert "or set on_drift to repair" in refused
    assert deploy(compose=NEWER, services=["db2", "db3"])["release"] == 2
    assert deploy(compose=NEWER, services=["db1"])["release"] == 3
    assert (images(swarm), kept(swarm)) == (3 * ["db:2"], "1 3")


def test_a_service_that_no_release_has_is_not_removed_in_passing(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=ONE)
    swarm.ends["worker:1"] = "rejected"
    assert deploy(compose=TWO, services=["worker"])["failed"] is True
    newer = TWO.replace("web:1", "web:2")
    assert "worker is not in release 1. Only web shall change" in deploy(compose=newer, services=["web"])["msg"]
    assert deploy(compose=newer, services=["web"], prune=False, check=True)["plan"] == [
        "update service web (replaces its tasks)",
        "note: service worker is not in the Compose file and stays, because prune is off",
        "note: not as the Compose file says, and left so: worker",
    ]
    swarm.ends.clear()
    assert deploy(compose=newer, services=["worker"])["release"] == 2
    assert deploy(compose=newer, services=["web"])["release"] == 3
    assert kept(swarm) == "1 3"


def test_a_service_that_left_the_file_goes_when_it_is_named(deploy: Deploy, swarm: FakeSwarm) -> None:
    deploy(compose=TWO)
    file = ONE.replace("web:1", "web:2")
    deploy(compose=file, services=["web"])
    assert sorted(swarm.stores["service"]) == ["app_web", "app_worker"]
    refused = deploy(compose=file, services=["worker", "wrk"])["msg"]
    assert refused == "services: neither the Compose file nor release 2 has wrk; they have web, worker"
    assert deploy(compose=file, services=["worker"])["plan"] == [
        "remove service worker (not in the Compose file)",
        "remove release app.release.2 (a step on the way)",
    ]
    assert (list(swarm.stores["service"]), kept(swarm)) == (["app_web"], "1 3")


def test_images_of_services_that_stay_are_not_asked_for(
    deploy: Deploy, swarm: FakeSwarm, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    answer = swarm.inspect_distribution

    def inspect(reference: str) -> dict[str, Any]:
        asked.append(reference)
        return answer(reference)

    monkeypatch.setattr(swarm, "inspect_distribution", inspect)
    swarm.digests = {"db:1": "sha256:aa"}
    deploy(compose=STORE, resolve_image="changed")
    # The tag was pushed again, and another image of the file is nowhere.
    swarm.digests = {"db:1": "sha256:bb"}
    file = STORE.replace("db:1", "missing:1").replace("missing:1", "db:1", 2)
    asked.clear()
    result = deploy(compose=file, services=["db1"], resolve_image="always")
    assert set(asked) == {"db:1"}
    assert result["plan"][-1] == "note: not as the Compose file says, and left so: db2, db3"
    assert images(swarm) == ["db:1@sha256:bb", "db:1@sha256:aa", "db:1@sha256:aa"]
    # The answer holds for the members that follow.
    swarm.digests = {"db:1": "sha256:cc"}
    asked.clear()
    deploy(compose=STORE, services=["db2"], resolve_image="changed")
    deploy(compose=STORE, services=["db3"], resolve_image="changed")
    assert (asked, images(swarm), kept(swarm)) == ([], 3 * ["db:1@sha256:bb"], "1 4")
    assert record(swarm, 4)["images"] == {"db:1": "db:1@sha256:bb"}
    assert (
        "Cannot resolve the image missing:1" in deploy(compose=file, services=["db3"], resolve_image="changed")["msg"]
    )


def test_secrets_of_services_that_stay_are_neither_made_nor_removed(deploy: Deploy, swarm: FakeSwarm) -> None:
    file = """
services:
  web: {image: "web:1", networks: {front: null}, secrets: [{source: db_password}]}
  db1: {image: "db:1", networks: {front: null}, secrets: [{source: db_password}]}
  other: {image: "web:1", networks: {front: null}}
networks: {front: null}
secrets: {db_password: {external: true}}
"""

    def options(generation: int) -> dict[str, Any]:
        return {**generated(generation), "compose": file.replace("web:1", f"web:{generation}"), "keep_releases": 1}

    deploy(**options(1))
    assert deploy(**options(2), services=["other"])["plan"] == [
        "update service other (replaces its tasks)",
        "note: not as the Compose file says, and left so: db1, web",
    ]
    assert list(swarm.stores["secret"]) == ["app_db_password_v1"]
    swarm.calls.clear()
    refused = deploy(**options(2), services=["web"])["msg"]
    assert refused.startswith(
        "secrets.db_password is not in the Compose file what it is in the newest release, and web"
    )
    assert swarm.calls == []
    assert deploy(**options(2), services=["web", "db1"])["plan"] == [
        "create secret app_db_password_v2 (generation 2)",
        "update service web (replaces its tasks)",
        "update service db1 (replaces its tasks)",
        "remove release app.release.1 (older than those kept)",
        "remove release app.release.2 (a step on the way)",
        "remove secret app_db_password_v1 (no kept release names it)",
    ]
    assert list(swarm.stores["secret"]) == ["app_db_password_v2"]


def test_a_config_of_a_service_that_stays_needs_no_file_to_be_sent(
    deploy: Deploy, swarm: FakeSwarm, tmp_path: Path
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("one", encoding="utf-8")
    new.write_text("two", encoding="utf-8")
    file = f"""
services:
  web: {{image: "web:1", networks: {{front: null}}}}
  db1: {{image: "db:1", networks: {{front: null}}, configs: [{{source: c}}]}}
networks: {{front: null}}
configs: {{c: {{file: {old}}}}}
"""
    deploy(compose=file)
    before = json.dumps(swarm.stores["service"]["app_db1"]["Spec"])
    old.unlink()
    changed = file.replace(str(old), str(new)).replace("web:1", "web:2")
    assert deploy(compose=changed, services=["web"])["release"] == 2
    assert json.dumps(swarm.stores["service"]["app_db1"]["Spec"]) == before
    assert deploy(compose=changed, services=["db1"])["plan"][1] == "update service db1 (replaces its tasks)"
    (name,) = swarm.stores["service"]["app_db1"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]
    assert (content(swarm, "config", name), kept(swarm)) == (b"two", "1 3")
