# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the tasks of drained nodes can go, by the cases of test__drain.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._drain import (
    Forecast,
    forecast,
    lagging,
    local_data,
    refusal,
)
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.module_utils.stack_cases import node, service

DATA = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


def nodes(written: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, given in written.items():
        options = dict(given or {})
        resources = options.pop("resources", None)
        made.append(node(name, options.pop("labels", None), **options))
        made[-1]["Description"]["Resources"] = resources
    return made


def services(written: dict[str, Any]) -> list[dict[str, Any]]:
    made = []
    for name, given in written.items():
        options = dict(given or {})
        template = {"ContainerSpec": {"Image": "web:1", "Mounts": options.pop("mounts", None)}}
        template.update({key: options.pop(key) for key in ("Placement", "Resources") if key in options})
        made.append(service(name, None, TaskTemplate=template, **options))
    return made


def tasks(written: list[str]) -> list[dict[str, Any]]:
    """Each as "service node state", a node of "-" for none and a state of "stopping" for one that shall not run."""
    made = []
    for number, (name, place, state) in enumerate(line.split() for line in written):
        made.append(
            {
                "ID": f"t{number:02}",
                "ServiceID": f"id-{name}",
                "NodeID": "" if place == "-" else f"id-{place}",
                "DesiredState": "shutdown" if state == "stopping" else "running",
                "Status": {"State": "running" if state == "stopping" else state},
            }
        )
    return made


@pytest.mark.parametrize("case", DATA["forecasts"], ids=lambda case: case["case"])
def test_forecast(case: dict[str, Any]) -> None:
    leaving = {f"id-{name}" for name in case.get("leaving", ["n1"])}
    seen = forecast(nodes(case["nodes"]), services(case["services"]), tasks(case["tasks"]), leaving)
    assert [one.words for one in seen.stranded] == case.get("stranded", [])
    assert seen.given_up == {f"id-{name}": count for name, count in case.get("given_up", {}).items()}
    assert sum(seen.given_up.values()) <= sum(one.homeless for one in seen.stranded)


@pytest.mark.parametrize("case", DATA["mounts"], ids=lambda case: case["case"])
def test_what_is_on_the_disk(case: dict[str, Any]) -> None:
    (made,) = services({"db": {"mounts": [case["mount"]]}})
    assert local_data(made) == case["data"]


@pytest.mark.parametrize("case", DATA["waits"], ids=lambda case: case["case"])
def test_lagging(case: dict[str, Any]) -> None:
    given_up = {f"id-{name}": count for name, count in case["given_up"].items()}
    assert lagging(given_up, services(case["services"]), tasks(case["tasks"]), {"id-n1"}) == case["lagging"]


def test_the_refusal_names_each_way_out_once() -> None:
    case = next(case for case in DATA["forecasts"] if case["case"] == "data and a label")
    seen = forecast(nodes(case["nodes"]), services(case["services"]), tasks(case["tasks"]), {"id-n1"})
    message = refusal(seen.stranded)
    assert message.count("move the data") == 1
    assert message.count("give another node what it lacks") == 1
    assert message.count("web on n1") == 1
    assert "when_stranded: stop" in message
    assert "give another node" not in refusal([one for one in seen.stranded if one.data])


def test_empty_nodes_have_nothing_to_lose() -> None:
    assert forecast(nodes({"n1": {}}), services({"web": {}}), [], {"id-n1"}) == Forecast()
