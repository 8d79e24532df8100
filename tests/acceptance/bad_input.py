# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input that cannot work: each case must be refused by one clear message, with nothing half-built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter

from lab.config import PROJECT
from lab.playbook import Run
from tests.acceptance.rows import DoesNotApply, Finding, unmet
from tests.acceptance.stage import Stage, StageError
from tests.acceptance.world import differences, world

CASES = Path(__file__).parent / "suites" / "bad_input.yml"
BLUEPRINT = PROJECT / "inventory" / "group_vars" / "all" / "blueprint.yml"
LONGEST_MESSAGE = 900
"""Characters that a person still reads."""


class Preparation(BaseModel):
    """What is done to one server before a case, and how it is undone: shell commands."""

    model_config = ConfigDict(extra="forbid")

    server: str
    run: str
    undo: str


class Case(BaseModel):
    """level: how far the main job has been done on of the lab that it is about. playbook: what a person runs.

    variables: extra variables; servers: changes to the blueprint's servers, by name; environment: of the run.
    files: content by name, in a folder that the words {files} in variables stand for; {router} is the registry's host.
    given: a shell command that tells, by failing on the first server, that the case cannot occur here.
    says: what the message must have in it: the setting, and the way out.
    """

    model_config = ConfigDict(extra="forbid")

    name: str
    level: Literal["nothing", "servers", "swarm", "app"]
    playbook: str
    variables: dict[str, Any] = {}
    servers: dict[str, dict[str, Any]] = {}
    environment: dict[str, str] = {}
    files: dict[str, str] = {}
    before: Preparation | None = None
    given: str = "true"
    says: list[str]

    def extra_variables(self) -> dict[str, Any]:
        """The extra variables, the blueprint's servers with their changes among them."""
        if not self.servers:
            return self.variables
        blueprint = yaml.safe_load(BLUEPRINT.read_text(encoding="utf-8"))["hetzner_servers"]
        servers = [server | self.servers.get(server["name"], {}) for server in blueprint]
        return self.variables | {"hetzner_servers": servers}


def cases(*, router: str, files: Path) -> list[Case]:
    """The cases. router: address of the host of registries. files: folder that their files are going to be in."""
    text = CASES.read_text(encoding="utf-8").replace("{router}", router).replace("{files}", str(files))
    return TypeAdapter(list[Case]).validate_python(yaml.safe_load(text))


def judge(case: Case, stage: Stage, files: Path) -> Finding:
    """Run the case and hold it against what it must come to."""
    stage.reach(case.level)
    if case.given != "true":
        _require(case.given, stage)
    files.mkdir(exist_ok=True)
    for name, content in case.files.items():
        (files / name).write_text(content, encoding="utf-8")
    with _prepared(case.before, stage):
        before = world(stage)
        stage.api.forget_requests()
        run = stage.play(case.playbook, case.extra_variables(), case.environment)
        writes = stage.api.requests().writes
        half_built = differences(before, world(stage))
    if half_built or writes or run.exit_code == 0:
        stage.level = None
    return _finding(case, run, writes, half_built)


def _finding(case: Case, run: Run, writes: int, half_built: list[str]) -> Finding:
    reasons = list(dict.fromkeys(failure.reason for failure in run.failures))
    said = " ".join(reasons)
    tasks = list(dict.fromkeys(failure.task.rpartition(" : ")[2] for failure in run.failures))
    problems = unmet(
        {
            "the playbook fails": run.exit_code != 0,
            "one task fails": len(tasks) == 1,
            f"messages have {LONGEST_MESSAGE} characters at most": all(len(one) <= LONGEST_MESSAGE for one in reasons),
            "the message is no traceback": "Traceback" not in said,
            "no write request reached the cloud": writes == 0,
            **{f"the message has: {words}": words in said for words in case.says},
        }
    )
    problems += [f"nothing is half-built ({difference})" for difference in half_built]
    more = f" (and {len(reasons) - 1} more hosts)" if len(reasons) > 1 else ""
    figure = f"{run.seconds:.0f} s: {reasons[0]}{more}" if reasons else "nothing failed"
    return Finding(figure, problems, data={"tasks": tasks, "messages": reasons, "seconds": round(run.seconds, 1)})


def _require(given: str, stage: Stage) -> None:
    try:
        stage.on(stage.servers()[0]["name"], given)
    except StageError:
        raise DoesNotApply(f"cannot occur here: {given}") from None


@contextmanager
def _prepared(before: Preparation | None, stage: Stage) -> Iterator[None]:
    if before is None:
        yield
        return
    stage.on(before.server, before.run)
    try:
        yield
    finally:
        stage.on(before.server, before.undo)
