# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import fakeredis
import pytest
from flask.testing import FlaskClient
from vote import create_app


@pytest.fixture
def server() -> fakeredis.FakeServer:
    return fakeredis.FakeServer()


@pytest.fixture
def queue(server: fakeredis.FakeServer) -> fakeredis.FakeRedis:
    return fakeredis.FakeRedis(server=server)


@pytest.fixture
def browser(queue: fakeredis.FakeRedis, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("OPTION_A", "Tea")
    monkeypatch.setenv("OPTION_B", "<Coffee>")
    monkeypatch.setattr("socket.gethostname", lambda: "container-7")
    return create_app(queue).test_client()


def queued(queue: fakeredis.FakeRedis) -> list[dict[str, str]]:
    return [json.loads(item) for item in queue.lrange("votes", 0, -1)]


def test_the_page_names_the_options_and_the_container(browser: FlaskClient) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert "Tea" in page.text
    assert "&lt;Coffee&gt;" in page.text
    assert "<Coffee>" not in page.text
    assert "container-7" in page.text
    assert 'aria-pressed="true"' not in page.text


@pytest.mark.parametrize("choice", ["a", "b"])
def test_a_vote_is_queued_under_the_voter_that_the_browser_is(
    browser: FlaskClient, queue: fakeredis.FakeRedis, choice: str
) -> None:
    browser.set_cookie("voter_id", "verify-server-fsn-1")
    page = browser.post("/", data={"vote": choice})
    assert page.status_code == 200
    assert "Thank you" in page.text
    assert queued(queue) == [{"voter_id": "verify-server-fsn-1", "vote": choice}]


def test_a_new_voter_keeps_one_id(browser: FlaskClient, queue: fakeredis.FakeRedis) -> None:
    browser.get("/")
    browser.post("/", data={"vote": "a"})
    browser.post("/", data={"vote": "b"})
    first, second = queued(queue)
    assert first["voter_id"] == second["voter_id"]
    assert len(first["voter_id"]) == 32


@pytest.mark.parametrize("sent", ["x" * 256, "bell\a"])
def test_an_id_that_no_row_can_hold_is_replaced(browser: FlaskClient, queue: fakeredis.FakeRedis, sent: str) -> None:
    browser.set_cookie("voter_id", sent)
    browser.post("/", data={"vote": "a"})
    assert queued(queue)[0]["voter_id"] != sent


def test_the_page_remembers_the_choice(browser: FlaskClient) -> None:
    browser.post("/", data={"vote": "a"})
    page = browser.get("/")
    assert "You voted for <strong>Tea</strong>" in page.text
    assert page.text.count('aria-pressed="true"') == 1


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browser: FlaskClient) -> None:
    cookies = browser.post("/", data={"vote": "a"}).headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


@pytest.mark.parametrize("form", [{}, {"vote": "c"}, {"vote": ""}, {"choice": "a"}])
def test_what_is_no_choice_is_refused(browser: FlaskClient, queue: fakeredis.FakeRedis, form: dict[str, str]) -> None:
    page = browser.post("/", data=form)
    assert page.status_code == 400
    assert "Your vote was not taken" in page.text
    assert queued(queue) == []


def test_a_vote_that_cannot_be_queued_is_never_thanked_for(browser: FlaskClient, server: fakeredis.FakeServer) -> None:
    browser.post("/", data={"vote": "a"})
    server.connected = False
    page = browser.post("/", data={"vote": "b"})
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "5"
    assert "Your vote was not taken" in page.text
    assert "Thank you" not in page.text

    server.connected = True
    assert "You voted for <strong>Tea</strong>" in browser.get("/").text


def test_the_process_is_alive_without_its_queue(browser: FlaskClient, server: fakeredis.FakeServer) -> None:
    server.connected = False
    assert browser.get("/healthz").status_code == 200
    assert browser.get("/").status_code == 200
