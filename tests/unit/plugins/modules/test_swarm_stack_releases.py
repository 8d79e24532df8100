# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack and the releases of a stack: what is recorded and kept, and the way back. A manager in memory."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import refusal
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import (
    FILE,
    ONE,
    TWO,
    Deploy,
    container,
    content,
    generated,
    record,
)


def spec(swarm: FakeSwarm) -> str:
    """Of the service web."""
    return json.dumps(swarm.stores["service"]["app_web"]["Spec"], sort_keys=True)


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
