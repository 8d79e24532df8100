# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stores' own servers on this machine, as the programs of the app are tested on them.

Tests are left out where there is none: redis-server on PATH from 7.2 on, the first with WAITAOF; a PostgreSQL.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from redis import Redis
from redis.exceptions import RedisError

from lab.daemons import wait_for

CONFIGURATION = Path(__file__).resolve().parents[2] / "apps" / "redis" / "redis.conf"
SECONDS_TO_START = 20
NOBODY = 65534
# PostgreSQL does not run as root.
AS_NOBODY: dict[str, Any] = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
# Debian keeps the server's programs of each version in a folder of their own, the newest last.
POSTGRES_PATH = os.pathsep.join(
    [*sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")), reverse=True), os.environ["PATH"]]
)


def redis_version() -> str:
    """Of the redis-server on PATH, "none" where there is no such program."""
    if shutil.which("redis-server") is None:
        return "none"
    told = subprocess.run(["redis-server", "--version"], capture_output=True, text=True, check=True).stdout
    return told.split("v=")[1].split()[0]


REDIS = redis_version()
on_redis = pytest.mark.skipif(
    REDIS == "none" or [int(number) for number in REDIS.split(".")] < [7, 2],
    reason=f"redis-server 7.2 or newer is not on PATH (there is: {REDIS})",
)
on_postgres = pytest.mark.skipif(
    None in (shutil.which(name, path=POSTGRES_PATH) for name in ("initdb", "postgres")),
    reason="there is no PostgreSQL server on this machine",
)


def eventually(answer: Callable[[], bool]) -> None:
    assert wait_for(answer, seconds=SECONDS_TO_START, interval=0.02), "it did not come to be"


@contextmanager
def public_folder() -> Iterator[Path]:
    """A temporary folder open to the user nobody, which tmp_path, the project and a home need not be."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def copy_program(program: Path, folder: Path) -> Path:
    """In a folder that is public; the checkout's files need not be."""
    copy = Path(shutil.copy(program, folder))
    copy.chmod(0o755)
    return copy


class RedisProcess:
    """A Redis with the configuration of the image, on the disk of ``folder``. admin: a client that may do all."""

    def __init__(self, folder: Path, options: Sequence[str], admin: Redis) -> None:
        configuration = folder / "redis.conf"
        text = CONFIGURATION.read_text(encoding="utf-8")
        configuration.write_text(text.replace("dir /data", f"dir {folder}"), encoding="utf-8")
        self.command = ["redis-server", str(configuration), "--repl-diskless-sync-delay", "0", *options]
        self.admin = admin
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL)
        eventually(self._answers)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def _answers(self) -> bool:
        assert self.process.poll() is None, "the server ended while it started"
        try:
            return bool(self.admin.ping())
        except RedisError:
            return False


class PostgresProcess:
    """A PostgreSQL in a public folder, with its socket in ``data``; in ``log`` is what it and programs beside it said.

    Its administrator needs the password over the network, and none at the socket.
    """

    def __init__(self, folder: Path, password: str) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.server: subprocess.Popen[bytes] | None = None
        self.data.mkdir(mode=0o700)
        word = folder / "word"
        word.write_text(password, encoding="utf-8")
        if AS_NOBODY:
            os.chown(self.data, NOBODY, NOBODY)
        options = ["--username=postgres", "--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={word}"]
        assert self.begin("initdb", "--no-sync", *options).wait() == 0, self.said()

    def begin(self, *command: str | Path, **environment: str) -> subprocess.Popen[bytes]:
        """A program beside the server, which finds it by its environment."""
        known = {**os.environ, "PATH": POSTGRES_PATH, "PGDATA": str(self.data), "PGHOST": str(self.data), **environment}
        with self.log.open("a") as log:
            return subprocess.Popen(command, cwd="/", env=known, stdout=log, stderr=log, **AS_NOBODY)

    def start(self, *settings: str, through: Sequence[Path] = (), **environment: str) -> None:
        """through: the program that starts the server."""
        given = [f"unix_socket_directories={self.data}", "fsync=off", *settings]
        options = [part for setting in given for part in ("-c", setting)]
        self.server = self.begin(*through, "postgres", *options, **environment)
        eventually(self._answers)

    def stop(self) -> None:
        if self.server is not None:
            self.server.send_signal(signal.SIGINT)
            self.server.wait(timeout=SECONDS_TO_START)

    def copy(self, program: Path) -> Path:
        """The program, where the user nobody can start it."""
        return copy_program(program, self.folder)

    def administer(self) -> psycopg.Connection:
        # Not at the address that tests give to those who go to the name db.
        return psycopg.connect(f"host={self.data} hostaddr='' user=postgres dbname=postgres", autocommit=True)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def _answers(self) -> bool:
        try:
            self.administer().close()
        except psycopg.OperationalError:
            return False
        return True


@contextmanager
def new_postgres(password: str) -> Iterator[PostgresProcess]:
    """One that is not started, and that has ended afterwards."""
    with public_folder() as folder:
        server = PostgresProcess(folder, password)
        try:
            yield server
        finally:
            server.stop()
