# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vote page, and its client of Redis against a server that answers, fails and falls silent as told."""

from __future__ import annotations

import json
import logging
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from redis import Redis
from vote import connect, create_app
from votequeue import APPEND, NEXT_ORDER, PATIENCE_MS

from tests.apps.leaving import leave

SILENCE = None
HANG_UP = b""


class Conversation(socketserver.StreamRequestHandler):
    server: QueueServer

    def handle(self) -> None:
        self.server.open += 1
        self.server.connections += 1
        connection = self.server.connections
        try:
            while words := self._words():
                reply = self.server.answer(connection, words)
                if reply == HANG_UP:
                    return
                if reply is not SILENCE:
                    self.wfile.write(reply)
        finally:
            self.server.open -= 1

    def _words(self) -> list[str]:
        """One command, empty at the end of the connection."""
        try:
            count = int(self.rfile.readline()[1:] or 0)
            return [self.rfile.read(int(self.rfile.readline()[1:]) + 2)[:-2].decode() for word in range(count)]
        except ConnectionResetError:
            return []


class QueueServer(socketserver.ThreadingTCPServer):
    """Speaks Redis's protocol as far as the vote page uses it. It runs no script: what the two are to do is done here.

    ``faults`` has, for a step of the page (login, order, append, WAIT, WAITAOF), the answers in place of the next right
    ones. An append that nobody was told of arrives when it is ``delivered``.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.queue: list[str] = []
        self.order = 0
        self.clock = 1_000_000
        self.replicas = 0
        self.faults: dict[str, list[bytes | None]] = {}
        self.under_way: list[list[str]] = []
        self.steps: list[tuple[int, str]] = []
        self.logins: list[list[str]] = []
        self.writes = threading.Event()
        self.writes.set()
        self.open = 0
        self.connections = 0

    def answer(self, connection: int, words: list[str]) -> bytes | None:
        step = {NEXT_ORDER: "order", APPEND: "append"}.get(words[1], words[0])
        if step in ("HELLO", "AUTH"):
            if "AUTH" in words:
                self.logins.append(words[words.index("AUTH") + 1 :])
            if faults := self.faults.get("login"):
                return faults.pop(0)
            return b"%1\r\n$5\r\nproto\r\n:3\r\n" if step == "HELLO" else b"+OK\r\n"
        if step == "CLIENT":
            return b"+OK\r\n"
        self.steps.append((connection, step))
        if faults := self.faults.get(step):
            if step == "append":
                self.under_way.append(words)
            return faults.pop(0)
        if step == "order":
            return b":%d\r\n" % max(self.clock, self.order + 1)
        if step == "append":
            self._append(words)
            return b":%d\r\n" % len(self.queue)
        if step == "WAIT":
            return b":%d\r\n" % self.replicas
        self.writes.wait()
        return b"*2\r\n:1\r\n:%d\r\n" % self.replicas

    def deliver(self) -> None:
        for words in self.under_way:
            self._append(words)

    def _append(self, words: list[str]) -> None:
        order, vote = words[-2:]
        self.order = max(self.order, int(order))
        self.queue.append(vote)

    def votes(self) -> list[tuple[str, str]]:
        """(voter, choice) of each vote on the queue."""
        return [(vote["voter_id"], vote["vote"]) for vote in map(json.loads, self.queue)]

    def orders(self) -> list[int]:
        return [json.loads(vote)["order"] for vote in self.queue]


@pytest.fixture
def server() -> Iterator[QueueServer]:
    with QueueServer() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def redis(server: QueueServer) -> Iterator[Redis]:
    """The page's own client, except that it goes to the stand-in and knows sooner what silence is."""
    with connect() as redis:
        redis.connection_pool.connection_kwargs.update(
            host="127.0.0.1", port=server.server_address[1], socket_timeout=0.3
        )
        yield redis


