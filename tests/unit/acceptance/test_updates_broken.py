# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must be so after a version that does not work was deployed, and what is told where it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.playbook import Failure, Run
from tests.acceptance.updates import broken
from tests.acceptance.updates.broken import Return
from tests.acceptance.updates.services import Services, Task

SAID = "The stack voteapp cannot converge. voteapp_vote: the update failed and is being rolled back: exit code 3."


def run(exit_code: int = 0, changed: int = 0, said: str = "", seconds: float = 30) -> Run:
    failures = [Failure("server-1", "Deploy the stack", said)] if said else []
    return Run({"Deploy": seconds}, {"server-1": {"changed": changed}}, failures, exit_code=exit_code)


def services(*tasks: str, image: str = "good", update: str = "rollback_completed") -> Services:
    """Each task: service and number."""
    names = {task[:-1] for task in tasks}
    images = dict.fromkeys(names, "good") | {"vote": image}
    return Services(images, {"vote": update}, [Task(task, task[:-1], "server-1") for task in tasks])


GOOD = Return(
    case=broken.CASES["nodes"][0],
    before=services("vote1", "vote2", "worker1"),
    failed=run(2, 0, SAID, seconds=21),
    is_back=True,
    back=services("vote1", "vote2", "worker1"),
    again=run(),
    after=services("vote1", "vote2", "worker1"),
)


def test_all_is_as_it_must_be() -> None:
    assert GOOD.problems() == []
    assert broken.listed([GOOD, replace(GOOD, failed=run(2, 0, SAID, seconds=41))]) == (
        "2 of 2 broken versions refused with their reason and rolled back by Swarm, deploy.yml failed after 21 to 41 s"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"failed": run(0)}, "deploy.yml fails by itself"),
        ({"failed": run(2, 0, SAID.replace("exit code 3", "no reason"))}, "it says: exit code 3"),
        ({"failed": run(2, 0, SAID.replace("voteapp_vote", "somebody"))}, "it names one of voteapp_vote"),
        ({"is_back": False}, "Swarm goes back by itself"),
        ({"back": services("vote1", "vote2", "worker2")}, "no other service is touched"),
        ({"back": services("vote1", "vote2", "worker1", image="bad")}, "no other service is touched"),
        ({"again": run(2, 0, "no manager")}, "the good version deployed once more succeeds (server-1: Deploy"),
        ({"again": run(0, 1)}, "and has nothing to change (changed=1)"),
        ({"after": services("vote1", "vote3", "worker1")}, "and has nothing to change"),
    ],
)
def test_what_is_not_so_is_told(change: dict[str, object], words: str) -> None:
    problems = replace(GOOD, **change).problems()  # type: ignore[arg-type]
    assert any(problem.startswith(f"vote that exits at once: {words}") for problem in problems)


def test_data_of_a_return() -> None:
    assert broken.summary(GOOD) == {
        "case": "vote that exits at once",
        "failed_after": 21,
        "rolled_back": True,
        "changed_again": 0,
    }
