# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The containers of members of the replicated stores, with stand-ins for what their programs call."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self, cast

import pytest

from lab.daemons import wait_for

APPS = Path(__file__).resolve().parents[2] / "apps"
SECONDS_TO_ACT = 15
# With all the characters that could mean something where it is written, but those that are refused.
PASSWORD = r"#s3cret\\n$HOME&*/%{};`|~"

# What a program ends in: it tells what it was started with.
SERVER = """#!/bin/bash
env >"$BOX/environment"
printf '%s\\n' "${0##*/}" "$@" >"$BOX/served.new" && mv "$BOX/served.new" "$BOX/served"
"""
# The same of a client: what it is told comes by its input.
LISTENER = f"""{SERVER}cat >"$BOX/statements"
"""
# Answers what the test has written for a call like this one; nobody is there for any other.
CLIENT = """#!/bin/bash
call="${0##*/} $*"
echo "$call" >>"$BOX/calls"
source "$BOX/answers"
echo 'nobody is there' >&2
exit 1
"""
PROGRAMS = {
    **dict.fromkeys(("etcd", "redis-server", "patroni"), SERVER),
    **dict.fromkeys(("etcdctl", "redis-cli"), CLIENT),
    "psql": LISTENER,
    "sleep": "#!/bin/bash\nexec /bin/sleep 0.05\n",
}
ENVIRONMENTS = {
    "etcd": {"ETCD_NAME": "etcd-1", "ETCD_MEMBERS": "etcd-1 etcd-2 etcd-3"},
    "redis": {
        "REDIS_NAME": "redis-1",
        "REDIS_MEMBERS": "redis-1 redis-2 redis-3",
        "SENTINEL_MEMBERS": "sentinel-1 sentinel-2 sentinel-3",
    },
    "sentinel": {
        "SENTINEL_NAME": "sentinel-1",
        "REDIS_MEMBERS": "redis-1 redis-2 redis-3",
        "SENTINEL_MEMBERS": "sentinel-1 sentinel-2 sentinel-3",
    },
    "db": {"PATRONI_NAME": "db-1", "PATRONI_SCOPE": "voteapp", "POSTGRES_PASSWORD": "s3cret"},
}


