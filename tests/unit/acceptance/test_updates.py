# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the acceptance suite `updates` makes of requests and of tasks. Cases are in test_updates.yml."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.acceptance import figures
from tests.acceptance.data import ledger
from tests.acceptance.data.ledger import Attempt
from tests.acceptance.data.losses import Loss
from tests.acceptance.stack.deployment import Swarm
from tests.acceptance.updates import drill, lost, scaling, services
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.services import Services, Task
from tests.acceptance.updates.side_by_side import CHANGES, Way, beside

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
OK = 200


class Clock:
    """Time that passes while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def cases(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", CASES[name], ids=lambda case: case["case"])


def requests(lines: list[str]) -> list[Attempt]:
    """Each line: page with hyphens, through, when it began and ended, what it came to."""
    made = []
    for line in lines:
        page, through, began, ended, status = line.split(maxsplit=4)
        told = int(status) if status.isdecimal() else status
        name = page.replace("-", " ")
        made.append(Attempt("", "", through, float(began), float(ended), told, told == OK, name))
    return made


def seen(tasks: dict[str, str], images: dict[str, str] | None = None, update: str = "") -> Services:
    """Services as a manager lists them. tasks: service by ID."""
    names = set(tasks.values())
    return Services(
        images or dict.fromkeys(names, "good"),
        dict.fromkeys(names, update),
        [Task(number, service, "one") for number, service in tasks.items()],
    )


@cases("told")
def test_what_people_were_told(case: dict[str, Any]) -> None:
    told = Drill("update of vote", 10, 20).told(requests(case["requests"]))
    assert {name: told[name] for name in case["told"]} == case["told"]
    assert (told["drill"], told["seconds"], told["seconds_before"]) == ("update of vote", 10, drill.CALM)


def test_the_timeline_has_the_calm_before_and_after() -> None:
    lines = ["vote a 5 5.5 200", "vote a 10 10.5 200", "scores a 10 10.7 503", "vote a 24 24.5 200", "vote a 25 26 200"]
    timeline = Drill("", 10, 20).told(requests(lines))["timeline"]
    assert timeline == {
        "acknowledged": "1 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 1",
        "refused": "0 0 0 0 0 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0",
    }


@cases("failing")
def test_no_request_may_fail(case: dict[str, Any]) -> None:
    attempts = requests([line for line in case["requests"] for _ in range(case.get("times", 1))])
    assert drill.failing([Drill("update", 10, 20).told(attempts)], attempts, rate=1) == case.get("problems", [])


def test_a_change_is_over_when_it_has_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(drill, "time", clock)
    drills: list[Drill] = []
    with drill.watched("update", drills):
        clock.sleep(60)
    assert drills == [Drill("update", drill.CALM, drill.CALM + 60 + drill.SETTLE)]


def test_requests_that_meet_updates() -> None:
    # Updates that follow each other closely have what was under way between them in common.
    updates = [(10.0, 20.0), (22.0, 30.0)]
    over = 30 + drill.SETTLE
    lines = [
        "vote a 1 9 200",
        "vote a 9 10.5 200",
        "vote a 21 23 200",
        f"scores a {over} 99 503",
        f"vote a {over + 1} 99 200",
    ]
    assert drill.meeting(requests(lines), updates) == 3
    assert drill.meeting(requests(lines), []) == 0


def test_a_finding_sums_its_drills_up() -> None:
    told = [
        Drill("one", 10, 20).told(requests(["vote a 11 12 200", "scores a 11 12 503"])),
        Drill("two", 20, 30).told(requests(["vote a 21 22 200"])),
    ]
    audited = ledger.judge([Attempt("v", "a", "a", 11, 12, OK, acknowledged=True)], {"v": "a"})
    found = drill.finding(told, audited, "two updates", ["it lasts"], updates=2)
    assert found.figure.startswith("two updates; 1 of 3 requests failed meanwhile; 1 votes of 1 voters acknowledged")
    assert found.problems == ["it lasts"]
    assert set(found.data) == {"drills", "ledger", "updates"}
    assert found.grid["one"]["failed"] == "1"


def test_who_looks_at_a_page_has_not_voted() -> None:
    vote = Attempt("v", "a", "192.0.2.1", 1, 2, OK, acknowledged=True)
    look = Attempt("", "", "192.0.2.1", 1, 2, "ReadTimeout", acknowledged=False, page="scores")
    audit = ledger.judge([look, vote], {"v": "a"})
    assert (audit.voters, audit.acknowledged, audit.refused, audit.problems) == (1, 1, 0, [])


@cases("to_be_lost")
def test_which_server_is_lost(case: dict[str, Any]) -> None:
    tasks = [Task(str(number), *line.split()) for number, line in enumerate(case["tasks"])]
    assert services.to_be_lost(tasks, case["leader"], case.get("spared", ())) == case["lost"]


def test_gaps_are_those_of_the_other_servers() -> None:
    loss = Loss("one", "cut off", "192.0.2.1", [], began=100, gone=100.5, back=160, whole=200, lacking=[])
    addresses = {"one": "192.0.2.1", "two": "192.0.2.2", "three": "192.0.2.3"}
    steady = [
        f"{page} 192.0.2.{n} {s} {s} 200" for page in ("vote-page", "result-page") for n in (1, 2) for s in range(200)
    ]
    # Through the third one nobody sees results for a while, whatever else is answered.
    third = [f"vote-page 192.0.2.3 {s} {s} 200" for s in range(200)]
    third += [f"result-page 192.0.2.3 {s} {s} {503 if 100 <= s < 107 else 200}" for s in range(200)]
    third += [f"scores 192.0.2.3 {s} {s} 200" for s in range(200)]
    assert lost.gaps(requests(steady + third), loss, addresses) == {
        "two": {"vote page": 1, "result page": 1},
        "three": {"vote page": 1, "result page": 7},
    }
    assert lost.losing(loss) == Drill("one cut off", 100, 160)


@cases("scaling")
def test_scaling(case: dict[str, Any]) -> None:
    before = seen({"v1": "vote", "v2": "vote", "w1": "worker"})
    assert scaling.flaws(before, seen(case["after"]), case["count"]) == case.get("flaws", [])


@cases("is_back")
def test_a_service_is_back(case: dict[str, Any]) -> None:
    before = seen({"v1": "vote", "v2": "vote", "w1": "worker"})
    tasks = {"v1": "vote", "v3": "vote", "w1": "worker"} if case["tasks"] > 1 else {"v3": "vote", "w1": "worker"}
    now = seen(tasks, {"vote": case["image"], "worker": "good"}, case["update"])
    assert now.is_back(before, ["vote"]) is case["back"]


def test_what_a_manager_lists() -> None:
    def service(number: str, name: str, image: str, stack: str, **more: Any) -> dict[str, Any]:
        template = {"ContainerSpec": {"Image": image}}
        labels = {"com.docker.stack.namespace": stack}
        return {"ID": number, "Spec": {"Name": name, "Labels": labels, "TaskTemplate": template}, **more}

    def task(number: str, of: str, desired: str, state: str) -> dict[str, Any]:
        return {"ID": number, "ServiceID": of, "NodeID": "n1", "DesiredState": desired, "Status": {"State": state}}

    swarm = Swarm(
        services=[
            service("s1", "voteapp_vote", "registry:5000/voteapp/vote:1.2.3@sha256:ab", "voteapp", UpdateStatus={}),
            service(
                "s2",
                "voteapp-data_db-1",
                "db:1",
                "voteapp-data",
                UpdateStatus={
                    "State": "completed",
                    "StartedAt": "1970-01-01T00:01:40.5Z",
                    "CompletedAt": "1970-01-01T00:02:00.123456789Z",
                },
            ),
            service("s3", "app_web", "web:1", "app"),
            service(
                "s4",
                "voteapp_edge",
                "edge:1",
                "voteapp",
                UpdateStatus={"State": "updating", "StartedAt": "1970-01-01T00:01:40Z"},
            ),
        ],
        tasks=[
            task("t1", "s1", "running", "running"),
            task("t2", "s1", "running", "starting"),
            task("t3", "s1", "shutdown", "running"),
            task("t4", "s1", "shutdown", "shutdown"),
            task("t5", "s2", "running", "running"),
            task("t6", "s3", "running", "running"),
        ],
        nodes=[{"ID": "n1", "Description": {"Hostname": "server-1"}}],
        configs=[],
    )
    told = services.read(swarm)
    assert told.version("vote") == "1.2.3"
    assert told.updates == {"vote": "", "voteapp-data_db-1": "completed", "edge": "updating"}
    assert told.updated == {"voteapp-data_db-1": (100.5, 120.123456)}
    assert told.tasks == [Task("t1", "vote", "server-1"), Task("t5", "voteapp-data_db-1", "server-1")]
    assert (told.of("vote"), told.others("vote")) == ({"t1"}, {"t5"})


def test_the_page_has_all_drills_in_one_table() -> None:
    def row(name: str, data: dict[str, Any]) -> dict[str, Any]:
        at = {"date": "2026-11-27", "commit": "abc"}
        return {"row": name, "figure": "fine", "verdict": "holds", "at": at, "data": data}

    drills = [Drill(name, 10, 20).told(requests(["vote a 11 12 200"])) for name in ("update", "rotation")]
    machine = {"system": "Debian", "cores": 2, "memory_gib": 4}
    rows = [row("one", {"drills": drills[:1]}), row("none", {}), row("two", {"drills": drills[1:]})]
    text = figures.section({"machine": machine, "rows": rows})
    assert "| update | 1 | 1 | 0 | 1.0 s | 10 s |\n| rotation | 1 | 1 | 0 | 1.0 s | 10 s |" in text
    assert figures.section({"machine": machine, "rows": rows[1:2]}).count("|---") == 4


def test_ways_beside_each_other() -> None:
    told = [Drill("update of vote", 10, 20).told(requests(["vote a 11 12 503", "vote a 11 12 200"]))]
    other = [*told, Drill("a server killed", 30, 40).told([])]
    assert beside({"edge": told, "mesh": other}) == {
        "update of vote": dict.fromkeys(("edge", "mesh"), "1 of 2 requests failed"),
        "a server killed": {"edge": "-", "mesh": "0 of 0 requests failed"},
    }


def test_both_ways_go_through_the_same_changes() -> None:
    assert CHANGES == {"update of vote, result, worker at once": 2, "vote to 6 tasks": 6, "vote to 2 tasks": 2}


def test_what_a_way_lacks_is_told() -> None:
    told = [Drill("one", 10, 20).told(requests(["vote a 11 12 200", "scores a 11 12 503"]))]
    figure = "1 of 2 requests failed, 4 s at most without a page through a server that survives another's death"
    good = Way(told, ledger.judge([], {}), 4, failing=["some fail"], flaws=[])
    assert good.figure == figure
    assert replace(good, flaws=["db has 0 of 1"]).figure == f"{figure}, not so: db has 0 of 1"
