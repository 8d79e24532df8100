# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A registry of container images in this process, over plain HTTP: as much of one as pushing and looking needs."""

from __future__ import annotations

import hashlib
import re
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Registry(ThreadingHTTPServer):
    """manifests: by ``repository:tag`` and ``repository@digest``. refuses: whether it takes nothing from anybody."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.address = f"127.0.0.1:{self.server_port}"
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.uploads: dict[str, bytes] = {}
        self.refuses = False


@contextmanager
def serving() -> Iterator[Registry]:
    """A registry that listens on a port of its own."""
    with Registry() as registry:
        thread = Thread(target=registry.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield registry
        finally:
            registry.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Registry

    def do_GET(self) -> None:
        if self.path == "/v2/":
            self._answer(200)
        elif found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            kind, content = self.server.manifests.get(_name(*found.groups()), ("", b""))
            self._answer(200 if content else 404, content, kind)
        else:
            content = self.server.blobs.get(self.path.rpartition("/")[2], b"")
            self._answer(200 if content else 404, content)

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        if self.server.refuses:
            self._answer(401, headers={"WWW-Authenticate": 'Basic realm="here"'})
            return
        place = f"{self.path.partition('?')[0]}{len(self.server.uploads)}"
        self.server.uploads[place] = b""
        self._answer(202, headers={"Location": place})

    def do_PATCH(self) -> None:
        self.server.uploads[self.path] += self._read()
        self._answer(202, headers={"Location": self.path})

    def do_PUT(self) -> None:
        content = self._read()
        if found := re.fullmatch(r"/v2/(.+)/manifests/(.+)", self.path):
            repository, reference = found.groups()
            stored = (self.headers["Content-Type"], content)
            self.server.manifests[_name(repository, reference)] = stored
            self.server.manifests[_name(repository, _digest(content))] = stored
        else:
            content = self.server.uploads.pop(self.path.partition("?")[0]) + content
            self.server.blobs[_digest(content)] = content
        self._answer(201)

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""

    def _read(self) -> bytes:
        if "Content-Length" in self.headers:
            return self.rfile.read(int(self.headers["Content-Length"]))
        content = b""
        while size := int(self.rfile.readline(), 16):
            content += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return content

    def _answer(self, status: int, content: bytes = b"", kind: str = "", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if content:
            self.send_header("Content-Type", kind or "application/octet-stream")
            self.send_header("Docker-Content-Digest", _digest(content))
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _name(repository: str, reference: str) -> str:
    return f"{repository}{'@' if ':' in reference else ':'}{reference}"


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
