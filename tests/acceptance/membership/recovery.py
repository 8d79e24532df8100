# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two of three managers lost for good: refused, then rebuilt from the survivor, with its services and its votes."""

from __future__ import annotations

from tests.acceptance import votes
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.membership.losses import take_away
from tests.acceptance.mesh import CASTING, public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "two of three managers lost"
SERVICES = "docker service ls --format '{{.ID}} {{.Name}}' | sort"
LED = "docker node ls > /dev/null 2>&1 && echo led || echo leaderless"


def judge(stage: Stage) -> Finding:
    """The survivor is the server with the votes."""
    stage.reach("app")
    stage.level = None
    run = stage.play("verify.yml", CASTING)
    if run.exit_code:
        raise StageError(f"verify.yml: {'; '.join(map(str, run.failures))}")
    before = view.look_at_first(stage)
    survivor = next(node.name for node in before.nodes if node.labels.get("voteapp.data") == "true")
    lost = [name for name in blueprint_addresses() if name != survivor]
    totals = votes.totals(public_addresses(stage)[survivor])
    services = stage.on(survivor, SERVICES)
    labels = {node.name: node.labels for node in before.nodes}

    for name in lost:
        stage.kill(name)
        take_away(stage, name)
    problems = []
    refused = stage.play("site.yml")
    said = " ".join(failure.reason for failure in refused.failures)
    problems += unmet(
        {
            "site.yml refuses": refused.exit_code != 0,
            f"and names the way out ({said})": "recover.yml" in said,
        }
    )
    asked = stage.play("recover.yml")
    said = " ".join(failure.reason for failure in asked.failures)
    problems += unmet(
        {
            "recover.yml asks first": asked.exit_code != 0 and f"recover_confirm={survivor}" in said,
            f"it names what it would do ({said})": before.cluster in said,
        }
    )
    dry = stage.play("recover.yml", {"recover_confirm": survivor}, arguments=("--check",))
    problems += unmet(
        {
            f"a dry run succeeds ({'; '.join(map(str, dry.failures))})": dry.exit_code == 0,
            "and leaves the survivor as it was": stage.on(survivor, LED).strip() == "leaderless",
        }
    )
    recovered = stage.play("recover.yml", {"recover_confirm": survivor})
    problems += unmet(
        {f"recover.yml rebuilds it ({'; '.join(map(str, recovered.failures))})": recovered.exit_code == 0}
    )
    kept = stage.on(survivor, SERVICES)
    finished = stage.play("site.yml", CASTING)
    problems += unmet(
        {
            f"every service is kept ({kept})": kept == services,
            f"site.yml completes it ({'; '.join(map(str, finished.failures))})": finished.exit_code == 0,
            "no vote is lost": _at_least(votes.totals(public_addresses(stage)[survivor]), totals),
        }
    )
    roles = dict.fromkeys(blueprint_addresses(), "manager")
    problems += view.flaws(view.look(stage, survivor), before.cluster, roles, {survivor: labels[survivor]})
    paths = stage.play("paths.yml")
    problems += unmet(
        {f"every port and every path works ({'; '.join(map(str, paths.failures))})": paths.exit_code == 0}
    )
    pairs = votes.pairs_counted(public_addresses(stage))
    problems += unmet({f"a vote through each node is counted on each ({len(pairs)} of 9)": len(pairs) == 9})
    figure = (
        f"site.yml refuses in {refused.seconds:.0f} s; recover.yml {recovered.seconds:.0f} s, site.yml afterwards "
        f"{finished.seconds:.0f} s; {len(services.splitlines())} services and {sum(totals.values())} votes kept, "
        f"{len(pairs)} of 9 pairs"
    )
    data = {
        "refused_seconds": round(refused.seconds, 1),
        "recover_seconds": round(recovered.seconds, 1),
        "site_seconds": round(finished.seconds, 1),
        "votes": totals,
        "pairs": len(pairs),
    }
    return Finding(figure, problems, data=data)


def _at_least(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[choice] >= count for choice, count in before.items())
