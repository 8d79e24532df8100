# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The way to a Docker Engine: the SDK's low-level client, and its errors in one sentence.

Note that this is private to the collection: other collections must not import it.

``connect`` gives the SDK's own ``APIClient``; every call on it belongs in ``with engine_errors("list the nodes"):``,
which turns whatever the SDK and its HTTP library raise into one ``EngineError``. Works with Docker SDK 5.0.3 to 7.x.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ansible.module_utils.basic import env_fallback

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docker import APIClient

try:
    import docker
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException, Timeout
except ImportError:
    HAS_DOCKER = False
else:
    HAS_DOCKER = True

DOCKER_ARGUMENTS: dict[str, dict[str, Any]] = {
    "docker_host": {
        "type": "str",
        "default": "unix:///var/run/docker.sock",
        "fallback": (env_fallback, ["DOCKER_HOST"]),
        "aliases": ["docker_url"],
    },
    "timeout": {"type": "int", "default": 60, "fallback": (env_fallback, ["DOCKER_TIMEOUT"])},
}
"""Options of every module that talks to an engine; documented in the fragment ``triad.hetzner_swarm.docker``."""


class EngineError(Exception):
    """The engine could not be reached or refused a request. The text is one sentence for people.

    reason: the engine's own words, for callers that must tell one refusal from another.
    status: the HTTP status of the answer; None where there was none.
    """

    def __init__(self, message: str, reason: str = "", status: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status


def connect(params: Mapping[str, Any]) -> APIClient:
    """The SDK's client for the engine that ``docker_host`` and ``timeout`` name, at the API version the engine speaks.

    Raises EngineError when the SDK is missing or the engine does not answer.
    """
    if not HAS_DOCKER:
        raise EngineError(
            f"The Docker SDK for Python is missing for {sys.executable}: install the package python3-docker on the "
            "node (or docker from PyPI), or point ansible_python_interpreter to a Python that has it."
        )
    host = params["docker_host"]
    try:
        return docker.APIClient(base_url=host, version="auto", timeout=params["timeout"])
    except (DockerException, RequestException) as error:
        raise EngineError(
            f"Cannot reach the Docker Engine at {host}: {_root_cause(error)}. Check that the engine runs on this node, "
            "that docker_host (or DOCKER_HOST) names its socket, and that the task is run as root (become)."
        ) from error


@contextmanager
def engine_errors(doing: str) -> Iterator[None]:
    """Every error of the SDK inside the block becomes ``EngineError("Cannot <doing>: <reason>.")``."""
    try:
        yield
    except APIError as error:
        reason = plain_words(str(error.explanation or error))
        raise EngineError(f"Cannot {doing}: {reason}.", reason, error.status_code) from error
    except Timeout as error:
        raise EngineError(f"Cannot {doing}: the engine did not answer in time; raise the option timeout.") from error
    except (DockerException, RequestException) as error:
        reason = _root_cause(error)
        raise EngineError(f"Cannot {doing}: {reason}.", reason) from error


def plain_words(text: str) -> str:
    """What an engine gives as a reason, without gRPC's wrapping and without a full stop."""
    if text.startswith("rpc error:"):
        text = text.partition("desc = ")[2] or text
    return text.strip().rstrip(".")


def _root_cause(error: BaseException) -> str:
    """The operating system's words where an OSError is at the bottom of the chain, else the error's own."""
    cause: BaseException | None = error
    words = ""
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            words = cause.strerror
        cause = cause.__cause__ or cause.__context__
    return (words or str(error)).rstrip(".")