class Member:
    """A member's container: its volume, and the programs that are run in it."""

    def __init__(self, folder: Path, store: str, stand_ins: dict[str, str] = PROGRAMS) -> None:
        self.folder, self.store = folder, store
        self.image = APPS / {"sentinel": "redis"}.get(store, store)
        self.data = folder / "data"
        self.waiting = folder / "waiting"
        self.memory = folder / "memory"
        self.data.mkdir(parents=True)
        self.memory.mkdir()
        programs = folder / "programs"
        programs.mkdir()
        for name, text in stand_ins.items():
            (programs / name).write_text(text, encoding="utf-8")
            (programs / name).chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{self.image}:{os.environ['PATH']}",
            "BOX": str(folder),
            "WAITING": str(self.waiting),
            "DATA": str(self.data),
            "MEMORY": str(self.memory),
            "ETCD_DATA_DIR": str(self.data),
            "PGDATA": str(self.data / "pgdata"),
            **ENVIRONMENTS[store],
        }
        self.answers({})
        self.started: list[subprocess.Popen[str]] = []

    def fill(self, *files: str, text: str = "old") -> None:
        for name in files:
            path = self.data / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def files(self) -> set[str]:
        """What is in the volume, less what says whose it is."""
        files = {str(path.relative_to(self.data)) for path in self.data.rglob("*") if path.is_file()}
        return files - {".lock", ".name"}

    def ask_for(self, password: str) -> None:
        """Gives the container the administrator's password, without an end of line as secrets often are."""
        secret = self.folder / "secret"
        secret.write_text(password, encoding="utf-8")
        self.environment["REDIS_PASSWORD_FILE"] = str(secret)

    def answers(self, answers: dict[str, str]) -> None:
        """What clients are told: {pattern of a call: answer}. The first pattern that fits is taken."""
        lines = [
            f"like={shlex.quote(like)}; [[ $call != $like ]] || {{ printf '%s\\n' {shlex.quote(answer)}; exit 0; }}\n"
            for like, answer in answers.items()
        ]
        (self.folder / "answers.new").write_text("".join(lines), encoding="utf-8")
        (self.folder / "answers.new").rename(self.folder / "answers")

    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def start(self, program: str, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        path = self.image / program
        interpreter = [sys.executable] if "python" in path.read_text(encoding="utf-8").partition("\n")[0] else []
        with (self.folder / "said").open("w") as said:
            process = subprocess.Popen(
                [*interpreter, path, *arguments],
                env=self.environment | environment,
                stdout=said,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        self.started.append(process)
        return process

    def run(self, program: str, *arguments: str, **environment: str) -> tuple[int, str]:
        code = self.start(program, *arguments, **environment).wait(SECONDS_TO_ACT)
        return code, self.said()

    def said(self) -> str:
        return (self.folder / "said").read_text(encoding="utf-8")

    def served(self) -> list[str]:
        """The server that was started, with its arguments."""
        path = self.folder / "served"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def environment_of_server(self) -> set[str]:
        return set((self.folder / "environment").read_text(encoding="utf-8").splitlines())

    def waits(self, process: subprocess.Popen[str], text: str) -> None:
        """Sees that the start says why it waits, and goes on waiting for some rounds."""
        eventually(lambda: text in self.said() and self.waiting.exists())
        asked = len(self.calls())
        eventually(lambda: len(self.calls()) > asked + 6 or self.store in ("etcd", "db"))
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.3)
        assert not self.served()

    def goes_on(self, process: subprocess.Popen[str]) -> list[str]:
        assert process.wait(SECONDS_TO_ACT) == 0, self.said()
        assert not self.waiting.exists()
        return self.served()

    def end(self) -> None:
        while self.started:
            process = self.started.pop()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def eventually(answer: Callable[[], bool], seconds: float = SECONDS_TO_ACT, pause: float = 0.02) -> None:
    assert wait_for(answer, seconds=seconds, interval=pause)


def container(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Member]:
    """Of the store that the test names by ``of``: what each module of tests has as its fixture ``member``."""
    member = Member(tmp_path, request.param)
    yield member
    member.end()


def is_held(lock: Path) -> bool:
    """Whether a process of a container has the volume still."""
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def of(*stores: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("member", stores, indirect=True)


def begin(member: Member) -> subprocess.Popen[str]:
    """A start of a member, whatever its store is, that finds no etcd."""
    program = "sentinel" if member.store == "sentinel" else "member"
    return member.start(program, REPLICATION_PASSWORD="r", PATRONI_ETCD3_HOSTS="127.0.0.1:1")


class Service(ThreadingHTTPServer):
    """Answers at some paths, as the function of each says."""

    def __init__(self, answers: dict[str, Callable[[bytes], str]], status: int = 200) -> None:
        super().__init__(("127.0.0.1", 0), Request)
        self.answers, self.status = answers, status
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05})

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()


class Request(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        service = cast("Service", self.server)
        answer = service.answers.get(self.path)
        text = answer(self.rfile.read(int(self.headers.get("Content-Length", 0)))) if answer else ""
        self.send_response(service.status if answer else 404)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:
        self.do_GET()

    def log_request(self, *_: object) -> None:
        pass


# What members are told where all is well.


def votes(*masters: str | None) -> dict[str, str]:
    """What the sentinels say about the master. None is one that does not answer."""
    return {
        f"redis-cli -h sentinel-{number} -p 26379 sentinel get-master-addr-by-name votes": f"{name}\n6379"
        if name
        else ""
        for number, name in enumerate(masters, 1)
        if name is not None
    }


LINKED = {"*redis-cli -t 2 info replication": "role:slave\nmaster_link_status:up", "*config set*": "OK"}
MANIFEST = "appendonlydir/appendonly.aof.manifest"
HEALTH = {"*=3s endpoint health": "is healthy"}
VOTER = {"*endpoint status*": '[{"Endpoint":"127.0.0.1:2379","Status":{"leader":1,"raftTerm":2}}]'}
COMPLETE = {"pgdata/PG_VERSION", "pgdata/global/pg_control"}


def cluster(*members: str) -> dict[str, Any]:
    """What Patroni tells of its cluster, from "role state lag" of each member."""
    told = []
    for number, text in enumerate(members, 1):
        role, state, *lag = text.split()
        told.append(
            {"name": f"db-{number}", "role": role, "state": state} | ({"lag": json.loads(lag[0])} if lag else {})
        )
    return {"members": told, "scope": "voteapp"}


LEADER, SYNC, ASYNC = "leader running", "sync_standby streaming 0", "replica streaming 0"