@pytest.fixture
def browser(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setenv("OPTION_A", "Tea")
    monkeypatch.setenv("OPTION_B", "<Coffee>")
    monkeypatch.setattr("socket.gethostname", lambda: "container-7")
    return create_app(redis).test_client()


def test_the_page_names_the_options_and_the_container(browser: FlaskClient) -> None:
    page = browser.get("/")
    assert page.status_code == 200
    assert "Tea" in page.text
    assert "&lt;Coffee&gt;" in page.text
    assert "<Coffee>" not in page.text
    assert "container-7" in page.text
    assert 'aria-pressed="true"' not in page.text


@pytest.mark.parametrize("choice", ["a", "b"])
def test_a_vote_is_queued_under_the_voter_that_the_browser_is(
    browser: FlaskClient, server: QueueServer, choice: str
) -> None:
    browser.set_cookie("voter_id", "verify-server-fsn-1")
    page = browser.post("/", data={"vote": choice})
    assert page.status_code == 200
    assert "Thank you" in page.text
    assert server.votes() == [("verify-server-fsn-1", choice)]


def test_a_new_voter_keeps_one_id(browser: FlaskClient, server: QueueServer) -> None:
    browser.get("/")
    browser.post("/", data={"vote": "a"})
    browser.post("/", data={"vote": "b"})
    (first, *before), (second, *after) = server.votes()
    assert first == second
    assert len(first) == 32
    assert (before, after) == (["a"], ["b"])


@pytest.mark.parametrize("sent", ["x" * 256, "bell\a"])
def test_an_id_that_no_row_can_hold_is_replaced(browser: FlaskClient, server: QueueServer, sent: str) -> None:
    browser.set_cookie("voter_id", sent)
    browser.post("/", data={"vote": "a"})
    assert server.votes()[0][0] != sent


def test_the_page_remembers_the_choice(browser: FlaskClient) -> None:
    browser.post("/", data={"vote": "a"})
    page = browser.get("/")
    assert "You voted for <strong>Tea</strong>" in page.text
    assert page.text.count('aria-pressed="true"') == 1


def test_cookies_are_out_of_reach_of_scripts_and_other_sites(browser: FlaskClient) -> None:
    cookies = browser.post("/", data={"vote": "a"}).headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in cookies)


@pytest.mark.parametrize("form", [{}, {"vote": "c"}, {"vote": ""}, {"choice": "a"}])
def test_what_is_no_choice_is_refused(browser: FlaskClient, server: QueueServer, form: dict[str, str]) -> None:
    page = browser.post("/", data=form)
    assert page.status_code == 400
    assert "Your vote was not taken" in page.text
    assert server.steps == []


