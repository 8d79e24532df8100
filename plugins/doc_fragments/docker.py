# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Documentation of what every module that talks to a Docker Engine has in common."""

from __future__ import annotations


class ModuleDocFragment:
    """Options of ``_docker.DOCKER_ARGUMENTS``, and what the node needs."""

    DOCUMENTATION = r"""
options:
  docker_host:
    description:
      - Address of the Docker Engine's API, as seen from the node that runs the module.
      - C(unix://) for a socket, C(tcp://) for an engine that listens without TLS.
      - If the option is not set, the environment variable E(DOCKER_HOST) is used.
    type: str
    default: unix:///var/run/docker.sock
    aliases: [docker_url]
  timeout:
    description:
      - Seconds to wait for one answer of the engine.
      - If the option is not set, the environment variable E(DOCKER_TIMEOUT) is used.
    type: int
    default: 60
requirements:
  - Docker SDK for Python 5.0.3 or newer (package C(python3-docker)) on the node
  - Docker API 1.41 (Docker Engine 20.10) or newer
"""
