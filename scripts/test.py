#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run the stages of the tests: all of them, or those named as arguments.

Two lanes run side by side, one for stages on a lab and one for the rest; within a lane stages keep their order.
Each stage writes ``.lab/logs/test-<stage>.log``. Its output is shown when it fails, or as it comes where ``CI`` is set.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal, NoReturn, TextIO

ROOT = Path(__file__).resolve().parent.parent
LOGS = ROOT / ".lab" / "logs"
SECONDS_BETWEEN_SIGNS_OF_LIFE = 20
PLUGIN_DOCS = "--plugin-docs --skip-rstcheck --validate-collection-refs all --disallow-unknown-collection-refs"
# Modules named hcloud_* and their parts run on the controller; everything else under tests/unit/plugins runs on nodes.
IGNORE_CONTROLLER_TESTS = "--ignore-glob=*/test_*hcloud* --ignore-glob=*/test_*fleet*"


@dataclass(frozen=True)
class Stage:
    """Command lines that are all run, and that pass or fail as one.

    Without the program ``needs``, the stage is left out and ``otherwise`` says why.
    """

    name: str
    lane: Literal["code", "lab"]
    commands: tuple[str, ...]
    needs: str = ""
    otherwise: str = ""


STAGES = (
    Stage("molecule", "lab", ("molecule test --scenario-name default",)),
    Stage("engine", "lab", ("molecule test --scenario-name engine",)),
    Stage("swarm", "lab", ("pytest tests/swarm",)),
    Stage(
        "lint",
        "code",
        (
            "ruff check .",
            "ruff format --check .",
            "mypy",
            "mypy scripts/collection.py scripts/test.py",
            "yamllint --strict .",
            "scripts/lint-shell",
            "ansible-lint",
            "antsibull-changelog lint",
            f"antsibull-docs lint-collection-docs {PLUGIN_DOCS} .",
            "reuse lint --lines",
            "python -m tests.acceptance.figures --check",
        ),
    ),
    Stage("units", "code", ("pytest tests/unit",)),
    Stage(
        "units-node",
        "code",
        (f".venv-node/bin/python -m pytest tests/unit/plugins {IGNORE_CONTROLLER_TESTS}",),
        needs=".venv-node/bin/python",
        otherwise="no Python 3.10 on this machine",
    ),
    Stage("apps", "code", ("pytest tests/apps tests/browser",)),
    Stage("lab", "code", ("pytest tests/lab",)),
    Stage("contract", "code", ("pytest -n 3 --dist worksteal tests/contract",)),
    Stage("machines", "code", ("pytest tests/machines",)),
    Stage("sanity", "code", ("python scripts/collection.py sanity", "python scripts/collection.py units")),
    Stage("package", "code", ("python scripts/collection.py package",)),
)


@dataclass(frozen=True)
class Outcome:
    stage: str
    verdict: Literal["passed", "failed", "left out"]
    seconds: float = 0.0
    reason: str = ""