REFUSALS = {
    "a replica now": ("append", b"-READONLY You can't write against a read only replica.\r\n"),
    "a replica without its master": ("order", b"-MASTERDOWN Link with MASTER is down\r\n"),
    "still loading": ("order", b"-LOADING Redis is loading the dataset in memory\r\n"),
    "too few replicas to write": ("append", b"-NOREPLICAS Not enough good replicas to write.\r\n"),
    "memory is full": ("append", b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"),
    "the disk refuses": ("append", b"-MISCONF Errors writing to the AOF file\r\n"),
    "not on disk in time": ("WAITAOF", b"*2\r\n:0\r\n:0\r\n"),
    "without an append-only file": ("WAITAOF", b"-ERR WAITAOF cannot be used when appendonly is disabled.\r\n"),
    "too old for WAITAOF": ("WAITAOF", b"-ERR unknown command 'WAITAOF'\r\n"),
    "logged out": ("order", b"-NOAUTH Authentication required.\r\n"),
    "logged out with the vote": ("append", b"-NOAUTH Authentication required.\r\n"),
    "not allowed any more": ("append", b"-NOPERM User voteapp_1 has no permissions to run the 'eval' command\r\n"),
    "demoted while it waited": ("WAITAOF", b"-UNBLOCKED force unblock from blocking operation\r\n"),
    "silent at once": ("order", SILENCE),
    "silent with the vote": ("append", SILENCE),
    "silent about the disk": ("WAITAOF", SILENCE),
    "hangs up": ("order", HANG_UP),
    "hangs up with the vote": ("append", HANG_UP),
}


@pytest.mark.parametrize(("step", "answer"), REFUSALS.values(), ids=REFUSALS.keys())
def test_a_vote_that_may_not_be_stored_is_never_thanked_for(
    browser: FlaskClient,
    server: QueueServer,
    caplog: pytest.LogCaptureFixture,
    step: str,
    answer: bytes | None,
) -> None:
    browser.set_cookie("voter_id", "ann-the-voter")
    browser.post("/", data={"vote": "a"})
    used = server.connections

    server.faults[step] = [answer] * 9
    page = browser.post("/", data={"vote": "b"})
    assert page.status_code == 503
    assert page.headers["Retry-After"] == "5"
    assert "Your vote was not confirmed" in page.text
    assert "vote again" in page.text
    assert "Thank you" not in page.text
    assert "You voted for <strong>Tea</strong>" in browser.get("/").text, "what was confirmed before is still shown"
    lines = [record.message for record in caplog.records if record.levelno == logging.ERROR]
    assert len(lines) == 1
    assert "ann-the-voter" not in lines[0]

    server.faults.clear()
    server.steps.clear()
    assert browser.post("/", data={"vote": "b"}).status_code == 200
    assert min(server.steps)[0] > used, "the address is asked for anew"
    assert server.votes()[-1] == ("ann-the-voter", "b"), "the voter is the same"
    assert server.orders()[-1] == max(server.orders())


def test_after_a_refusal_no_idle_connection_is_used_again(
    browser: FlaskClient, server: QueueServer, redis: Redis
) -> None:
    pool = redis.connection_pool
    for connection in [pool.get_connection(), pool.get_connection()]:
        pool.release(connection)
    server.faults["append"] = [b"-READONLY You can't write against a read only replica.\r\n"]
    browser.post("/", data={"vote": "a"})
    deadline = time.monotonic() + 5
    while server.open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert server.open == 0


def test_the_disk_is_asked_on_the_connection_that_wrote(browser: FlaskClient, server: QueueServer) -> None:
    browser.post("/", data={"vote": "a"})
    connections, steps = zip(*server.steps, strict=True)
    assert steps == ("order", "append", "WAIT", "WAITAOF")
    assert len(set(connections[1:])) == 1


def test_a_broken_connection_is_made_good_and_its_vote_keeps_its_order(
    browser: FlaskClient, server: QueueServer
) -> None:
    server.faults["WAITAOF"] = [HANG_UP]
    assert browser.post("/", data={"vote": "a"}).status_code == 200
    first, second = server.queue
    assert first == second
    connections, steps = zip(*server.steps, strict=True)
    assert steps == ("order", "append", "WAIT", "WAITAOF", "append", "WAIT", "WAITAOF")
    assert connections[1] < connections[4] == connections[-1], "it is written where the disk is asked"


def test_a_vote_that_arrives_late_does_not_outrank_one_that_was_thanked_for(
    browser: FlaskClient, server: QueueServer
) -> None:
    server.faults["append"] = [SILENCE]
    assert browser.post("/", data={"vote": "a"}).status_code == 503
    server.clock += 5_000_000
    assert browser.post("/", data={"vote": "b"}).status_code == 200
    server.deliver()
    assert server.votes()[-1][1] == "a"
    thanked, late = server.orders()
    assert late < thanked


@pytest.mark.parametrize(
    ("clock", "highest", "expected"),
    [
        (2_000_000, 0, 2_000_000),
        (2_000_000, 1_999_999, 2_000_000),
        (2_000_000, 2_000_000, 2_000_001),
        (2_000_000, 9_000_000, 9_000_001),
    ],
    ids=["an empty queue", "a clock that went on", "a clock that stands", "a clock that was set back"],
)
def test_orders_rise_with_the_clock_and_without_it(
    browser: FlaskClient, server: QueueServer, clock: int, highest: int, expected: int
) -> None:
    server.clock, server.order = clock, highest
    browser.post("/", data={"vote": "a"})
    browser.post("/", data={"vote": "b"})
    assert server.orders() == [expected, expected + 1]


@pytest.mark.parametrize(
    ("asked", "there", "status"),
    [("", 0, 200), ("0", 0, 200), ("0", 2, 200), ("1", 1, 200), ("1", 2, 200), ("1", 0, 503), ("2", 1, 503)],
)
def test_as_many_replicas_have_the_vote_as_were_asked_for(
    server: QueueServer, redis: Redis, monkeypatch: pytest.MonkeyPatch, asked: str, there: int, status: int
) -> None:
    monkeypatch.setenv("VOTE_REPLICAS", asked)
    server.replicas = there
    assert create_app(redis).test_client().post("/", data={"vote": "a"}).status_code == status


@pytest.mark.parametrize("told", ["-1", "two", "1.5"])
def test_a_number_of_replicas_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch, told: str) -> None:
    monkeypatch.setenv("VOTE_REPLICAS", told)
    with pytest.raises(ValueError, match="VOTE_REPLICAS"):
        create_app()


