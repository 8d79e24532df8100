# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only the lab has: faults, the journal of requests, the rate limit of one's choice."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import requests
from hcloud import APIException

from lab.api.ratelimit import RateLimit


@pytest.mark.parametrize("path", ["/health", "/requests", "/faults"])
def test_needs_the_token(api: Any, path: str) -> None:
    assert httpx.get(f"{api.root}/_lab{path}", timeout=60).status_code == 401
    assert api.lab.get(path).status_code == 200


def test_health_names_the_machines(api: Any) -> None:
    api.server()
    health = api.lab.get("/health").json()
    assert health == {"status": "ok", "machines": "none", "servers": 1, "running_actions": 0}


def test_the_journal_counts_reads_and_writes(api: Any) -> None:
    server = api.server()
    api.lab.delete("/requests")
    api.do("GET", "/servers")
    api.do("PUT", f"/servers/{server['id']}", {"labels": {}})
    api.do("GET", f"/servers/{server['id']}")
    journal = api.lab.get("/requests").json()
    assert (journal["reads"], journal["writes"]) == (2, 1)
    assert {"method": "PUT", "endpoint": "/servers/{id}", "count": 1} in journal["endpoints"]
    assert [entry["status"] for entry in journal["log"]] == [200, 200, 200]
    assert api.token not in str(journal)


def test_a_fault_strikes_the_nth_match_only(api: Any) -> None:
    fault = {
        "method": "GET",
        "path": "/servers",
        "nth": 2,
        "status": 503,
        "code": "unavailable",
        "message": "try later",
    }
    assert api.lab.post("/faults", json=fault).status_code == 201
    assert [api.http.get("/servers").status_code for _ in range(3)] == [200, 503, 200]
    assert [(rule["seen"], rule["effects"]) for rule in api.lab.get("/faults").json()["faults"]] == [(3, 1)]


def test_the_sdk_gets_over_a_conflict(api: Any) -> None:
    api.lab.put("/faults", json=[{"method": "POST", "status": 409, "code": "conflict", "times": 2}])
    assert api.sdk.placement_groups.create("group", "spread").placement_group.name == "group"
    api.lab.put("/faults", json=[{"status": 423, "code": "locked"}])
    with pytest.raises(APIException) as error:
        api.sdk.servers.get_all()
    assert error.value.code == "locked"


def test_an_answer_can_be_lost_after_the_work(api: Any) -> None:
    fault = {"method": "POST", "path": "/placement_groups", "status": 400, "code": "lost", "when": "after", "times": 1}
    api.lab.post("/faults", json=fault)
    body = {"name": "group", "type": "spread"}
    assert api.do("POST", "/placement_groups", body, expect=400)["error"]["code"] == "lost"
    assert api.do("POST", "/placement_groups", body, expect=409)["error"]["code"] == "uniqueness_error"


@pytest.mark.parametrize(("when", "made"), [("before", []), ("after", ["group"])])
def test_a_connection_can_end_without_an_answer(api: Any, when: str, made: list[str]) -> None:
    api.lab.put("/faults", json=[{"method": "POST", "drop": True, "when": when, "times": 1}])
    with pytest.raises(requests.exceptions.ConnectionError):
        api.sdk.placement_groups.create("group", "spread")
    assert [group.name for group in api.sdk.placement_groups.get_all()] == made
    assert [entry["status"] for entry in api.lab.get("/requests").json()["log"]] == [0, 200]


def test_dropped_connections_leave_the_others_alone(api: Any) -> None:
    api.do("GET", "/locations")
    api.lab.put("/faults", json=[{"path": "/servers", "drop": True}])
    with httpx.Client(base_url=api.endpoint, headers=api.http.headers, timeout=60) as other:
        for _ in range(3):
            with pytest.raises(httpx.TransportError):
                other.get("/servers")
            assert other.get("/locations").status_code == 200
    api.do("GET", "/locations")


def test_a_read_that_takes_too_long_is_tried_again(api: Any) -> None:
    """The SDK gives up waiting, and asks once more."""
    api.lab.put("/faults", json=[{"path": "/locations", "delay": 5, "nth": 1}])
    api.sdk._client._timeout = 0.3
    assert len(api.sdk.locations.get_all()) == 6


def test_an_action_can_be_made_to_fail(serve: Callable[..., Any]) -> None:
    fault = {"on": "action", "command": "create_server", "code": "server_error", "message": "host went away"}
    api = serve(faults=[fault])
    answer = api.do("POST", "/servers", {"name": "one", "server_type": "cpx22", "image": "debian-13"})
    ended = api.wait(answer["action"], *answer["next_actions"])
    assert ended[0]["error"] == {"code": "server_error", "message": "host went away"}
    assert [action["status"] for action in ended] == ["error", "error"]
    assert api.do("GET", "/servers")["servers"] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"path": "("},
        {"nth": 0},
        {"status": 200, "code": "ok"},
        {"colour": "red"},
        {"drop": True, "code": "x"},
        {"on": "action", "drop": True},
        {"on": "interface", "code": "x"},
    ],
)
def test_bad_faults_are_refused(api: Any, fault: dict[str, Any]) -> None:
    assert api.lab.post("/faults", json=fault).status_code == 422


def test_the_rate_limit_answers_429_with_its_reset(serve: Callable[..., Any]) -> None:
    api = serve(rate_limit=3)
    responses = [api.http.get("/locations") for _ in range(4)]
    assert [response.status_code for response in responses] == [200, 200, 200, 429]
    assert responses[3].json()["error"]["code"] == "rate_limit_exceeded"
    assert [response.headers["RateLimit-Remaining"] for response in responses] == ["2", "1", "0", "0"]
    assert responses[3].headers["RateLimit-Limit"] == "3"
    assert int(responses[3].headers["RateLimit-Reset"]) > 0


def test_the_rate_limit_refills_evenly() -> None:
    now = 0.0
    limit = RateLimit(3600, clock=lambda: now)
    assert all(limit.take() for _ in range(3600))
    assert not limit.take()
    now = 1.0
    assert limit.take()
    assert not limit.take()


def test_the_token_is_not_logged(api: Any, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]) -> None:
    api.http.get("/servers", headers={"Authorization": "Bearer wrong-secret"})
    api.do("GET", "/servers")
    output = capfd.readouterr()
    logged = [record.getMessage() for record in caplog.records if record.name.startswith(("lab", "uvicorn"))]
    assert not any(secret in text for secret in (api.token, "wrong-secret") for text in (*output, *logged))
