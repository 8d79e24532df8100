# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serving the API on a port."""

from __future__ import annotations

import logging

import uvicorn

from lab.api.app import create_app
from lab.api.settings import Settings
from lab.machines.base import MachineBackend


def build_server(settings: Settings, backend: MachineBackend) -> uvicorn.Server:
    """A server that is not running yet; ``run()`` blocks, ``should_exit = True`` ends it."""
    return uvicorn.Server(
        uvicorn.Config(
            create_app(settings, backend),
            host=settings.host,
            port=settings.port,
            access_log=False,
            log_level=logging.WARNING,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=5,
        )
    )


def serve(settings: Settings, backend: MachineBackend) -> None:
    """Serve until SIGTERM or SIGINT. SystemExit when the port is taken; uvicorn says which."""
    build_server(settings, backend).run()
