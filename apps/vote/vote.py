# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vote page: takes one choice of two and puts it on the queue.

A vote is the JSON object {"voter_id": ..., "vote": "a" | "b"}, appended to the Redis list ``votes`` at redis:6379. The
page thanks the voter only when the queue has taken the vote; otherwise it answers 503 and says so.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
from http import HTTPStatus

from flask import Flask, Response, make_response, render_template, request
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

QUEUE = "votes"
CHOICES = ("a", "b")
VOTER_COOKIE = "voter_id"
CHOICE_COOKIE = "choice"
COOKIE_SECONDS = 365 * 24 * 3600
VOTER_ID_LENGTH = 255  # the width of the column that the worker writes to

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def connect() -> Redis:
    """The queue's client. A vote is tried again once or twice: saying the same vote twice counts once."""
    return Redis(
        host="redis",
        socket_connect_timeout=1,
        socket_timeout=2,
        retry=Retry(ExponentialBackoff(cap=0.4, base=0.1), retries=2),
    )


def voter_id() -> str:
    """The id that the browser sent, or a new one where it sent none that could be stored."""
    sent = request.cookies.get(VOTER_COOKIE, "")
    if 0 < len(sent) <= VOTER_ID_LENGTH and sent.isprintable():
        return sent
    return secrets.token_hex(16)


def create_app(queue: Redis | None = None) -> Flask:
    """The WSGI application. OPTION_A and OPTION_B name the choices; ``queue`` replaces the client in tests."""
    app = Flask(__name__)
    votes = queue or connect()
    options = {"a": os.environ.get("OPTION_A", "Cats"), "b": os.environ.get("OPTION_B", "Dogs")}
    hostname = socket.gethostname()

    def page(outcome: str, choice: str | None, status: HTTPStatus = HTTPStatus.OK) -> Response:
        body = render_template("index.html", outcome=outcome, choice=choice, options=options, hostname=hostname)
        response = make_response(body, status)
        response.headers.update(HEADERS)
        return response

    def remember(response: Response, name: str, value: str) -> None:
        response.set_cookie(name, value, max_age=COOKIE_SECONDS, httponly=True, samesite="Lax")

    def current_choice() -> str | None:
        choice = request.cookies.get(CHOICE_COOKIE)
        return choice if choice in CHOICES else None

    @app.get("/")
    def show() -> Response:
        response = page("ready", current_choice())
        remember(response, VOTER_COOKIE, voter_id())
        return response

    @app.post("/")
    def vote() -> Response:
        voter = voter_id()
        choice = request.form.get("vote", "")
        if choice not in CHOICES:
            return page("unknown", current_choice(), HTTPStatus.BAD_REQUEST)
        try:
            votes.rpush(QUEUE, json.dumps({"voter_id": voter, "vote": choice}))
        except RedisError as error:
            app.logger.error("a vote could not be stored: %s", error)
            response = page("unavailable", current_choice(), HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = "5"
        else:
            response = page("stored", choice)
            remember(response, CHOICE_COOKIE, choice)
        remember(response, VOTER_COOKIE, voter)
        return response

    @app.get("/healthz")
    def alive() -> Response:
        return Response("alive\n", mimetype="text/plain")

    return app
