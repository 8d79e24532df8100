# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of Docker's command line that no API offers: reading Compose files and turning them into services.

Note that this is private to the collection: other collections must not import it.

Files go in by standard input or from memory, never by a file on a disk or an argument.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._compose import unset_variables
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import IMAGE_LABEL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

try:
    import yaml
except ImportError:
    HAS_YAML = False
else:
    HAS_YAML = True

OWN_ENVIRONMENT = ("PATH", "HOME", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY")
"""What the command line needs to talk to an engine and to registries. Reading files takes none of it."""

_GO_FLOAT = re.compile(r"[-+]?[0-9]+(\.[0-9]+)?e[-+][0-9]+")
_NOT_OF_GO = {f"tag:yaml.org,2002:{kind}" for kind in ("timestamp", "merge", "value")}
_LOG_SECONDS = "5"
_TIMED_OUT = 124


class DockerCLI:
    """Docker's command line ``binary``, with the engine at ``host``; ``run`` is ``AnsibleModule.run_command``.

    timeout: seconds that a command may take, whoever it waits for.
    """

    def __init__(self, run: Callable[..., tuple[int, str, str]], binary: str, host: str, timeout: int) -> None:
        self._command = run
        self._binary = binary
        self._environment = {name: os.environ[name] for name in OWN_ENVIRONMENT if name in os.environ}
        self._environment["DOCKER_HOST"] = host
        self._bounded = [shutil.which("timeout") or "timeout", "--kill-after", "5", str(timeout)]
        self._timeout = timeout

    def stack_config(self, texts: Sequence[str], variables: Mapping[str, str], directory: str) -> dict[str, Any]:
        """The Compose files merged and normalised, ``variables`` filled in, relative paths seen from ``directory``.

        Raises Refused with the command's own words about the files, and EngineError.
        """
        if not HAS_YAML:
            raise Refused(
                f"PyYAML is missing for {sys.executable}: install the package python3-yaml on the node (cloud images "
                "have it), or point ansible_python_interpreter to a Python that has it"
            )
        unset = [words for text in texts if _is_yaml(text) for words in unset_variables(_as_written(text), variables)]
        if unset:
            raise Refused(
                f"The Compose file is refused: {'; '.join(unset)}, and the option variables has no such name. Add it "
                "there, or write $$ where a dollar sign is meant"
            )
        first, *others = texts
        with _in_memory(others) as paths:
            files = [word for path in ("-", *paths) for word in ("--compose-file", path)]
            # Variables of ours would leak into the file.
            code, output, errors = self._run(["stack", "config", *files], variables, first, directory)
        if code == _TIMED_OUT:
            raise EngineError(f"docker stack config failed: {self._reason(code, errors)}.")
        if code:
            if not re.search(r"^  config ", self._help("stack"), re.MULTILINE):
                raise Refused(
                    f"The Docker command line {self._binary} is too old: it has no 'docker stack config', which "
                    "came with 23.0. Upgrade the package docker-ce-cli (docker-cli, docker.io) on this manager."
                )
            raise Refused(f"The Compose file is refused: {_sentence(errors)}{_place(texts)}")
        return _parsed(output)

    def stack_deploy(self, stack: str, text: str, prune: bool, registry_auth: bool, done: list[str]) -> None:
        """Send a file to the engine, and do not wait. What the command did and warned about is added to ``done``.

        Raises EngineError with the command's words; part of the file may have been deployed then.
        """
        arguments = ["stack", "deploy", "--compose-file", "-", "--resolve-image", "never"]
        if re.search(r"--detach\b", self._help("stack", "deploy")):
            arguments.append("--detach=true")
        if prune:
            arguments.append("--prune")
        if registry_auth:
            arguments.append("--with-registry-auth")
        code, output, errors = self._run([*arguments, stack], self._environment, text)
        done += output.splitlines()
        done += [line for line in errors.splitlines() if line.startswith("Ignoring unsupported options")]
        if code:
            # What it ignores comes first, the error last.
            error = self._reason(code, errors.rstrip().rpartition("\n")[2])
            raise EngineError(f"docker stack deploy failed: {error}. See applied for what was done before that.")

    def forget_image(self, service: str) -> None:
        """Let the next deployment set a service's image, which it does not where only the image was changed by hand.

        Replaces no task. Raises EngineError.
        """
        arguments = ["service", "update", "--detach", "--quiet", "--label-rm", IMAGE_LABEL, service]
        code, _output, errors = self._run(arguments, self._environment)
        if code:
            reason = self._reason(code, errors)
            raise EngineError(f"Cannot take the label {IMAGE_LABEL} from {service}: {reason}.")

    def task_logs(self, task: str, lines: int) -> list[str]:
        """The last lines a task printed; empty where its node does not give them in time."""
        logs = ["timeout", _LOG_SECONDS, self._binary, "service", "logs", "--raw", "--tail", str(lines), task]
        with _only(self._environment):
            code, output, errors = self._command(logs, expand_user_and_vars=False)
        return [] if code else (output + errors).splitlines()[-lines:]

    def _reason(self, code: int, errors: str) -> str:
        return f"it had not ended after {self._timeout} s (option timeout)" if code == _TIMED_OUT else _sentence(errors)

    def _help(self, *command: str) -> str:
        return self._run([*command, "--help"], self._environment)[1]

    def _run(
        self, arguments: list[str], environment: Mapping[str, str], text: str = "", directory: str = "/"
    ) -> tuple[int, str, str]:
        command = [*self._bounded, self._binary, *arguments]
        with _only(environment):
            return self._command(command, data=text, cwd=directory, expand_user_and_vars=False)


@contextmanager
def _only(environment: Mapping[str, str]) -> Iterator[None]:
    """Nothing but ``environment`` for the commands run inside, which inherit that of this process."""
    ours = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(environment)
        yield
    finally:
        os.environ.clear()
        os.environ.update(ours)


@contextmanager
def _in_memory(texts: Iterable[str]) -> Iterator[list[str]]:
    """Paths at which commands run inside can read the texts, which are on no disk."""
    with ExitStack() as files:
        paths = []
        for text in texts:
            number = os.memfd_create("compose")
            files.callback(os.close, number)
            os.write(number, text.encode())
            paths.append(f"/proc/{os.getpid()}/fd/{number}")
        yield paths


def _place(texts: Sequence[str]) -> str:
    """Which of several files is no YAML, which the command line does not tell."""
    broken = [number for number, text in enumerate(texts, 1) if not _is_yaml(text)]
    return f" (file {broken[0]} of {len(texts)} in compose_files)" if broken and len(texts) > 1 else ""


def _is_yaml(text: str) -> bool:
    try:
        _as_written(text)
    except yaml.YAMLError:
        return False
    return True


def _sentence(stderr: str) -> str:
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    return "; ".join(lines).rstrip(".") or "it gave no reason"


def _as_written(text: str) -> Any:
    """A file of a person's as data, every scalar as text. Raises yaml.YAMLError."""
    return yaml.BaseLoader(text).get_single_data()


def _parsed(text: str) -> dict[str, Any]:
    """The command's YAML as data."""

    class Loader(yaml.SafeLoader):
        """YAML as Go prints it: without the dates, merges and defaults of YAML 1.1, and with numbers like 1e-05."""

        yaml_implicit_resolvers = {  # noqa: RUF012 - the attribute of the class that it is a subclass of
            first: [(tag, pattern) for tag, pattern in resolvers if tag not in _NOT_OF_GO]
            for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _GO_FLOAT, list("-+0123456789"))
    loaded: dict[str, Any] = Loader(text).get_single_data()
    return loaded
