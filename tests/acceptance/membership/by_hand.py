# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A cluster that somebody made by hand, with three classic mistakes: each is found; what can be adopted is."""

from __future__ import annotations

from lab.daemons import wait_for
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage, StageError

NAME = "a cluster made by hand: wrong MTU, overlapping pool, dead duplicate"
# Docker's own default pool holds the servers' private network, and its networks are made for an MTU of 1500.
BEGIN = "docker swarm init --advertise-addr {0} --listen-addr {0}:2377 --data-path-addr {0} > /dev/null"
JOIN = "docker swarm join --token {1} --advertise-addr {0} --listen-addr {0}:2377 --data-path-addr {0} {2}:2377"
TOKEN = "docker swarm join-token --quiet manager"
INGRESS = "docker network inspect ingress --format '{{json .Options}}'"
SECONDS_TO_BE_DOWN = 60
FOUND = {
    "wrong MTU": ("ingress", "MTU"),
    "overlapping pool": ("10.0.0.0/8", "10.0.0.0/"),
    "dead duplicate": ("server-nbg-1", "dead entries"),
}


def judge(stage: Stage) -> Finding:
    """First only looked at, then adopted."""
    stage.reach("servers")
    stage.level = None
    stage.play("engine.yml")
    (first, address), *others = blueprint_addresses().items()
    stage.on(first, BEGIN.format(address))
    token = stage.on(first, TOKEN).strip()
    for name, own in others:
        stage.on(name, JOIN.format(own, token, address))
    twin, own = others[-1]
    stage.on(twin, "docker swarm leave --force > /dev/null")
    stage.on(twin, JOIN.format(own, token, address))
    dead: list[str] = []

    def declared_down() -> bool:
        dead[:] = [node.id for node in view.look(stage, first).nodes if node.name == twin and node.status == "down"]
        return bool(dead)

    if not wait_for(declared_down, seconds=SECONDS_TO_BE_DOWN, interval=1):
        raise StageError(f"the entry that {twin} left behind is not declared down")
    before = view.look(stage, first)

    looked = stage.play("preflight.yml")
    told = " ".join(looked.warnings)
    unchanged = view.look(stage, first)
    found = {case: all(word in told for word in words) for case, words in FOUND.items()}
    problems = unmet(
        {
            f"preflight.yml looks and does not fail ({'; '.join(map(str, looked.failures))})": looked.exit_code == 0,
            "it changes nothing": [n.id for n in unchanged.nodes] == [n.id for n in before.nodes],
            **{f"found: {case} ({told})": named for case, named in found.items()},
            f"the dead entry is named by its ID ({dead})": bool(dead) and dead[0] in told,
        }
    )
    adopted = stage.play("swarm.yml")
    mtu = stage.on(first, INGRESS)
    again = stage.play("swarm.yml")
    roles = dict.fromkeys(blueprint_addresses(), "manager")
    problems += unmet(
        {
            f"swarm.yml adopts it ({'; '.join(map(str, adopted.failures))})": adopted.exit_code == 0,
            f"the ingress network has its MTU ({mtu})": '"1450"' in mtu,
            f"a second run changes nothing ({again.changed})": again.exit_code == 0 and again.changed == 0,
        }
    )
    labels = {"server-fsn-1": {"location": "fsn"}, "server-nbg-1": {"location": "nbg"}}
    problems += view.flaws(view.look(stage, first), before.cluster, roles, labels)
    figure = (
        f"{sum(found.values())} of {len(found)} found and named; adopted in {adopted.seconds:.0f} s: MTU of the "
        f"ingress network, the dead entry, labels; {len(adopted.warnings)} warnings are left"
    )
    return Finding(figure, problems, data={"seconds": round(adopted.seconds, 1)})
