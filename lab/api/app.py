# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The application: all parts put together."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from lab.api import routes
from lab.api.cloud import Cloud
from lab.api.endpoints import endpoints
from lab.api.errors import ApiError, from_validation, json_error, server_error
from lab.api.gate import API, Gate
from lab.api.handlers import register
from lab.api.settings import Settings
from lab.balancers.base import Balancers
from lab.machines.base import MachineBackend

_log = logging.getLogger("lab.api")


def create_app(settings: Settings, backend: MachineBackend, balancers: Balancers) -> FastAPI:
    """The API over machines and load balancers. Its state is loaded now; actions go on when the application starts."""
    cloud = Cloud(settings, backend, balancers)
    register(cloud)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await cloud.machines.restore()
        await cloud.load_balancers.restore()
        cloud.actions.resume()
        yield
        await cloud.stop()

    app = FastAPI(
        title="Lab: Hetzner Cloud API",
        lifespan=lifespan,
        openapi_url=None,
        redirect_slashes=False,
        strict_content_type=False,
    )
    app.state.cloud = cloud
    for router in routes.CLOUD:
        app.include_router(router, prefix=API)
    app.include_router(routes.LAB)
    for error in (ApiError, RequestValidationError, HTTPException, UnicodeEncodeError, Exception):
        app.add_exception_handler(error, _answer_error)
    app.add_middleware(Gate, cloud=cloud, endpoints=endpoints(API, routes.CLOUD) + endpoints("", [routes.LAB]))
    return app


async def _answer_error(request: Request, error: Exception) -> JSONResponse:
    match error:
        case ApiError():
            return error.response()
        case RequestValidationError():
            return from_validation(error).response()
        # FastAPI's word for a body that is not even text, and pydantic's for half of a UTF-16 pair.
        case HTTPException(status_code=400) | UnicodeEncodeError():
            return json_error().response()
        case _:
            _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
            return server_error().response()
