# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How the tests of modules that talk to an engine run them."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from ansible.module_utils import basic
from ansible.module_utils.common import warnings
from ansible.module_utils.common.text.converters import to_bytes

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _docker, _poll

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