class Runner:
    """Runs stages and tells about them, one whole line or log at a time."""

    def __init__(self, *, streaming: bool) -> None:
        self.streaming = streaming
        self.voice = threading.Lock()
        self.stopped = threading.Event()
        self.processes: set[subprocess.Popen[bytes]] = set()
        self.environment = stage_environment()

    def say(self, text: str) -> None:
        with self.voice:
            print(text, flush=True)

    def lane(self, stages: list[Stage]) -> list[Outcome]:
        return [self.stage(stage) for stage in stages]

    def stage(self, stage: Stage) -> Outcome:
        if stage.needs and not shutil.which(stage.needs, path=self.environment["PATH"]):
            self.say(f"{stage.name}: left out, {stage.otherwise}")
            return Outcome(stage.name, "left out", reason=stage.otherwise)
        self.say(f"{stage.name}: begins")
        log = LOGS / f"test-{stage.name}.log"
        began = time.monotonic()
        log.unlink(missing_ok=True)
        with log.open("a", encoding="utf-8") as file:
            failed = [command for command in stage.commands if not self.command(stage, command, file)]
        seconds = time.monotonic() - began
        if not failed:
            self.say(f"{stage.name}: passed in {seconds:.1f} s")
            return Outcome(stage.name, "passed", seconds)
        if not self.streaming:
            self.say(log.read_text(encoding="utf-8", errors="replace"))
        reason = "failed: " + "; ".join(failed)
        self.say(f"{stage.name}: {reason} (after {seconds:.1f} s, log in {log.relative_to(ROOT)})")
        return Outcome(stage.name, "failed", seconds, reason)

    def command(self, stage: Stage, command: str, log: TextIO) -> bool:
        """Run one command line with its output in the log; True where it succeeded.

        The log is read beside the command, and not a pipe, so that a daemon it leaves behind cannot hold us here.
        """
        if self.stopped.is_set():
            return False
        began = told = time.monotonic()
        print(f"$ {command}", file=log, flush=True)
        process = subprocess.Popen(
            shlex.split(command),
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        self.processes.add(process)
        with Path(log.name).open(encoding="utf-8", errors="replace") as reader:
            reader.seek(0, os.SEEK_END)
            unfinished = ""
            while (code := finished(process)) is None:
                *lines, unfinished = (unfinished + reader.read()).split("\n")
                if self.streaming:
                    self.show(stage, lines)
                elif lines and time.monotonic() - told > SECONDS_BETWEEN_SIGNS_OF_LIFE:
                    told = time.monotonic()
                    self.say(f"{stage.name}: {told - began:.0f} s, {lines[-1].strip()[:100]}")
            if self.streaming:
                self.show(stage, (unfinished + reader.read()).splitlines())
        self.processes.discard(process)
        print(f"$ {command}: exit {code} after {time.monotonic() - began:.1f} s\n", file=log, flush=True)
        return code == 0

    def show(self, stage: Stage, lines: list[str]) -> None:
        if lines:
            self.say("\n".join(f"{stage.name} | {line}" for line in lines))

    def stop(self) -> None:
        self.stopped.set()
        for process in tuple(self.processes):
            process.terminate()


def finished(process: subprocess.Popen[bytes]) -> int | None:
    """The exit code, or None where the process still runs after half a second."""
    try:
        return process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return None


def stage_environment() -> dict[str, str]:
    """The caller's environment with this folder's tools in front, and without a way to anybody's real cloud."""
    dropped = ("HCLOUD_", "PYTHONDONTWRITEBYTECODE", "ANSIBLE_", "MOLECULE_", "LAB_")
    kept = {name: value for name, value in os.environ.items() if name == "HCLOUD_SPEC" or not name.startswith(dropped)}
    return kept | {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{kept['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".ansible" / "collections"),
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",
    }


def choose(names: list[str]) -> list[Stage]:
    unknown = set(names) - {stage.name for stage in STAGES}
    if unknown:
        known = ", ".join(stage.name for stage in STAGES)
        sys.exit(f"No such stage: {', '.join(sorted(unknown))}. There are: {known}.")
    return [stage for stage in STAGES if not names or stage.name in names]


def run(stages: list[Stage]) -> list[Outcome]:
    LOGS.mkdir(parents=True, exist_ok=True)
    runner = Runner(streaming=bool(os.environ.get("CI")))

    def interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)
    lanes = [[stage for stage in stages if stage.lane == lane] for lane in ("lab", "code")]
    with ThreadPoolExecutor(max_workers=len(lanes)) as pool:
        try:
            return [outcome for outcomes in pool.map(runner.lane, lanes) for outcome in outcomes]
        except KeyboardInterrupt:
            runner.stop()
            raise


def main() -> int:
    began = time.monotonic()
    try:
        outcomes = run(choose(sys.argv[1:]))
    except KeyboardInterrupt:
        print("\nstopped before the end")
        return 128 + signal.SIGINT
    print(f"\n{'stage':<12} {'seconds':>8}  verdict")
    for outcome in outcomes:
        note = f" ({outcome.reason})" if outcome.verdict == "left out" else ""
        print(f"{outcome.stage:<12} {outcome.seconds:>8.1f}  {outcome.verdict}{note}")
    print(f"{'all':<12} {time.monotonic() - began:>8.1f}")
    passed, failed = (sum(outcome.verdict == verdict for outcome in outcomes) for verdict in ("passed", "failed"))
    print(f"\n{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
