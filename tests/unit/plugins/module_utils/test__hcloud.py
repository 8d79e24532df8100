# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The client of the Hetzner Cloud API against a server that answers by script."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _hcloud
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._hcloud import Cloud, CloudError

if TYPE_CHECKING:
    from collections.abc import Iterator

TOKEN = "token-of-the-tests"


class Script:
    """Answers requests in order, the last one for ever, and remembers what was asked."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], Any]] = []
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        self.answers.append((status, {key.replace("_", "-"): value for key, value in headers.items()}, body))

    def error(self, status: int, code: str, details: Any = None, **headers: str) -> None:
        self.answer({"error": {"code": code, "message": "no", "details": details}}, status, **headers)

    def next(self, request: str) -> tuple[int, dict[str, str], bytes]:
        with self._lock:
            self.asked.append(request)
            status, headers, body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return status, headers, body.encode() if isinstance(body, str) else json.dumps(body).encode()


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def endpoint(script: Script) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, headers, body = script.next(f"{self.command} {self.path}")
            self.send_response(status)
            for key, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 (the names http.server calls)

        def log_message(self, *_args: object) -> None:
            """Nothing is logged."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cloud(endpoint: str) -> Iterator[Cloud]:
    with Cloud(f" {TOKEN}\n", f"{endpoint}/", timeout=20) as cloud:
        yield cloud


