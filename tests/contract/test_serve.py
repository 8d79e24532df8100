# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""``lab serve`` without machines, as a process of its own: its options, its state, and its sudden death."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from hcloud import Client

from lab.cli import main

LAB = Path(sys.executable).with_name("lab")
Serving = Callable[..., "Served"]


class Served:
    """A running ``lab serve``."""

    def __init__(self, home: Path, port: int, *options: str) -> None:
        self.port = port
        self.process = subprocess.Popen(
            [LAB, "serve", "--machines", "none", "--port", str(port), "--token", "t", *options],
            env={"PATH": os.environ["PATH"], "HOME": str(home)},
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{port}/v1", headers={"Authorization": "Bearer t"})
        self.sdk = Client("t", api_endpoint=f"http://127.0.0.1:{port}/v1", poll_interval=0.02)

    def wait(self) -> Served:
        """Until it answers."""
        while True:
            try:
                self.http.get("/locations").raise_for_status()
            except httpx.TransportError:
                assert self.process.poll() is None, self.said()
                time.sleep(0.01)
            else:
                return self

    def end(self, number: signal.Signals) -> None:
        self.http.close()
        self.sdk._client._session.close()
        self.process.send_signal(number)
        self.said()

    def said(self) -> str:
        """All that it printed, once it has ended."""
        return self.process.communicate(timeout=30)[0]


@pytest.fixture
def serving(tmp_path: Path, free_port: Callable[[], int]) -> Iterator[Serving]:
    """Start servers; all of them end with the test."""
    started: list[Served] = []

    def start(*options: str, port: int | None = None) -> Served:
        started.append(Served(tmp_path, port or free_port(), *options))
        return started[-1]

    yield start
    for served in started:
        if served.process.poll() is None:
            served.end(signal.SIGKILL)


def test_two_stand_beside_each_other_and_write_nothing(serving: Serving, tmp_path: Path) -> None:
    one, two = serving(), serving()
    one.wait().sdk.placement_groups.create("group", "spread")
    assert two.wait().sdk.placement_groups.get_all() == []
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_message(serving: Serving) -> None:
    first = serving().wait()
    second = serving(port=first.port)
    said = second.said()
    assert (second.process.returncode, said.count("\n")) == (1, 1)
    assert f"port {first.port} on 127.0.0.1 cannot be used (Address already in use)" in said
    first.http.get("/locations").raise_for_status()


def test_a_state_has_one_server_and_one_owner(serving: Serving, tmp_path: Path) -> None:
    state = tmp_path / "state"
    serving("--state", str(state)).wait()
    assert {path.stat().st_mode & 0o077 for path in state.iterdir()} == {0}
    second = serving("--state", str(state))
    assert "give another folder" in second.said()
    assert second.process.returncode == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--latency", "5"), "--latency: write COMMAND=SECONDS, not '5'"),
        (("--latency", "*=-1"), r"latencies.\*: Input should be greater"),
        (("--faults", "nowhere.yml"), "--faults: nowhere.yml cannot be read"),
        (("--rate-limit", "0"), "rate_limit: Input should be greater"),
    ],
)
def test_bad_options_are_named(
    options: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["lab", "serve", "--machines", "none", *options])
    with pytest.raises(SystemExit, match="1"):
        main()
    said = capsys.readouterr().err
    assert (said.count("\n"), bool(re.search(message, said))) == (1, True), said


def test_faults_latency_and_rate_limit_are_set_at_the_start(serving: Serving, tmp_path: Path) -> None:
    faults = tmp_path / "faults.yml"
    faults.write_text("- {method: POST, code: maintenance, status: 403, times: 1}\n")
    served = serving("--faults", str(faults), "--latency", "create_volume=30", "--rate-limit", "50").wait()
    volume = {"name": "one", "size": 10, "location": "fsn1"}
    assert served.http.post("/volumes", json=volume).json()["error"]["code"] == "maintenance"
    answer = served.http.post("/volumes", json=volume)
    assert answer.headers["RateLimit-Limit"] == "50"
    action = answer.json()["action"]["id"]
    assert served.http.get(f"/actions/{action}").json()["action"]["status"] == "running"


