# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Serving the API on a port."""

from __future__ import annotations

import logging
import socket

import uvicorn

from lab.api.app import create_app
from lab.api.settings import Settings
from lab.balancers.base import Balancers
from lab.machines.base import MachineBackend


class PortError(Exception):
    """A port that cannot be listened on; the message names it and the reason."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens from now on, so that nobody else can take the port. PortError where somebody has it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise PortError(
            f"port {port} on {host} cannot be used ({error.strerror}): take a free one (LAB_API_PORT, or --port), "
            "or end what uses it"
        ) from None
    return listener


def build_server(settings: Settings, backend: MachineBackend, balancers: Balancers) -> uvicorn.Server:
    """A server that is not running yet; ``run()`` blocks, ``should_exit = True`` ends it."""
    app = create_app(settings, backend, balancers)
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=app.state.cloud.connections.protocol(),
            access_log=False,
            log_level=logging.WARNING,
            lifespan="on",
            ws="none",
            timeout_graceful_shutdown=5,
        )
    )


def serve(settings: Settings, backend: MachineBackend, balancers: Balancers, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT."""
    build_server(settings, backend, balancers).run(sockets=[listener])
