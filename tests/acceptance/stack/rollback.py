# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The voting app under another option, and back by rollback.yml; releases.yml tells it. The votes stay."""

from __future__ import annotations

import httpx

from tests.acceptance import votes
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.mesh import CASTING, public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "rollback.yml and releases.yml: the voting app goes back, the votes stay"
OTHER = {"voting_app_option_a": "Tea"}
DRIFT = "docker service scale --detach voteapp_worker=3"


def judge(stage: Stage) -> Finding:
    """With a service scaled by hand in between, which releases.yml has to tell and rollback.yml to stop at."""
    stage.reach("app")
    stage.level = None
    first = next(iter(blueprint_addresses()))
    address = public_addresses(stage)[first]
    cast = stage.play("verify.yml", CASTING)
    before = votes.totals(address)
    deployed = stage.play("deploy.yml", OTHER)
    shown = {"deployed": _options(address)}
    back = stage.play("rollback.yml")
    shown["rolled back"] = _options(address)
    again = stage.play("rollback.yml", {"release": 1})
    stage.on(first, DRIFT)
    told = stage.play("releases.yml")
    refused = stage.play("rollback.yml")
    repaired = stage.play("rollback.yml", {"release": 3})
    after = votes.totals(address)
    reports = [said for task, said in told.reports.items() if task.endswith("Tell it")]
    lines = "\n".join(str(line) for said in reports for line in said[0])
    said = "; ".join(map(str, refused.failures))
    problems = unmet(
        {
            **{
                f"{name} succeeds ({'; '.join(map(str, run.failures))})": run.exit_code == 0
                for name, run in (
                    ("verify.yml", cast),
                    ("deploy.yml", deployed),
                    ("rollback.yml", back),
                    ("releases.yml", told),
                    ("rollback.yml to a number", repaired),
                )
            },
            f"the page shows the other option, then the first again ({shown})": "Tea" in shown["deployed"]
            and "Tea" not in shown["rolled back"],
            f"once more to the same release changes nothing ({again.changed})": again.changed == 0,
            f"releases.yml changes nothing ({told.changed})": told.changed == 0,
            **{f"releases.yml tells: {word} ({lines})": word in lines for word in ("worker differs", "a return to 1")},
            f"rollback.yml names both releases that may be meant ({said})": "3" in said and "2" in said,
            f"no vote is lost ({before}, {after})": after == before and sum(before.values()) > 0,
        }
    )
    figure = f"deploy.yml {deployed.seconds:.0f} s, rollback.yml {back.seconds:.0f} s, {sum(after.values())} votes kept"
    data = {"deploy_seconds": round(deployed.seconds, 1), "rollback_seconds": round(back.seconds, 1), "votes": after}
    return Finding(figure, problems, data=data)


def _options(address: str) -> str:
    """The page that asks for a vote."""
    return httpx.get(f"http://{address}:8080/", trust_env=False).text