@pytest.mark.parametrize("after", [1, 5])
def test_a_killed_server_loses_nothing_that_it_answered(serving: Serving, tmp_path: Path, after: int) -> None:
    """Killed in the middle of creations: the next one carries them to their end, once, under the same ids."""
    options = ("--state", str(tmp_path / "state"), "--latency", "*=0.15")
    first = serving(*options).wait()
    subnet = {"type": "cloud", "network_zone": "eu-central", "ip_range": "10.0.0.0/24"}
    net = first.http.post("/networks", json={"name": "net", "ip_range": "10.0.0.0/16", "subnets": [subnet]}).json()
    kept = first.http.post("/primary_ips", json={"name": "kept", "type": "ipv4", "location": "fsn1"}).json()
    answered = [_order(first, number, net, kept if number == 0 else None) for number in range(after)]
    first.end(signal.SIGKILL)

    second = serving(*options, port=first.port).wait()
    for answer in answered:
        for action in (answer["action"], *answer["next_actions"]):
            second.sdk.actions.get_by_id(action["id"]).wait_until_finished()
    servers = second.http.get("/servers").json()["servers"]
    assert [server["id"] for server in servers] == [answer["server"]["id"] for answer in answered]
    assert {(server["status"], server["locked"]) for server in servers} == {("running", False)}
    assert [server["private_net"][0]["ip"] for server in servers] == [f"10.0.0.{2 + n}" for n in range(after)]
    addresses = [server["public_net"]["ipv4"]["ip"] for server in servers]
    assert addresses == [answer["server"]["public_net"]["ipv4"]["ip"] for answer in answered]
    assert addresses[0] == kept["primary_ip"]["ip"]
    assert len(second.http.get("/primary_ips").json()["primary_ips"]) == 2 * after
    fresh = _order(second, after, net, None)
    everything = [item["id"] for answer in answered for item in (answer["server"], *_actions(answer))]
    assert min(item["id"] for item in (fresh["server"], *_actions(fresh))) > max(everything)


def _order(served: Served, number: int, net: dict[str, Any], ip: dict[str, Any] | None) -> dict[str, Any]:
    body = {
        "name": f"server-{number}",
        "server_type": "cpx22",
        "image": "debian-13",
        "location": "fsn1",
        "networks": [net["network"]["id"]],
        "public_net": {"ipv4": ip["primary_ip"]["id"]} if ip else {},
    }
    answer = served.http.post("/servers", json=body)
    assert answer.status_code == 201, answer.text
    order: dict[str, Any] = answer.json()
    return order


def _actions(answer: dict[str, Any]) -> list[dict[str, Any]]:
    return [answer["action"], *answer["next_actions"]]


def test_killed_again_and_again_it_keeps_its_word(serving: Serving, tmp_path: Path) -> None:
    """Every answer of a stream of creations is true afterwards, whenever the process was killed."""
    options = ("--state", str(tmp_path / "state"), "--latency", "*=0.02")
    served = serving(*options).wait()
    answered: list[int] = []
    for kill in range(3):
        port = served.port
        killer = subprocess.Popen(["sh", "-c", f"sleep 0.{kill + 1}; kill -9 {served.process.pid}"])
        try:
            for number in itertools.count():
                body = {"name": f"ip-{kill}-{number}", "type": "ipv6", "location": "fsn1"}
                answered.append(served.http.post("/primary_ips", json=body).json()["primary_ip"]["id"])
        except httpx.TransportError:
            killer.wait()
        served.end(signal.SIGKILL)
        served = serving(*options, port=port).wait()
    found = [ip.id for ip in served.sdk.primary_ips.get_all()]
    assert set(answered) <= set(found)
    assert len(found) == len({ip.ip for ip in served.sdk.primary_ips.get_all()})
    assert len(found) - len(answered) <= 3  # one a kill may have been made without its answer getting out


def test_labs_beside_each_other_do_not_touch_each_other(tmp_path: Path, free_port: Callable[[], int]) -> None:
    """A clash of names or ports is told before anything is done."""

    def lab(command: str, state: str, **settings: object) -> tuple[int, str]:
        variables = {
            "NAME": "beside",
            "MACHINES": "none",
            "STATE": tmp_path / state,
            "API_PORT": port,
            "TOKEN": "t",
            **settings,
        }
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        environment |= {f"LAB_{name}": str(value) for name, value in variables.items()}
        done = subprocess.run([LAB, command], env=environment, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    port = free_port()
    try:
        assert lab("up", "one")[0] == 0
        code, said = lab("down", "two")
        assert (code, "there is another lab called beside" in said) == (1, True), said
        code, said = lab("up", "two", NAME="other")
        assert (code, f"port {port} on 127.0.0.1 cannot be used" in said) == (1, True), said
        httpx.get(f"http://127.0.0.1:{port}/v1/locations", headers={"Authorization": "Bearer t"}).raise_for_status()
    finally:
        assert lab("down", "one")[0] == 0
