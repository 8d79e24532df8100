# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The planner of swarm_settings, by the cases of test__settings.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step, summary
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._settings import (
    NUMBERS,
    ROTATIONS,
    Cluster,
    Wish,
    behind,
    granted,
    makes_key,
    plan,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.swarm_cases import nodes

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def wish(options: dict[str, Any]) -> Wish:
    return Wish.from_options({**dict.fromkeys([*NUMBERS, "autolock"]), "rotate": [], **options})


def cluster(sections: dict[str, Any] | None = None) -> Cluster:
    return Cluster.from_api({**DATA["cluster"], "Spec": {**DATA["cluster"]["Spec"], **(sections or {})}})


def planned(case: dict[str, Any]) -> list[Step]:
    return plan(wish(case["options"]), cluster(case.get("cluster")), nodes(case.get("nodes", {}), DATA["node"]))


@pytest.mark.parametrize("case", DATA["plans"], ids=lambda case: case["case"])
def test_plan(case: dict[str, Any]) -> None:
    assert summary(planned(case)) == case["plan"]


@pytest.mark.parametrize("case", DATA["plans"], ids=lambda case: case["case"])
def test_what_is_not_named_stays_in_the_spec(case: dict[str, Any]) -> None:
    spec = cluster(case.get("cluster")).spec
    assert granted(wish(case["options"]), spec) == {**spec, **case.get("spec", {})}


@pytest.mark.parametrize("case", DATA["refusals"], ids=lambda case: case["case"])
def test_refusal(case: dict[str, Any]) -> None:
    with pytest.raises(Refused) as refusal:
        planned(case)
    assert case["refused"] in str(refusal.value)


def test_settings_in_the_options_units() -> None:
    settings = cluster({"Dispatcher": {"HeartbeatPeriod": 2_500_000_000}, "EncryptionConfig": None}).settings
    assert settings == {
        "dispatcher_heartbeat": 2.5,
        "task_history_limit": 5,
        "snapshot_interval": 10000,
        "keep_old_snapshots": 0,
        "log_entries_for_slow_followers": 500,
        "node_cert_expiry": 2160,
        "autolock": False,
    }


def test_only_what_changes_is_shown() -> None:
    [step] = planned({"options": {"dispatcher_heartbeat": 2, "node_cert_expiry": 2160, "autolock": True}})
    assert (step.before, step.after) == (
        {"dispatcher_heartbeat": 5, "autolock": False},
        {"dispatcher_heartbeat": 2, "autolock": True},
    )


@pytest.mark.parametrize(
    ("options", "locked", "makes"),
    [
        ({}, False, False),
        ({"autolock": True}, False, True),
        ({"autolock": True}, True, False),
        ({"autolock": False}, True, False),
        ({"rotate": ["unlock_key"]}, True, True),
        ({"rotate": ["ca_certificate"]}, True, False),
    ],
)
def test_new_keys(options: dict[str, Any], locked: bool, makes: bool) -> None:
    assert makes_key(wish(options), cluster({"EncryptionConfig": {"AutoLockManagers": locked}})) is makes


def test_who_is_behind() -> None:
    issuers = {"w2": "root-0", "w1": "old", "m1": None}
    items = [
        {"Description": {"Hostname": name, **({"TLSInfo": {"CertIssuerPublicKey": issuer}} if issuer else {})}}
        for name, issuer in issuers.items()
    ]
    assert behind(cluster(), items) == ["m1", "w1"]


def test_every_rotation_is_told() -> None:
    steps = planned({"options": {"autolock": True, "rotate": list(ROTATIONS)}})
    assert [step.verb for step in steps] == ["update"] + ["rotate"] * len(ROTATIONS)
