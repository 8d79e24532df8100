# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The result page. RESULT_MODULES names the folder of its modules, where they are not beside it."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from lab.daemons import wait_for
from tests.apps.leaving import LEAVE_SECONDS, leave

RESULT = Path(__file__).resolve().parents[2] / "apps" / "result"
MODULES = Path(os.environ.get("RESULT_MODULES", RESULT / "node_modules"))
on_node = pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js on this machine")

# The page is served on port 80 and asks a database on another server: here both are on ports of their own.
ELSEWHERE = """
import { Server, Socket } from "node:net";

const listen = Server.prototype.listen;
Server.prototype.listen = function (port, host, ...others) {
  return listen.call(this, PAGE, "127.0.0.1", ...others);
};

const connect = Socket.prototype.connect;
Socket.prototype.connect = function (port, host, ...others) {
  return host === "db" ? connect.call(this, DATABASE, "127.0.0.1") : connect.call(this, port, host, ...others);
};
"""


@on_node
def test_the_result_page_passes_its_own_tests() -> None:
    tests = Path(__file__).with_name("result.test.mjs")
    run = subprocess.run(["node", "--test", tests], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stdout + run.stderr


class Served:
    """The result page as in its image. database: the port on which it asks."""

    def __init__(self, folder: Path, database: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        shutil.copytree(RESULT, folder, ignore=shutil.ignore_patterns("node_modules"))
        (folder / "node_modules").symlink_to(MODULES)
        elsewhere = ELSEWHERE.replace("PAGE", str(self.port)).replace("DATABASE", str(database))
        (folder / "elsewhere.mjs").write_text(elsewhere, encoding="utf-8")
        self.process = subprocess.Popen(
            ["node", "--import", "./elsewhere.mjs", "server.js"],
            cwd=folder,
            env=os.environ | {"POSTGRES_PASSWORD": "x"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def status(self, path: str, known: str = "") -> int | None:
        """Of a page, asked with the ETag that is known of it; None where nobody answers."""
        headers = {"If-None-Match": known} if known else {}
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, timeout=10).status_code
        except httpx.TransportError:
            return None

    def becomes_healthy(self) -> bool:
        return wait_for(lambda: self.status("/healthz") == 200, seconds=20, interval=0.05)


@contextmanager
def serving(folder: Path, database: int) -> Iterator[Served]:
    served = Served(folder, database)
    yield served
    served.process.kill()
    served.process.wait()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A page that has no database."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    with serving(tmp_path / "result", nobody) as served:
        assert served.becomes_healthy()
        yield served


with_modules = pytest.mark.skipif(not MODULES.is_dir(), reason=f"the modules of the result page are not in {MODULES}")


@on_node
@with_modules
def test_files_are_known_by_their_content_alone_as_all_files_of_an_image_have_the_same_time(served: Served) -> None:
    headers = httpx.get(f"http://127.0.0.1:{served.port}/style.css").headers
    known = headers["ETag"]
    digest = base64.urlsafe_b64encode(hashlib.sha256((RESULT / "public" / "style.css").read_bytes()).digest())
    assert known == f'"{digest.decode().rstrip("=")}"'
    assert "max-age=0" in headers["Cache-Control"]
    assert "Last-Modified" not in headers
    assert served.status("/style.css", known) == 304
    assert served.status("/result.js", known) == 200


@on_node
@with_modules
def test_a_page_that_starts_is_there_once_its_database_has_answered_or_failed(tmp_path: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as database,
        serving(tmp_path / "result", database.getsockname()[1]) as served,
    ):
        database.settimeout(20)
        question, _ = database.accept()
        assert served.status("/healthz") is None
        question.close()
        assert served.becomes_healthy()
        assert served.status("/scores") == 503


@on_node
@with_modules
def test_a_page_that_is_to_stop_says_so_and_answers_everything_before_it_does(served: Served) -> None:
    waited: list[tuple[int | None, float]] = []

    def watch() -> None:
        polling = "/socket.io/?EIO=4&transport=polling"
        greeting = httpx.get(f"http://127.0.0.1:{served.port}{polling}").text
        session = greeting.partition('"sid":"')[2].partition('"')[0]
        waited.append((served.status(f"{polling}&sid={session}"), time.monotonic()))

    watcher = threading.Thread(target=watch)
    begun = leave(served.process, served.status, meanwhile=watcher.start)
    assert served.process.wait(10) == 0
    assert time.monotonic() - begun < 4
    watcher.join()
    ((status, answered),) = waited
    assert status == 200
    assert answered - begun >= LEAVE_SECONDS, "it waited for news until the page stopped"
    assert served.status("/") is None
