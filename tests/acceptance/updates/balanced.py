# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app behind a load balancer, which is then the only way to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tests.acceptance.data import stores
from tests.acceptance.stage import Stage, StageError

BALANCED = {"hetzner_load_balancer": True}


@contextmanager
def balanced_app(stage: Stage) -> Iterator[str]:
    """The balancer's public address. A row that wants the app without it begins anew."""
    if not stage.status()["load_balancers"]:
        stage.reach("app")
        stage.level = None
        _must_play(stage, "provision.yml")
    # Whatever the row before has left.
    for name in ("deploy.yml", "verify.yml"):
        _must_play(stage, name)
    if lacking := stores.await_whole(stage).lacking():
        raise StageError(f"the app is not whole: {'; '.join(lacking)}")
    yield str(stage.status()["load_balancers"][0]["public_ipv4"])


def _must_play(stage: Stage, name: str) -> None:
    run = stage.play(name, BALANCED)
    stage.say(f"{name}, with a load balancer ({run.seconds:.1f} s)")
    if run.exit_code:
        raise StageError(f"{name}, with a load balancer: {'; '.join(map(str, run.failures))}")
