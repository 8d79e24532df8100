# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server replaced by an empty one while people vote: its members come back with all that the others have."""

from __future__ import annotations

import json

from tests.acceptance.data import ledger, stores
from tests.acceptance.data.load import audit, load
from tests.acceptance.data.stores import DATABASE_LEADER, MASTER, inside
from tests.acceptance.membership import view
from tests.acceptance.membership.losses import take_away
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "the server of the database's leader replaced by an empty one"


def judge(stage: Stage) -> Finding:
    """site.yml gives it back what it had; once more, it changes nothing. Votes come through the other servers."""
    with stores.whole_app(stage):
        server = stores.holder(stage, DATABASE_LEADER).server
        others = [address for name, address in public_addresses(stage).items() if name != server]
        with load(stage, others) as running:
            stage.kill(server)
            view.look_at_first(stage, without=[server])
            take_away(stage, server)
            replaced = stage.play("site.yml")
            said = "; ".join(map(str, replaced.failures))
            stage.say(f"{server} taken away; site.yml: exit {replaced.exit_code}, {replaced.seconds:.0f} s {said}")
            lacking = stores.await_whole(stage).lacking()
        audited = audit(stage, running)
        problems = unmet(
            {
                f"site.yml succeeds ({said})": replaced.exit_code == 0,
                f"all is whole ({'; '.join(lacking)})": not lacking,
            }
        )
        problems += [] if problems else _flaws(stage)
        again = stage.play("site.yml")
        problems += unmet(
            {
                f"once more changes nothing ({again.changed}; {'; '.join(map(str, again.failures))})": again.exit_code
                == 0
                and again.changed == 0
            }
        )
    attempts = running.attempts()
    gap = ledger.longest_gap(attempts, running.began, max(one.ended for one in attempts))
    figure = (
        f"{server}: site.yml {replaced.seconds:.0f} s, then changed={again.changed}; longest time without an "
        f"acknowledged vote through the others {gap:.1f} s; {audited.figure}"
    )
    data = {"seconds": round(replaced.seconds, 1), "longest_gap": round(gap, 1), "ledger": audited.told()}
    return Finding(figure, problems + audited.problems, data=data)


def _flaws(stage: Stage) -> list[str]:
    """What the stores themselves say of their members, where it is not three of each."""
    seen = stores.look(stage)
    patroni = inside(stage, stores.holder(stage, DATABASE_LEADER, seen), "patronictl -c /etc/patroni.yml list -f json")
    members = [(member["Role"], member["State"]) for member in json.loads(patroni)]
    listing = "etcdctl --command-timeout=5s member list --write-out=json"
    etcd = json.loads(inside(stage, seen.of("etcd")[0], listing))["members"]
    replication = inside(stage, stores.holder(stage, MASTER, seen), "votes INFO replication")
    # An answer in lines: a name, its value, the next name.
    sentinels = [
        inside(stage, one, "redis-cli -p 26379 SENTINEL MASTER votes").split("\n") for one in seen.of("sentinel")
    ]
    others = [lines[lines.index("num-other-sentinels") + 1] for lines in sentinels]
    return unmet(
        {
            f"one member leads the database and two stream ({members})": len(members) == 3
            and [role for role, _ in members].count("Leader") == 1
            and [state for _, state in members].count("streaming") == 2,
            f"three members of etcd have a vote ({etcd})": len(etcd) == 3
            and all(member.get("name") and not member.get("isLearner") for member in etcd),
            f"two replicas of Redis are online ({replication})": replication.count("state=online") == 2,
            f"three sentinels know two others each ({others})": others == ["2"] * 3,
        }
    )