WRONGPASS = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"


@pytest.fixture
def account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from the file\n", encoding="utf-8")
    monkeypatch.setenv("REDIS_USER", "voteapp_1")
    monkeypatch.setenv("REDIS_PASSWORD_FILE", str(tmp_path / "secret"))


def test_the_page_logs_in_where_it_has_an_account(account: None, redis: Redis, server: QueueServer) -> None:
    assert create_app(redis).test_client().post("/", data={"vote": "a"}).status_code == 200
    assert server.logins == [["voteapp_1", "from the file"]]


def test_without_an_account_the_page_does_not_log_in(browser: FlaskClient, server: QueueServer) -> None:
    assert browser.post("/", data={"vote": "a"}).status_code == 200
    assert server.logins == []


def test_an_account_that_is_refused_is_an_outage(account: None, redis: Redis, server: QueueServer) -> None:
    browser = create_app(redis).test_client()
    server.faults["login"] = [WRONGPASS] * 9
    page = browser.post("/", data={"vote": "a"})
    assert page.status_code == 503
    assert "Your vote was not confirmed" in page.text
    server.faults.clear()
    assert browser.post("/", data={"vote": "a"}).status_code == 200
    assert len(server.queue) == 1


@pytest.mark.parametrize("missing", ["REDIS_USER", "REDIS_PASSWORD_FILE"])
def test_half_an_account_is_named(account: None, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setenv(missing, "")
    with pytest.raises(ValueError, match=missing):
        create_app()


def test_the_client_waits_longer_than_redis_does() -> None:
    assert connect().connection_pool.connection_kwargs["socket_timeout"] * 1000 > 2 * PATIENCE_MS


def test_the_process_is_alive_without_its_queue(browser: FlaskClient, server: QueueServer) -> None:
    server.faults["order"] = [HANG_UP] * 9
    assert browser.get("/healthz").status_code == 200
    assert browser.get("/").status_code == 200
    assert server.steps == []


VOTE = Path(__file__).resolve().parents[2] / "apps" / "vote"
PAGE = """
from vote import connect, create_app

def app():
    redis = connect()
    redis.connection_pool.connection_kwargs.update(host="127.0.0.1", port={port}, socket_timeout=20)
    return create_app(redis)
"""


class Served:
    """The vote page under gunicorn, as in its image, with its queue on this machine, for which it waits longer."""

    def __init__(self, folder: Path, queue: QueueServer) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port = listener.getsockname()[1]
        text = (VOTE / "gunicorn.conf.py").read_text(encoding="utf-8")
        for there, here in (("0.0.0.0:80", f"127.0.0.1:{self.port}"), ("/dev/shm/leaving", str(folder / "leaving"))):
            assert text.count(there) == 1
            text = text.replace(there, here)
        (folder / "gunicorn.conf.py").write_text(text, encoding="utf-8")
        (folder / "page.py").write_text(PAGE.format(port=queue.server_address[1]), encoding="utf-8")
        path = os.pathsep.join([str(folder), str(VOTE), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "page:app()"],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": path},
            stderr=subprocess.DEVNULL,
        )

    def status(self, path: str, **form: str) -> int | None:
        """Of a page, or of a form that is sent there; None where nobody answers."""
        data = urllib.parse.urlencode(form).encode() if form else None
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", data, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            error.close()
            return error.code
        except OSError:
            return None


@pytest.fixture
def served(tmp_path: Path, server: QueueServer) -> Iterator[Served]:
    served = Served(tmp_path, server)
    deadline = time.monotonic() + 20
    while served.status("/healthz") != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    yield served
    served.process.kill()
    served.process.wait()


@pytest.mark.skipif(find_spec("gunicorn") is None, reason="gunicorn is not installed")
def test_a_page_that_is_to_stop_says_so_and_answers_everything_before_it_does(
    served: Served, server: QueueServer
) -> None:
    server.writes.clear()
    late: list[int | None] = []
    voter = threading.Thread(target=lambda: late.append(served.status("/", vote="a")))
    begun = leave(served.process, served.status, meanwhile=voter.start)
    assert late == []
    server.writes.set()
    assert served.process.wait(10) == 0
    assert time.monotonic() - begun < 6
    voter.join()
    assert late == [200], "it was under way when the page stopped"
    assert served.status("/") is None
