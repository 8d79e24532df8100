# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Docker's command line, played by a small shell script that notes how it was called."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Collection
from pathlib import Path

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _stack_cli
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

Script = Callable[..., _stack_cli.DockerCLI]

PRINTS_CONFIG = 'case "$*" in *--help) echo "  config  Prints";; *)'
OWN = {"PATH", "HOME", "DOCKER_CONFIG", "DOCKER_HOST"}


def run(
    command: list[str], data: str | None = None, cwd: str = "/", expand_user_and_vars: bool = True
) -> tuple[int, str, str]:
    """Like AnsibleModule.run_command, which needs a module."""
    assert not expand_user_and_vars
    own = dict(os.environ)
    done = subprocess.run(command, input=data, cwd=cwd, env=own, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    for name in ("LEAKS", "HOME", "DOCKER_CONFIG", "DOCKER_HOST"):
        monkeypatch.setenv(name, "/ours")

    def write(body: str, timeout: int = 60) -> _stack_cli.DockerCLI:
        program = tmp_path / "docker"
        noted = f'echo "$@" >> {tmp_path}/calls\nenv > {tmp_path}/environment'
        program.write_text(f"#!/bin/sh\n{noted}\n{body}\n", encoding="utf-8")
        program.chmod(0o755)
        return _stack_cli.DockerCLI(run, str(program), "unix:///sock", timeout)

    return write


def calls(tmp_path: Path) -> list[str]:
    return (tmp_path / "calls").read_text(encoding="utf-8").splitlines()


def environment(tmp_path: Path) -> dict[str, str]:
    """That of the last call, without what every shell adds."""
    lines = (tmp_path / "environment").read_text(encoding="utf-8").splitlines()
    variables = dict(line.split("=", 1) for line in lines)
    return {name: value for name, value in variables.items() if name not in ("PWD", "OLDPWD", "SHLVL", "_")}


def test_config_reads_the_file_from_its_input_and_nothing_from_our_environment(script: Script, tmp_path: Path) -> None:
    cli = script('cat; echo "directory: $PWD"; echo "name: $NAME"; echo x-y: 1')
    before = dict(os.environ)
    result = cli.stack_config(["ratio: 1e-05\n"], {"NAME": "web"}, str(tmp_path))
    assert result == {"ratio": 1e-05, "directory": str(tmp_path), "name": "web", "x-y": 1}
    assert calls(tmp_path) == ["stack config --compose-file -"]
    assert environment(tmp_path) == {"NAME": "web"}
    assert os.environ == before


@pytest.mark.parametrize(
    "call",
    [
        lambda cli: cli.stack_deploy("app", "", prune=True, registry_auth=False, done=[]),
        lambda cli: cli.forget_image("app_web"),
        lambda cli: cli.task_logs("task", 1),
    ],
    ids=["deploy", "forget", "logs"],
)
def test_commands_that_talk_to_the_engine_have_what_they_need_of_ours(
    script: Script, tmp_path: Path, call: Callable[[_stack_cli.DockerCLI], object]
) -> None:
    call(script("true"))
    given = environment(tmp_path)
    assert given.keys() == OWN
    assert (given["HOME"], given["DOCKER_CONFIG"], given["DOCKER_HOST"]) == ("/ours", "/ours", "unix:///sock")


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
        (["services: {a: {image: $UNSET}}\n["], ""),
    ],
)
def test_which_of_several_files_is_no_yaml_is_told(script: Script, texts: list[str], place: str) -> None:
    cli = script(f'{PRINTS_CONFIG} echo "yaml: line 1: bad" >&2; exit 1;; esac')
    with pytest.raises(Refused, match=rf"^The Compose file is refused: yaml: line 1: bad{place}$"):
        cli.stack_config(texts, {}, "/")


def test_config_gives_the_reason_of_a_refusal(script: Script) -> None:
    cli = script(f'{PRINTS_CONFIG} echo "services.a: bad." >&2; exit 1;; esac')
    with pytest.raises(Refused, match=r"^The Compose file is refused: services\.a: bad$"):
        cli.stack_config([""], {}, "/")


