# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's command line, played by a small shell script that notes how it was called."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_cli
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

Script = Callable[[str], _stack_cli.DockerCLI]


def run(command: list[str], data: str, cwd: str, expand_user_and_vars: bool) -> tuple[int, str, str]:
    """Like AnsibleModule.run_command, which needs a module."""
    done = subprocess.run(command, input=data, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("LEAKS", "no")

    def write(body: str) -> _stack_cli.DockerCLI:
        program = tmp_path / "docker"
        program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{body}\n', encoding="utf-8")
        program.chmod(0o755)
        return _stack_cli.DockerCLI(run, str(program), "unix:///sock")

    return write


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def test_config_reads_the_file_from_its_input_and_nothing_from_our_environment(script: Script, tmp_path: Path) -> None:
    cli = script(
        'cat; echo "directory: $PWD"; echo "leaked: \\"$LEAKS$DOCKER_HOST\\""; echo "name: $NAME"; echo x-y: 1'
    )
    result = cli.stack_config(["ratio: 1e-05\n"], {"NAME": "web"}, str(tmp_path))
    assert result == {"ratio": 1e-05, "directory": str(tmp_path), "leaked": "", "name": "web", "x-y": 1}
    assert calls(tmp_path) == ["stack config --compose-file -"]


def test_config_reads_several_files_in_their_order_and_none_from_a_disk(script: Script, tmp_path: Path) -> None:
    cli = script('while shift 2 && [ $# -gt 0 ]; do echo "file$#:"; cat "$2"; done')
    texts = ["  text: first\n", "  text: é\n", f"  text: {'x' * 100_000}\n"]
    result = cli.stack_config(texts, {}, str(tmp_path))
    assert list(result.values()) == [{"text": "first"}, {"text": "é"}, {"text": "x" * 100_000}]
    (call,) = calls(tmp_path)
    paths = [Path(word) for word in call.split() if word.startswith("/")]
    assert call == f"stack config --compose-file - --compose-file {paths[0]} --compose-file {paths[1]}"
    assert paths[0].parent == Path(f"/proc/{os.getpid()}/fd")
    assert not any(path.exists() for path in paths)


@pytest.mark.parametrize(
    ("texts", "place"),
    [
        (["a: 1", "b: ["], r" \(file 2 of 2 in compose_files\)"),
        (["a: [", "b: 1", "c: ["], r" \(file 1 of 3 in compose_files\)"),
        (["a: 1", "b: 1"], ""),
        (["a: ["], ""),
    ],
)
def test_which_of_several_files_is_no_yaml_is_told(script: Script, texts: list[str], place: str) -> None:
    cli = script('case "$*" in *--help) echo "  config  Prints";; *) echo "yaml: line 1: bad" >&2; exit 1;; esac')
    with pytest.raises(Refused, match=rf"^The Compose file is refused: yaml: line 1: bad{place}$"):
        cli.stack_config(texts, {}, "/")


def test_config_gives_the_reason_of_a_refusal(script: Script) -> None:
    cli = script('case "$*" in *--help) echo "  config  Prints";; *) echo "services.a: bad." >&2; exit 1;; esac')
    with pytest.raises(Refused, match=r"^The Compose file is refused: services\.a: bad$"):
        cli.stack_config([""], {}, "/")


def test_an_old_command_line_is_named(script: Script) -> None:
    cli = script(
        'case "$*" in *--help) echo "  deploy      Deploys a config";; *) echo "unknown flag" >&2; exit 125;; esac'
    )
    with pytest.raises(Refused, match=r"too old.*23\.0"):
        cli.stack_config([""], {}, "/")


@pytest.mark.parametrize(
    ("options", "flags", "called"),
    [
        ("--prune", (True, True), "--resolve-image never --prune --with-registry-auth app"),
        ("--detach", (False, False), "--resolve-image never --detach=true app"),
    ],
)
def test_deploy_uses_the_options_there_are(
    script: Script, tmp_path: Path, options: str, flags: tuple[bool, bool], called: str
) -> None:
    cli = script(
        f'case "$*" in *--help) echo "  -d, {options} x";; *) cat; echo "Ignoring unsupported options: ipc" >&2;; esac'
    )
    prune, auth = flags
    lines = cli.stack_deploy("app", "Creating service app_a\n", prune=prune, registry_auth=auth)
    assert lines == ["Creating service app_a", "Ignoring unsupported options: ipc"]
    assert calls(tmp_path)[1] == f"stack deploy --compose-file - {called}"


def test_a_failed_deploy_tells_what_was_done(script: Script) -> None:
    cli = script(
        'echo "Creating network app_n"; echo "Ignoring unsupported options: ipc" >&2; echo "no such thing" >&2; exit 1'
    )
    with pytest.raises(
        EngineError, match=r"^docker stack deploy failed: no such thing\. Done before that: Creating network app_n\.$"
    ):
        cli.stack_deploy("app", "", prune=True, registry_auth=False)


@pytest.mark.parametrize(
    ("body", "seconds", "lines"),
    [("echo a; echo b; echo c", "60", ["b", "c"]), ("echo no >&2; exit 1", "60", []), ("sleep 600", "0.2", [])],
)
def test_logs_are_the_last_lines_or_none(
    script: Script, monkeypatch: pytest.MonkeyPatch, body: str, seconds: str, lines: list[str]
) -> None:
    monkeypatch.setattr(_stack_cli, "_LOG_SECONDS", seconds)
    assert script(f"exec sh -c '{body}'").task_logs("task", 2) == lines


def test_missing_yaml_is_named(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_stack_cli, "HAS_YAML", False)
    with pytest.raises(Refused, match="python3-yaml"):
        script("cat").stack_config([""], {}, "/")
