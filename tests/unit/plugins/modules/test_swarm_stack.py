# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack against a manager in memory: what it deploys, repairs, removes, refuses and tells.

Nothing sleeps: a clock is moved on instead. Contents, the lock, releases and the option services have files of their
own, called ``test_swarm_stack_<part>.py``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_lock
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock, FakeCLI, FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import (
    FILE,
    ONE,
    SECRET,
    TWO,
    Deploy,
    container,
    record,
    scale_by_hand,
)

VOLUME = """
services:
  web: {image: "web:1", networks: {front: null}, volumes: [{type: volume, source: data, target: /data}]}
networks: {front: null}
volumes: {data: {}}
"""


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