BASE = """
x-common: &common {image: "web:$TAG", command: [serve, --price, "5$$", --port, "${PORT:-80}"]}
services:
  a: {<<: *common, environment: {WHO: "${NAME}", KEPT: $TAG}}
"""
OTHER = "services: {a: {labels: {who: $NAME}}}"


@pytest.mark.parametrize(
    ("texts", "names", "unset"),
    [
        ([BASE], ["TAG"], ["services.a.environment.WHO has $NAME"]),
        ([BASE], ["NAME"], ["services.a.<<.image has $TAG", "services.a.environment.KEPT has $TAG"]),
        ([BASE, OTHER], ["TAG"], ["services.a.environment.WHO has $NAME", "services.a.labels.who has $NAME"]),
        (["services: {}", OTHER], ["TAG", "name"], ["services.a.labels.who has $NAME"]),
        (["services: {a: [}", OTHER], [], ["services.a.labels.who has $NAME"]),
    ],
)
def test_variables_that_have_no_value_are_named_before_a_command_is_run(
    script: Script, tmp_path: Path, texts: list[str], names: Collection[str], unset: list[str]
) -> None:
    with pytest.raises(Refused) as refused:
        script("true").stack_config(texts, dict.fromkeys(names, ""), "/")
    assert str(refused.value) == (
        f"The Compose file is refused: {'; '.join(unset)}, and the option variables has no such name. Add it there, or "
        "write $$ where a dollar sign is meant"
    )
    assert not (tmp_path / "calls").exists()


def test_an_empty_value_is_one_and_what_no_service_uses_needs_none(script: Script) -> None:
    unused = "x-unused: $NOBODY\nservices: {}"
    cli = script('cat > /dev/null; echo "services: {}"')
    assert cli.stack_config([BASE, unused], {"TAG": "", "NAME": ""}, "/") == {"services": {}}


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
    lines = ["made before"]
    cli.stack_deploy("app", "Creating service app_a\n", prune=prune, registry_auth=auth, done=lines)
    assert lines[1:] == ["Creating service app_a", "Ignoring unsupported options: ipc"]
    assert calls(tmp_path)[1] == f"stack deploy --compose-file - {called}"


def test_a_failed_deploy_tells_what_was_done(script: Script) -> None:
    cli = script(
        'echo "Creating network app_n"; echo "Ignoring unsupported options: ipc" >&2; echo "no such thing" >&2; exit 1'
    )
    done = ["made before"]
    words = r"^docker stack deploy failed: no such thing\. See applied for what was done before that\.$"
    with pytest.raises(EngineError, match=words):
        cli.stack_deploy("app", "", prune=True, registry_auth=False, done=done)
    assert done == ["made before", "Creating network app_n", "Ignoring unsupported options: ipc"]


def test_a_command_is_ended_when_its_time_is_over(script: Script) -> None:
    done: list[str] = []
    words = r"^docker stack deploy failed: it had not ended after 1 s \(option timeout\)\. See applied "
    cli = script('case "$*" in *--help) ;; *) echo "Creating network app_n"; sleep 20;; esac', timeout=1)
    with pytest.raises(EngineError, match=words):
        cli.stack_deploy("app", "", prune=True, registry_auth=False, done=done)
    assert done == ["Creating network app_n"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda cli: cli.stack_config([""], {}, "/"), "docker stack config failed:"),
        (lambda cli: cli.forget_image("app_web"), "Cannot take the label com.docker.stack.image from app_web:"),
    ],
)
def test_time_that_is_over_is_the_reason_whichever_command_it_was(
    script: Script, call: Callable[[_stack_cli.DockerCLI], object], words: str
) -> None:
    with pytest.raises(EngineError, match=rf"^{words} it had not ended after 60 s \(option timeout\)\.$"):
        call(script("exit 124"))


def test_the_image_of_a_service_is_forgotten_with_its_label_alone(script: Script, tmp_path: Path) -> None:
    script("true").forget_image("app_web")
    assert calls(tmp_path) == ["service update --detach --quiet --label-rm com.docker.stack.image app_web"]
    words = r"^Cannot take the label com\.docker\.stack\.image from app_web: no such service: app_web\.$"
    with pytest.raises(EngineError, match=words):
        script('echo "no such service: app_web" >&2; exit 1').forget_image("app_web")


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
