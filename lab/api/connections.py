# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clients' connections, so that a fault can cut one: HTTP itself knows no way not to answer."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

Peer = tuple[str, int]


class Connections:
    """Open connections by the address and port of the client."""

    def __init__(self) -> None:
        self._open: dict[Peer, asyncio.Transport] = {}

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol that uvicorn is to serve, so that its connections are known here."""
        connections = self._open

        class Protocol(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as in H11Protocol
                super().connection_made(transport)
                connections[_peer(transport)] = transport

            def connection_lost(self, exc: Exception | None) -> None:
                connections.pop(_peer(self.transport), None)
                super().connection_lost(exc)

        return Protocol

    def cut(self, client: Any) -> None:
        """End the connection of an ASGI scope's ``client``, without another byte."""
        connection = self._open.get(tuple(client))
        if connection is not None:
            connection.abort()


def _peer(transport: asyncio.BaseTransport) -> Peer:
    host, port, *_ = transport.get_extra_info("peername")
    return host, port
