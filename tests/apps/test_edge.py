# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The edge as it is configured for the app, with one task that comes and goes."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
import yaml

from lab.daemons import wait_for
from tests.unit.roles.templating import evaluate

ROLE = Path(__file__).parents[2] / "roles" / "voting_app"
SETTINGS = yaml.safe_load((ROLE.parents[1] / "tests/unit/roles/test_voting_app_stack.yml").read_text())["settings"]
TEMPLATE = "{{ lookup('template', template_path) }}"

pytestmark = pytest.mark.skipif(shutil.which("haproxy") is None, reason="there is no HAProxy on this machine")


class Task(BaseHTTPRequestHandler):
    """Answers every question with 200."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *words: object) -> None:
        """Nothing to say."""


@contextmanager
def task(port: int) -> Iterator[None]:
    """A task of vote, until the context is left."""
    server = ThreadingHTTPServer(("127.0.0.1", port), Task)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_an_edge_is_ready_once_it_has_found_a_task_and_stays_with_a_page_where_it_loses_it(tmp_path: Path) -> None:
    with edge(tmp_path) as (address, port):
        assert httpx.get(f"{address}/healthz").status_code == 503
        with task(port):
            assert wait_for(lambda: httpx.get(f"{address}/healthz").status_code == 200, seconds=10)
            assert httpx.get(f"{address}/").status_code == 200
        assert wait_for(lambda: httpx.get(f"{address}/").status_code == 503, seconds=10)
        assert "Back in a moment" in httpx.get(f"{address}/").text
        assert httpx.get(f"{address}/healthz").status_code == 200


@contextmanager
def edge(folder: Path) -> Iterator[tuple[str, int]]:
    """Where the vote page is, and the port of its only task. Tasks are found at an address instead of by name."""
    with ExitStack() as held:
        listeners = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(4)]
        vote, result, health, own = (one.getsockname()[1] for one in listeners)
    ports = {"voting_app_vote_port": vote, "voting_app_result_port": result}
    variables = {**SETTINGS, **ports, "template_path": str(ROLE / "templates" / "edge.cfg.j2")}
    configuration = evaluate(ROLE, TEMPLATE, variables)
    for published, replaced in {
        "server-template vote 32 tasks.vote:80": f"server vote 127.0.0.1:{own}",
        "server-template result 32 tasks.result:80": "",
        "bind *:8082": f"bind 127.0.0.1:{health}",
    }.items():
        assert published in configuration
        configuration = configuration.replace(published, replaced)
    path = folder / "edge.cfg"
    path.write_text(configuration, encoding="utf-8")
    log = folder / "edge.log"
    with log.open("wb") as output:
        process = subprocess.Popen(["haproxy", "-db", "-f", path], stdout=output, stderr=subprocess.STDOUT)
        try:
            listens = wait_for(lambda: _listens(vote), seconds=10)
            assert listens, log.read_text(encoding="utf-8")
            yield f"http://127.0.0.1:{vote}", own
        finally:
            process.kill()
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0
