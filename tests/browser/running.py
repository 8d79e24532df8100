# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The programs behind the two pages, started on free ports of the loopback interface."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import psycopg
import pytest

from tests.apps.servers import AS_NOBODY, NOBODY, POSTGRES_PATH

APPS = Path(__file__).resolve().parents[2] / "apps"
HERE = Path(__file__).resolve().parent
# Of the result page: scripts/setup puts them beside it.
MODULES = Path(os.environ.get("RESULT_MODULES", APPS / "result" / "node_modules"))
SECONDS = 30


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Program:
    """A server on a port, which can be stopped and started again. What it says is in a file of ``folder``."""

    def __init__(self, folder: Path, command: list[str | Path], port: int, **environment: str) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.command = command
        self.port = port
        self.environment = os.environ | environment
        self.user: dict[str, Any] = {}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.stop()

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, env=self.environment, stdout=log, stderr=log, **self.user
            )
        deadline = time.monotonic() + SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                pytest.fail(f"it did not start: {(self.folder / 'log').read_text(encoding='utf-8', errors='replace')}")
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(timeout=SECONDS)
        finally:
            self.process.kill()

    def answers(self) -> bool:
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0


def redis(folder: Path) -> Program:
    """A queue that has on disk what it says it has."""
    port = free_port()
    here = ["--bind", "127.0.0.1", "--port", str(port)]
    disk = ["--appendonly", "yes", "--appendfsync", "always", "--save", ""]
    return Program(folder, ["redis-server", *here, *disk], port)


def vote_page(folder: Path, names: tuple[str, str], queue_port: int) -> Program:
    port = free_port()
    program: list[str | Path] = [sys.executable, "-m", "gunicorn", "--config", APPS / "vote" / "gunicorn.conf.py"]
    # Not the file in /dev/shm that says of a container that it leaves.
    options = ["--bind", f"127.0.0.1:{port}", "--workers", "1", "--env", "LEAVING="]
    command = [*program, *options, "--pythonpath", f"{APPS / 'vote'},{HERE}", "vote_here:create()"]
    return Program(folder, command, port, OPTION_A=names[0], OPTION_B=names[1], QUEUE_PORT=str(queue_port))


def result_page(folder: Path, names: tuple[str, str], database_port: int) -> Program:
    # In the image the programs lie beside their modules, and find them there.
    shutil.copytree(APPS / "result", folder, ignore=shutil.ignore_patterns("node_modules"))
    (folder / "node_modules").symlink_to(MODULES)
    port = free_port()
    command: list[str | Path] = ["node", "--import", HERE / "result_here.mjs", "server.js"]
    return Program(
        folder,
        command,
        port,
        OPTION_A=names[0],
        OPTION_B=names[1],
        PORT=str(port),
        PGPORT=str(database_port),
        POSTGRES_PASSWORD="not asked for",
    )


class Database(Program):
    """A PostgreSQL with the worker's table, in ``folder``, which is for this alone."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        data = folder / "data"
        settings = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        super().__init__(folder, ["postgres", "-D", data, "-p", str(port), *settings], port, PATH=POSTGRES_PATH)
        self.user = AS_NOBODY
        if self.user:
            os.chown(folder, NOBODY, NOBODY)
        command: list[str | Path] = ["initdb", "--pgdata", data, "--username=postgres", "--auth=trust", "--no-sync"]
        subprocess.run(command, check=True, cwd=folder, env=self.environment, stdout=subprocess.DEVNULL, **self.user)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(f"host=127.0.0.1 port={self.port} user=postgres", autocommit=True)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def count(self, a: int, b: int) -> None:
        """Let the votes be so many."""
        with self.connect() as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS votes (id VARCHAR(255) NOT NULL UNIQUE, vote VARCHAR(255))")
            with connection.transaction():
                connection.execute("TRUNCATE votes")
                for choice, votes in (("a", a), ("b", b)):
                    connection.execute(
                        "INSERT INTO votes SELECT %s::text || n, %s FROM generate_series(1, %s) AS n",
                        (choice, choice, votes),
                    )
