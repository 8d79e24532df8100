# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A program that runs once as a service of its own, in both networks of the app, as somebody's own client would."""

from __future__ import annotations

import json
import shlex
import time
from pathlib import Path

from tests.acceptance.data.stores import INTERVAL, WORKER, on
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.stage import Stage, StageError

PROGRAMS = Path(__file__).parent / "programs"
NAME = "data-client"
NETWORKS = ("voteapp_frontend", "voteapp_backend")
SECONDS = 180
ENDED = ("Complete", "Failed", "Rejected", "Shutdown", "Orphaned")


def run(stage: Stage, program: str, *arguments: str) -> str:
    """What one of the programs here prints, with the image and the password of the app's workers."""
    manager = next(iter(blueprint_addresses()))
    inspected = json.loads(on(stage, manager, f"docker service inspect {WORKER}"))
    worker = inspected[0]["Spec"]["TaskTemplate"]["ContainerSpec"]
    command = ["docker", "service", "create", "--detach", "--quiet", "--no-resolve-image", "--name", NAME]
    command += ["--mode", "replicated-job", "--restart-condition", "none", "--no-healthcheck"]
    command += [word for network in NETWORKS for word in ("--network", network)]
    command += [word for variable in worker.get("Env") or [] for word in ("--env", variable)]
    for secret in worker.get("Secrets") or []:
        command += ["--secret", f"source={secret['SecretName']},target={secret['File']['Name']}"]
    text = (PROGRAMS / program).read_text(encoding="utf-8")
    command += [worker["Image"], "python3", "-c", text, *arguments]
    on(stage, manager, shlex.join(command))
    try:
        state = _ended(stage, manager)
        printed = on(stage, manager, f"docker service logs --raw {NAME} 2>&1")
    finally:
        on(stage, manager, f"docker service rm {NAME} > /dev/null")
    if not state.startswith("Complete"):
        raise StageError(f"{program}: {state}: {printed.strip()[-500:]}")
    return printed


def _ended(stage: Stage, manager: str) -> str:
    """The state of its task once it has ended, or after a while."""
    deadline = time.monotonic() + SECONDS
    state = ""
    while not state.startswith(ENDED) and time.monotonic() < deadline:
        time.sleep(INTERVAL)
        state = on(
            stage, manager, f"docker service ps --no-trunc --format '{{{{.CurrentState}}}} {{{{.Error}}}}' {NAME}"
        )
    return state.strip() or "no task was made"