@pytest.fixture
def delays(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses the client takes, which then take no time."""
    taken: list[float] = []
    monkeypatch.setattr("time.sleep", taken.append)
    return taken


def page(kind: str, names: list[str], next_page: int | None) -> dict[str, Any]:
    return {kind: [{"name": name} for name in names], "meta": {"pagination": {"next_page": next_page}}}


def action(number: int, status: str, **error: str) -> dict[str, Any]:
    return {"id": number, "command": "start_server", "status": status, "error": error or None}


def test_reads_all_pages(script: Script, cloud: Cloud) -> None:
    script.answer(page("servers", ["a", "b"], 2))
    script.answer(page("servers", ["c"], None))
    assert [server["name"] for server in cloud.read("servers", name="x")] == ["a", "b", "c"]
    assert script.asked == [f"GET /v1/servers?name=x&page={number}&per_page=50" for number in (1, 2)]


@pytest.mark.parametrize("token", ["", " \n", "two words", "t\nken", "tökén"])
def test_what_cannot_be_a_token(token: str) -> None:
    with pytest.raises(CloudError, match="HCLOUD_TOKEN or hetzner_api_token") as refusal:
        Cloud(token, "http://127.0.0.1:1/v1", timeout=1)
    assert not token.strip() or token not in str(refusal.value)


LASTING = [
    (401, "unauthorized", "no (unauthorized). Check the token: HCLOUD_TOKEN or hetzner_api_token."),
    (409, "uniqueness_error", "no (uniqueness_error)."),
    (
        412,
        "resource_unavailable",
        "no (resource_unavailable). The location is out of stock: choose another server_type or another location.",
    ),
    (422, "invalid_input", "no (invalid_input)."),
]


@pytest.mark.parametrize(("status", "code", "message"), LASTING)
def test_lasting_errors_are_told_at_once(
    script: Script, cloud: Cloud, delays: list[float], status: int, code: str, message: str
) -> None:
    script.error(status, code)
    with pytest.raises(CloudError) as failure:
        cloud.perform("POST", "/servers", {})
    assert (str(failure.value), failure.value.code, delays) == (message, code, [])
    assert len(script.asked) == 1


def test_the_field_at_fault_is_named(script: Script, cloud: Cloud) -> None:
    script.error(422, "invalid_input", {"fields": [{"name": "image", "messages": ["is odd", "is old"]}, {"name": "x"}]})
    with pytest.raises(CloudError) as failure:
        cloud.perform("POST", "/servers", {})
    assert str(failure.value) == "no (invalid_input; image: is odd, is old; x: refused)."


PASSING = [
    (409, "conflict"),
    (423, "locked"),
    (429, "rate_limit_exceeded"),
    (500, "server_error"),
    (502, "bad_gateway"),
    (503, "unavailable"),
    (504, "timeout"),
]


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_passing_errors_are_waited_out(
    script: Script, cloud: Cloud, delays: list[float], status: int, code: str
) -> None:
    script.error(status, code)
    script.error(status, code)
    script.answer(page("servers", ["a"], None))
    assert cloud.read("servers") == [{"name": "a"}]
    assert len(delays) == 2
    assert all(0.5 <= delay <= 10 for delay in delays)


def test_an_error_that_does_not_pass_is_told_when_time_is_up(script: Script, endpoint: str) -> None:
    script.error(423, "locked")
    with Cloud(TOKEN, endpoint, timeout=1) as cloud, pytest.raises(CloudError, match="locked"):
        cloud.perform("POST", "/servers", {})


@pytest.mark.parametrize(
    ("seconds", "remaining", "least", "most"), [(7, "0", 5, 7), (3600, "0", 60, 60), (7, "9", 0.5, 0.5)]
)
def test_the_rate_limit_tells_how_long_to_wait(
    script: Script, endpoint: str, delays: list[float], seconds: int, remaining: str, least: float, most: float
) -> None:
    reset = str(int(time.time()) + seconds)
    script.error(429, "rate_limit_exceeded", RateLimit_Reset=reset, RateLimit_Remaining=remaining)
    script.answer(page("servers", [], None))
    with Cloud(TOKEN, endpoint, timeout=600) as cloud:
        cloud.read("servers")
    assert least <= delays[0] <= most


def test_a_gateway_that_knows_no_json(script: Script, cloud: Cloud, delays: list[float]) -> None:
    script.answer("<html>busy</html>", 502)
    script.answer("<html>gone</html>", 410)
    with pytest.raises(CloudError, match=r"Gone \(http_410\)"):
        cloud.read("servers")
    assert len(delays) == 1


def test_something_else_than_the_cloud(script: Script, cloud: Cloud) -> None:
    script.answer("<html>Welcome!</html>")
    with pytest.raises(CloudError, match=r"is no Hetzner Cloud API\. Check api_endpoint"):
        cloud.read("servers")


def test_nobody_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told long before the time limit: this test would not end otherwise."""
    monkeypatch.setattr(_hcloud, "FIRST_CONTACT", 1)
    with (
        Cloud(TOKEN, "http://127.0.0.1:1/v1", timeout=600) as cloud,
        pytest.raises(CloudError, match=r"127\.0\.0\.1:1/v1 cannot be reached: .*refused.* Check api_endpoint") as told,
    ):
        cloud.read("servers")
    assert TOKEN not in str(told.value)


def test_an_endpoint_that_is_none() -> None:
    with Cloud(TOKEN, "api.hetzner.cloud/v1", timeout=600) as cloud, pytest.raises(CloudError, match="No scheme"):
        cloud.read("servers")


def test_all_actions_share_the_polls(script: Script, endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Long enough for both answers to be there on a machine that is busy.
    monkeypatch.setattr(_hcloud, "GATHERING", 2)
    script.answer({"action": action(1, "running"), "next_actions": [action(2, "running"), action(3, "success")]})
    script.answer({"action": action(4, "running")})
    script.answer({"actions": [action(1, "success"), action(2, "running"), action(4, "success")]})
    script.answer({"actions": [action(2, "success")]})
    with Cloud(TOKEN, endpoint, timeout=20) as cloud, ThreadPoolExecutor() as pool:
        list(pool.map(lambda _: cloud.perform("POST", "/servers", {}), range(2)))
    polls = [request for request in script.asked if request.startswith("GET")]
    assert polls == [
        "GET /v1/actions?id=1&id=2&id=4&page=1&per_page=50",
        "GET /v1/actions?id=2&page=1&per_page=50",
    ]


FAILED_ACTIONS = [
    ([action(1, "error", code="action_failed", message="no space")], "no space (action_failed)."),
    ([], "the API no longer knows it (unknown_action)."),
]


@pytest.mark.parametrize(("actions", "reason"), FAILED_ACTIONS)
def test_an_action_that_fails(script: Script, cloud: Cloud, actions: list[dict[str, Any]], reason: str) -> None:
    script.answer({"action": action(1, "running")})
    script.answer({"actions": actions})
    with pytest.raises(CloudError) as failure:
        cloud.perform("POST", "/servers", {})
    assert str(failure.value) == f"The action start_server (1) failed: {reason}"


def test_an_action_that_meets_a_lock_is_started_again(script: Script, cloud: Cloud) -> None:
    script.answer({"action": action(1, "error", code="locked", message="server is locked")})
    script.answer({"action": action(2, "success")})
    assert cloud.perform("POST", "/servers/7/actions/poweron")["action"]["id"] == 2


def test_an_action_that_takes_too_long(script: Script, endpoint: str) -> None:
    script.answer({"action": action(1, "running")})
    script.answer({"actions": [action(1, "running")]})
    with Cloud(TOKEN, endpoint, timeout=1) as cloud, pytest.raises(CloudError, match=r"start_server \(1\) still runs"):
        cloud.perform("POST", "/servers", {})


def test_polls_that_fail_are_told_to_those_who_wait(script: Script, cloud: Cloud) -> None:
    script.answer({"action": action(1, "running")})
    script.error(401, "unauthorized")
    with pytest.raises(CloudError, match="Check the token"):
        cloud.perform("POST", "/servers", {})


def test_until_names_what_it_waits_for(endpoint: str) -> None:
    states = iter(["starting", "starting", "running"])
    with Cloud(TOKEN, endpoint, timeout=5) as cloud:
        assert cloud.until(lambda: next(states), lambda state: state if state == "starting" else "") == "running"
    with Cloud(TOKEN, endpoint, timeout=1) as cloud, pytest.raises(CloudError, match="Not within 1 s: web-1 is off"):
        cloud.until(lambda: None, lambda _: "web-1 is off")
