# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What every request passes before its endpoint: routing, the token, the rate limit, faults; and the journal."""

from __future__ import annotations

import asyncio
import secrets
import time
from http import HTTPStatus

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from lab.api.cloud import Cloud
from lab.api.endpoints import Endpoint
from lab.api.errors import ApiError, method_not_allowed, not_found, rate_limited, unauthorized

API = "/v1"


class Gate:
    """ASGI middleware. Unknown routes are told before the token is looked at, as the cloud does."""

    def __init__(self, app: ASGIApp, cloud: Cloud, endpoints: list[Endpoint]) -> None:
        self._app = app
        self._cloud = cloud
        self._endpoints = endpoints
        self._expected = f"Bearer {cloud.settings.token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"].startswith(f"{API}/"):
            await self._serve_cloud(scope, receive, send)
        else:
            await self._serve_lab(scope, receive, send)

    async def _serve_lab(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self._endpoint(scope)
        except ApiError as error:
            await error.response()(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _serve_cloud(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = time.monotonic()
        path = scope["path"].removeprefix(API)
        endpoint, status = "unknown", 500
        allowed = self._cloud.rate_limit.take()
        headers = self._cloud.rate_limit.headers() | {"X-Correlation-Id": secrets.token_hex(16)}

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                answered = MutableHeaders(scope=message)
                answered.update(headers)
                if status == HTTPStatus.NO_CONTENT:
                    # FastAPI names a type for nothing, and hcloud-go then reads that nothing as JSON.
                    del answered["Content-Type"]
            await send(message)

        try:
            if not allowed:
                raise rate_limited()
            endpoint = self._endpoint(scope).removeprefix(API)
            await self._serve_with_faults(path, scope, receive, answer)
        except ApiError as error:
            await error.response()(scope, receive, answer)
        except _DroppedError:
            status = 0
            await _hung_up(receive)
        finally:
            self._cloud.journal.record(scope["method"], endpoint, path, status, time.monotonic() - began)

    def _endpoint(self, scope: Scope) -> str:
        """The endpoint's template, once the request is known to be for one and to be allowed."""
        endpoint = next((known for known in self._endpoints if known.pattern.match(scope["path"])), None)
        if endpoint is None:
            raise not_found(f"endpoint '{scope['path']}'")
        given = Headers(scope=scope).get("authorization", "").encode()
        if not secrets.compare_digest(given, self._expected):
            raise unauthorized()
        if scope["method"] not in endpoint.methods:
            raise method_not_allowed(endpoint.methods)
        return endpoint.template

    async def _serve_with_faults(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        fault = self._cloud.faults.for_request(scope["method"], path)
        if fault is None:
            await self._app(scope, receive, send)
            return
        await asyncio.sleep(fault.delay)
        if fault.code is None and not fault.drop:
            await self._app(scope, receive, send)
            return
        if fault.when == "after":
            await self._app(scope, receive, _lose)
        if fault.drop:
            self._cloud.connections.cut(scope["client"])
            raise _DroppedError
        raise ApiError(fault.status, str(fault.code), fault.message)


class _DroppedError(Exception):
    """The connection is gone: nothing can be answered any more."""


async def _hung_up(receive: Receive) -> None:
    """Until the server has noticed as well: an application that just returns would be taken for broken."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lose(message: Message) -> None:
    """An answer that never reaches the client."""
