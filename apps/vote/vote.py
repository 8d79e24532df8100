# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vote page: takes one choice of two and puts it on the queue.

A vote is the JSON object {"voter_id": ..., "vote": "a" | "b", "order": n}, appended to the Redis list ``votes`` at
redis:6379. The page thanks the voter only when the vote is stored; otherwise it answers 503 and says so.
"""

from __future__ import annotations

import os
import secrets
import socket
from http import HTTPStatus
from pathlib import Path

from flask import Flask, Response, make_response, render_template, request
from redis import Redis
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as QueueConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from votequeue import PATIENCE_MS, VoteQueue

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


def login() -> dict[str, str]:
    """The account REDIS_USER with the password in the file REDIS_PASSWORD_FILE; none where neither is set."""
    user, path = os.environ.get("REDIS_USER"), os.environ.get("REDIS_PASSWORD_FILE")
    if not user and not path:
        return {}
    if not user or not path:
        raise ValueError("Set both REDIS_USER and REDIS_PASSWORD_FILE (a file's path), or neither.")
    return {"username": user, "password": Path(path).read_text(encoding="utf-8").rstrip("\n")}


def connect() -> Redis:
    """The client of Redis. Its pool grows to as many connections as there are threads."""
    # A connection that is refused or broken is tried again, and nobody notices. Silence is not: it holds a thread.
    return Redis(
        host="redis",
        **login(),
        socket_connect_timeout=1,
        socket_timeout=2 * PATIENCE_MS / 1000 + 0.5,
        retry=Retry(ExponentialBackoff(cap=0.4, base=0.1), 2, supported_errors=(QueueConnectionError,)),
    )


def replicas() -> int:
    """How many replicas must have a vote on disk: VOTE_REPLICAS, none where it is not set."""
    told = os.environ.get("VOTE_REPLICAS") or "0"
    if not told.isdecimal():
        raise ValueError(f"VOTE_REPLICAS is a number of replicas, not {told!r}")
    return int(told)


def voter_id() -> str:
    """The id that the browser sent, or a new one where it sent none that could be stored."""
    sent = request.cookies.get(VOTER_COOKIE, "")
    if 0 < len(sent) <= VOTER_ID_LENGTH and sent.isprintable():
        return sent
    return secrets.token_hex(16)


def current_choice() -> str | None:
    """The choice that the browser was thanked for last."""
    choice = request.cookies.get(CHOICE_COOKIE)
    return choice if choice in CHOICES else None


def create_app(redis: Redis | None = None) -> Flask:
    """The WSGI application. OPTION_A and OPTION_B name the choices; ``redis`` replaces the client in tests."""
    app = Flask(__name__)
    votes = VoteQueue(redis or connect(), replicas())
    options = {"a": os.environ.get("OPTION_A", "Cats"), "b": os.environ.get("OPTION_B", "Dogs")}
    hostname = socket.gethostname()
    leaving = os.environ.get("LEAVING", "")

    def page(outcome: str, choice: str | None, status: HTTPStatus = HTTPStatus.OK) -> Response:
        body = render_template("index.html", outcome=outcome, choice=choice, options=options, hostname=hostname)
        response = make_response(body, status)
        response.headers.update(HEADERS)
        return response

    def remember(response: Response, name: str, value: str) -> None:
        secure = request.headers.get("X-Forwarded-Proto") == "https"
        response.set_cookie(name, value, max_age=COOKIE_SECONDS, httponly=True, secure=secure, samesite="Lax")

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
            votes.put(voter, choice)
        except RedisError as error:
            app.logger.error("a vote was not confirmed: %s", error)
            response = page("unavailable", current_choice(), HTTPStatus.SERVICE_UNAVAILABLE)
            response.headers["Retry-After"] = "5"
        else:
            response = page("stored", choice)
            remember(response, CHOICE_COOKIE, choice)
        remember(response, VOTER_COOKIE, voter)
        return response

    @app.get("/healthz")
    def alive() -> Response:
        if leaving and Path(leaving).exists():
            return Response("leaving\n", HTTPStatus.SERVICE_UNAVAILABLE, mimetype="text/plain")
        return Response("alive\n", mimetype="text/plain")

    return app
