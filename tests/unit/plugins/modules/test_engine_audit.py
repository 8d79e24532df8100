# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""engine_audit against an engine in memory, on the machine that runs the tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from docker.errors import DockerException

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _audit_state
from ansible_collections.triad.hetzner_swarm.plugins.modules import engine_audit

Run = Callable[..., dict[str, Any]]


class Engine:
    """An engine with nothing on it."""

    def info(self) -> dict[str, Any]:
        return {"Name": "server-1", "DockerRootDir": "/nonexistent", "LoggingDriver": "json-file"}

    def networks(self) -> list[dict[str, Any]]:
        return []

    def containers(self, all: bool) -> list[dict[str, Any]]:  # noqa: A002
        return []

    def images(self) -> list[dict[str, Any]]:
        return []


@pytest.fixture
def auditctl(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], list[Any]]:
    """Puts an auditctl on the machine, with its exit code and what it lists; gives the calls of it."""

    def put(code: int, listed: str) -> list[Any]:
        calls: list[Any] = []

        def run_command(_module: Any, command: list[str], **_options: Any) -> tuple[int, str, str]:
            calls.append(command)
            return code, listed, ""

        module = "ansible.module_utils.basic.AnsibleModule"
        monkeypatch.setattr(f"{module}.get_bin_path", lambda *_args, **_options: "/usr/sbin/auditctl")
        monkeypatch.setattr(f"{module}.run_command", run_command)
        return calls

    return put


def status(result: dict[str, Any], number: str) -> str:
    found: str = next(point["status"] for point in result["points"] if point["id"] == number)
    return found


@pytest.mark.parametrize("check", [True, False])
def test_every_point_is_returned_and_nothing_changes(run: Run, check: bool) -> None:
    result = run(engine_audit, Engine(), check=check, accepted={"2.13": "Small estate."})
    assert (result["changed"], len(result["points"])) == (False, 117)
    assert result["counts"] == {
        key: [point["status"] for point in result["points"]].count(key)
        for key in ("pass", "fail", "accepted", "manual", "not_applicable")
    }
    point = next(point for point in result["points"] if point["id"] == "2.13")
    assert point == {
        "id": "2.13",
        "section": "Daemon",
        "title": "Logs are kept in a central place",
        "level": 2,
        "status": "accepted",
        "found": "the log driver is json-file, which keeps logs on this node",
        "reason": "Small estate.",
        "remedy": "Set a log driver that sends elsewhere (gelf, fluentd, syslog over TLS), or collect the log files.",
    }


def test_failing_is_asked_for(run: Run) -> None:
    result = run(engine_audit, Engine(), fail_on="failed", accepted={"2.13": "Small estate."})
    number = result["counts"]["fail"]
    assert (result["failed"], len(result["points"]), len(result["failures"])) == (True, 117, number)
    assert result["msg"].startswith(f"server-1: {number} of 117 points of the CIS Docker Benchmark fail. ")
    assert "2.12 A plugin authorises what clients may do: no authorization plugin. Install an" in result["msg"]
    assert "2.13" not in result["msg"]


def test_nothing_fails_where_all_is_accepted(run: Run) -> None:
    points = run(engine_audit, Engine())["points"]
    accepted = {point["id"]: "Decided." for point in points if point["status"] == "fail"}
    result = run(engine_audit, Engine(), fail_on="failed", accepted=accepted)
    assert (result["changed"], result["failures"], result["counts"]["accepted"]) == (False, [], len(accepted))


@pytest.mark.parametrize(
    ("code", "listed", "expected"), [(0, "-w /usr/bin/dockerd", "pass"), (0, "No rules", "fail"), (1, "", "fail")]
)
def test_auditd_s_rules_are_asked_for(
    run: Run,
    auditctl: Callable[[int, str], list[Any]],
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    listed: str,
    expected: str,
) -> None:
    daemon = _audit_state.File("/usr/bin/dockerd", "root:root", 0o755)
    monkeypatch.setattr(_audit_state, "read_files", lambda *_args: {daemon.path: [daemon]})
    monkeypatch.setattr(_audit_state, "_text", lambda _path: "")
    calls = auditctl(code, listed)
    assert status(run(engine_audit, Engine()), "1.1.3") == expected
    assert calls == [["auditctl", "-l"]]


def test_what_is_no_decision_is_refused_before_anything_is_read(run: Run) -> None:
    result = run(engine_audit, DockerException("not asked"), accepted={"9.1": "x"})
    assert (result["failed"], result["msg"].partition(",")[0]) == (True, "accepted names 9.1")


def test_an_engine_that_is_away(run: Run) -> None:
    result = run(engine_audit, DockerException("connection refused"))
    assert (result["failed"], "Cannot reach the Docker Engine" in result["msg"]) == (True, True)
