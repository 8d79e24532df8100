# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the tests of modules that talk to an engine run them, and those of swarm_stack deploy on a manager in memory."""

from __future__ import annotations

import contextlib
import functools
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from ansible.module_utils.common.text.converters import to_bytes

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import (
    _convergence,
    _docker,
    _poll,
    _stack_apply,
    _stack_lock,
)
from ansible_collections.triad.hetzner_swarm.plugins.modules import swarm_stack
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_swarm import Clock, FakeCLI, FakeSwarm
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.stack_runs import FILE, Deploy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

try:
    from ansible.module_utils.testing import patch_module_args
except ImportError:  # ansible-core 2.17, the last for the Python of Ubuntu 22.04

    @contextlib.contextmanager
    def patch_module_args(args: dict[str, Any]) -> Iterator[None]:
        before, basic._ANSIBLE_ARGS = basic._ANSIBLE_ARGS, to_bytes(json.dumps({"ANSIBLE_MODULE_ARGS": args}))
        try:
            yield
        finally:
            basic._ANSIBLE_ARGS = before


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """Run a module's main against an engine, which may also be an exception to raise; gives the module's result.

    Waiting takes no time: the clock is moved on instead.
    """
    now = [0.0]
    monkeypatch.setattr(_poll, "monotonic", lambda: now[0])
    monkeypatch.setattr(_poll, "sleep", lambda seconds: now.__setitem__(0, now[0] + seconds))
    # What modules have warned about is kept for the process.
    monkeypatch.setattr(warnings, "_global_warnings", type(warnings._global_warnings)())
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_TIMEOUT", raising=False)

    def run_module(module: Any, engine: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        def client(**_arguments: Any) -> Any:
            if isinstance(engine, Exception):
                raise engine
            return engine

        monkeypatch.setattr(_docker.docker, "APIClient", client)
        with patch_module_args({"_ansible_check_mode": check, **options}), pytest.raises(SystemExit):
            module.main()
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        return result

    return run_module


@pytest.fixture
def swarm() -> FakeSwarm:
    return FakeSwarm()


@pytest.fixture
def cli(swarm: FakeSwarm) -> FakeCLI:
    return FakeCLI(swarm)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    waits = functools.partial(_convergence.wait, clock=clock.monotonic, pause=clock.sleep)
    monkeypatch.setattr(_stack_apply, "wait", waits)
    monkeypatch.setattr(_stack_lock, "monotonic", clock.monotonic)
    monkeypatch.setattr(_stack_lock, "sleep", clock.sleep)
    return clock


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """All that a run logs."""
    lines: list[str] = []

    def log(_module: Any, line: str, **options: Any) -> None:
        lines.append(line + (f" {options}" if options else ""))

    monkeypatch.setattr(basic.AnsibleModule, "log", log)
    return lines


@pytest.fixture
def deploy(
    run: Callable[..., dict[str, Any]],
    swarm: FakeSwarm,
    cli: FakeCLI,
    clock: Clock,
    journal: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Deploy:
    monkeypatch.setattr(swarm_stack, "DockerCLI", lambda *_arguments: cli)
    monkeypatch.setattr(basic.AnsibleModule, "get_bin_path", lambda *_args, **_options: "/usr/bin/docker")

    def call(**options: Any) -> dict[str, Any]:
        defaults = {"name": "app", "resolve_image": "never", "_ansible_diff": True}
        if options.get("state") != "absent" and not options.keys() & set(swarm_stack._SOURCES):
            defaults["compose"] = FILE
        given = {name: value for name, value in {**defaults, **options}.items() if value is not None}
        return run(swarm_stack, swarm, **given)

    return call
