# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""swarm_stack where only some services shall change: steps, their order, and what stays. A manager in memory."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import (
    ONE,
    TWO,
    Deploy,
    content,
    generated,
    record,
)

STORE = """
services:
  db1: {image: "db:1", networks: {back: null}}
  db2: {image: "db:1", networks: {back: null}}
  db3: {image: "db:1", networks: {back: null}}
networks: {back: null}
"""
NEWER = STORE.replace("db:1", "db:2")


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
