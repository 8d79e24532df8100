# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""New passwords at both stores while people vote; the old ones are refused afterwards. Twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from lab.playbook import Run
from tests.acceptance.data import stores
from tests.acceptance.data.load import audit
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stack import deployment
from tests.acceptance.stage import Stage
from tests.acceptance.updates import drill, logins
from tests.acceptance.updates.drill import Drill
from tests.acceptance.updates.logins import ACCEPTED, REFUSED

NAME = "the app's passwords at queue and database rotated twice under load"
TIMES = ("first", "second")


@dataclass(frozen=True)
class Rotation:
    """accounts: that of before and the new one. before, after: what members said to the old passwords. now: to the new
    ones afterwards. given: the accounts in the settings of the app's services then. logged_in: those with a connection
    to each member.
    """

    time: str
    run: Run
    accounts: Sequence[str]
    before: Mapping[str, str]
    after: Mapping[str, str]
    now: Mapping[str, str]
    given: Mapping[str, str]
    logged_in: Mapping[str, Sequence[str]]

    def problems(self) -> list[str]:
        old, new = self.accounts
        conditions = {
            f"rotate_passwords.yml succeeds ({'; '.join(map(str, self.run.failures))})": not self.run.exit_code,
            f"the app has another account ({old}, {new})": old != new,
            f"the old passwords were accepted before ({self.before})": _all(self.before.values(), ACCEPTED),
            f"they are refused afterwards ({self.after})": _all(self.after.values(), REFUSED),
            f"the new ones are accepted ({self.now})": _all(self.now.values(), ACCEPTED),
            f"vote, result and worker have the new account ({self.given})": _all(self.given.values(), new),
            f"all of the app is logged in with it ({self.logged_in})": _all(chain(*self.logged_in.values()), new),
        }
        return [f"{self.time} rotation: {words}" for words in unmet(conditions)]


def judge(stage: Stage) -> Finding:
    """The old passwords are read from a worker before."""
    drills: list[Drill] = []
    with stores.whole_app(stage):
        with drill.visitors(stage, public_addresses(stage).values()) as running:
            rotations = [_rotate(stage, time, drills) for time in TIMES]
        audited = audit(stage, running)
        attempts = running.attempts()
    told = [one.told(attempts) for one in drills]
    problems = [*drill.failing(told, attempts), *(words for one in rotations for words in one.problems())]
    if problems:
        stage.level = None
    listed = "; ".join(
        f"{one.accounts[0]} to {one.accounts[1]} in {one.run.seconds:.0f} s, the old passwords refused by "
        f"{list(one.after.values()).count(REFUSED)} of {len(one.after)} members"
        for one in rotations
    )
    accounts = [list(one.accounts) for one in rotations]
    return drill.finding(told, audited, listed, problems, accounts=accounts)


def _rotate(stage: Stage, time: str, drills: list[Drill]) -> Rotation:
    with logins.kept(stage) as old:
        before = logins.tried(stage, old)
        with drill.watched(f"{time} rotation of passwords", drills):
            run = stage.play("rotate_passwords.yml")
        stage.say(f"rotate_passwords.yml: {run.seconds:.0f} s")
        given = logins.given(deployment.look(stage, old.server))
        logged_in = logins.logged_in(stage)
        after = logins.tried(stage, old)
    with logins.kept(stage) as new:
        now = logins.tried(stage, new)
    return Rotation(time, run, (old.account, new.account), before, after, now, given, logged_in)


def _all(found: Iterable[str], wanted: str) -> bool:
    """Whether there are some, and all of them this one."""
    return set(found) == {wanted}
