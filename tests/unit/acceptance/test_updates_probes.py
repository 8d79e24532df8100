# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How long an edge's own address is closed, and the program that asks. Cases are in test_updates_probes.yml."""

from __future__ import annotations

import asyncio
import io
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from tests.acceptance.stage import Stage
from tests.acceptance.updates import edge, probing
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.probing import Probe
from tests.acceptance.updates.programs import probe

CASES: dict[str, list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_suffix(".yml").read_text(encoding="utf-8"))
STATUSES = {"s": "200", "u": "503", "x": "ConnectionRefusedError"}
UPDATES = [Drill("there", 100, 101), Drill("back", 101, 102)]


@pytest.mark.parametrize("case", CASES["closed"], ids=lambda case: case["case"])
def test_closed(case: dict[str, Any]) -> None:
    probes = [Probe(100 + number / 10, STATUSES[letter]) for number, letter in enumerate(case["probes"])]
    found = edge.closed(probes, UPDATES)
    assert [one["update"] for one in found] == ["there", "back"]
    assert [one["leaving"] for one in found] == pytest.approx(case["leaving"])
    assert [one["closed"] for one in found] == pytest.approx(case["closed"])
    assert [one["starting"] for one in found] == pytest.approx(case.get("starting", [0, 0]))
    assert [one["others"] for one in found] == case.get("others", [0, 0])


def test_spans_are_apart() -> None:
    probes = [Probe(float(number), STATUSES[letter]) for number, letter in enumerate("sxxsxsx")]
    assert probing.spans(probes, lambda one: one.is_refused) == [(1, 3), (4, 5), (6, 6)]
    assert probing.spans([], lambda one: one.is_refused) == []


def test_probes_are_read_in_the_order_they_began() -> None:
    # A question that nobody answers is printed after those that came later.
    text = "100.050 200\n100.000 TimeoutError\n100.100 503\n100.1"
    assert probing.read(text) == [Probe(100.0, "TimeoutError"), Probe(100.05, "200"), Probe(100.1, "503")]
    assert probing.read("") == []


def test_an_edge_that_is_hardly_asked_is_told() -> None:
    often = [Probe(100 + number * probing.INTERVAL, "200") for number in range(40)]
    assert edge.unasked({"one": often, "two": often[:15]}, UPDATES) == ["two is asked all the time (15 times)"]
    # What is asked outside of the updates tells nothing about them.
    early = [Probe(one.began - 50, one.status) for one in often]
    assert len(edge.unasked({"one": early}, UPDATES)) == 1


def test_both_sides_have_the_same_interval() -> None:
    assert probe.INTERVAL == probing.INTERVAL


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.0 200 OK\r\n\r\n", "200"),
        (b"HTTP/1.0 503 Service Unavailable\r\n\r\n", "503"),
        (b"", "closed"),
    ],
)
def test_an_answer(answer: bytes, status: str, capsys: pytest.CaptureFixture[str]) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    async def ask() -> None:
        async with await asyncio.start_server(serve, "127.0.0.1") as server:
            await probe.probe("127.0.0.1", server.sockets[0].getsockname()[1])

    asyncio.run(ask())
    (told,) = probing.read(capsys.readouterr().out)
    assert told.status == status
    assert told.is_refused is (status == "closed")


def test_the_program_asks_until_its_input_ends() -> None:
    program = Path(probe.__file__)
    # Nobody listens at that port.
    with subprocess.Popen(
        [sys.executable, str(program), "127.0.0.1", "1"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(0.3)
        assert process.stdin is not None
        process.stdin.close()
        rest = process.stdout.read()
        assert process.wait(10) == 0
    probes = probing.read(first + rest)
    assert 3 <= len(probes) <= 40
    assert {one.status for one in probes} == {"ConnectionRefusedError"}
    assert all(one.is_refused for one in probes)


class Ssh:
    """A connection in which one server asks another one."""

    ended: int | None

    def __init__(self, command: list[str], **_options: Any) -> None:
        self.stdin = io.BytesIO()
        self.returncode = self.ended

    def poll(self) -> int | None:
        return self.ended

    def wait(self, _seconds: float) -> int:
        assert self.stdin.closed
        return self.ended or 0


@pytest.mark.parametrize("ended", [None, 255])
def test_who_does_not_ask_until_the_end_is_told(
    ended: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Ssh, "ended", ended, raising=False)
    monkeypatch.setattr(subprocess, "Popen", Ssh)
    (tmp_path / "logs").mkdir()
    found: list[str] = []
    with probing.probed(cast(Stage, SimpleNamespace(state=tmp_path)), found) as files:
        servers = list(files)
    told = {f"{one.partition(' asks ')[0]}: {one.partition('(')[2]}" for one in found}
    assert told == ({f"{server}: ssh has ended with 255)" for server in servers} if ended else set())
