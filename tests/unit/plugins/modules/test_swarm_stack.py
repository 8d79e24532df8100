# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack against a manager in memory. Nothing sleeps: a clock is moved on instead."""

from __future__ import annotations

import base64
import functools
import getpass
import json
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
    """What a run tells of its progress on the way."""
    lines: list[str] = []

    def log(_module: Any, line: str, **_options: Any) -> None:
        if line.startswith("app: "):
            lines.append(line)

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
    (name,) = swarm.stores["service"]["app_web"]["Spec"]["TaskTemplate"]["ContainerSpec"]["Configs"]
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
    container = swarm.stores["service"]["app_web"]["Spec"]["TaskTemplate"]["ContainerSpec"]
    assert content(swarm, "secret", container["Secrets"][0]) == b"hunter2"
    assert content(swarm, "config", container["Configs"][0]) == b"text"
    assert (container["Configs"][1], len(content(swarm, "config", "app_salt_v1"))) == ("app_salt_v1", 9)
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
        ({"keep_releases": 0}, "keep_releases is 0: keep at least 1"),
        ({"name": "a b"}, "'a b' is no name for a stack"),
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
    assert deploy(state="absent", check=True, **named)["plan"][-2:] == [
        "remove volume app_data",
        "remove volume app_old",
    ]
    assert "app_data" in swarm.stores["volume"]
    result = deploy(state="absent", **named)
    assert result["applied"] == result["plan"]
    assert list(swarm.stores["volume"]) == ["theirs"]
    assert deploy(state="absent", **named)["changed"] is False


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


@pytest.mark.parametrize("options", [{}, {"check": True, "compose": FILE.replace("5$", "6$")}])
def test_what_changes_nothing_waits_for_nobody(
    deploy: Deploy, swarm: FakeSwarm, clock: Clock, options: dict[str, Any]
) -> None:
    deploy()
    lock(swarm, "ann@m2")
    before = clock.now
    swarm.calls.clear()
    result = deploy(**options)
    assert (result.get("failed"), result["changed"]) == (None, bool(options))
    assert (clock.now, swarm.calls) == (before, [])


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
        "app: sends the Compose file",
        "app: app_web 1/1 (its tasks run, their monitor period is not over)",
        "app: all services have converged",
    ]
    assert set(told) == {line[len("app: ") :] for line in journal}


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
