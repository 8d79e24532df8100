# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts of somebody else's inventory: other names, other groups, no cloud; the same roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lab.playbook import Run
from tests.acceptance.fleets import blueprint_addresses
from tests.acceptance.membership import view
from tests.acceptance.mesh import public_addresses
from tests.acceptance.rows import Finding, unmet
from tests.acceptance.stage import Stage

NAME = "existing estate: static inventory, other group names"
PLAY = str(Path(__file__).parents[1] / "plays" / "estate.yml")
GROUPS = {
    "swarm_managers_group": "dock_leads",
    "swarm_workers_group": "dock_hands",
    "swarm_leavers_group": "dock_gone",
}


def judge(stage: Stage) -> Finding:
    """Three managers; then one becomes a worker; then it leaves; each time once more without a change."""
    stage.reach("servers")
    stage.level = None
    first, second, third = blueprint_addresses()
    stages = {
        "three managers": {"dock_leads": [first, second, third]},
        "one becomes a worker": {"dock_leads": [first, second], "dock_hands": [third]},
        "it leaves": {"dock_leads": [first, second], "dock_gone": [third]},
    }
    problems: list[str] = []
    seconds: dict[str, float] = {}
    changed: list[int] = []
    cluster = ""
    for case, groups in stages.items():
        run, again = _play(stage, groups), _play(stage, groups)
        seconds[case] = round(run.seconds, 1)
        changed.append(again.changed)
        stage.say(f"{case}: {run.seconds:.0f} s, then changed={again.changed}")
        seen = view.look(stage, first)
        cluster = cluster or seen.cluster
        roles = dict.fromkeys(groups["dock_leads"], "manager") | dict.fromkeys(groups.get("dock_hands", []), "worker")
        problems += unmet(
            {
                f"{case}: the roles succeed ({'; '.join(map(str, run.failures))})": run.exit_code == 0,
                f"{case}: once more changes nothing ({again.changed})": again.exit_code == 0 and again.changed == 0,
            }
        )
        labels = {name: {"rack": name[-1]} for name in roles}
        problems += [f"{case}: {one}" for one in view.flaws(seen, cluster, roles, labels)]
    listed = ", ".join(f"{case} {value:.0f} s" for case, value in seconds.items())
    return Finding(f"{listed}; each once more: changed={sum(changed)}", problems, data={"seconds": seconds})


def _play(stage: Stage, groups: dict[str, list[str]]) -> Run:
    file = stage.state / "estate.yml"
    file.write_text(yaml.safe_dump(_inventory(stage, groups)), encoding="utf-8")
    return stage.play(PLAY, environment={"ANSIBLE_INVENTORY": str(file)})


def _inventory(stage: Stage, groups: dict[str, list[str]]) -> dict[str, Any]:
    """Hosts have names of their owner's, not those of the machines."""
    public, private = public_addresses(stage), blueprint_addresses()
    ids = {server["name"]: server["id"] for server in stage.api.all("servers")}
    children = {
        group: {
            "hosts": {
                f"estate-{name}": {
                    "ansible_host": public[name],
                    "ansible_ssh_common_args": f"-o UserKnownHostsFile={stage.settings.ssh / 'known_hosts'} "
                    f"-o HostKeyAlias={name}.{ids[name]} -o StrictHostKeyChecking=yes -o IdentitiesOnly=yes",
                    "swarm_advertise_address": private[name],
                    "swarm_node_labels": {"rack": name[-1]},
                }
                for name in groups.get(group, [])
            }
        }
        for group in GROUPS.values()
    }
    variables = {
        **GROUPS,
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(stage.settings.ssh / "id_ed25519"),
        "engine_package_source": "distribution",
    }
    return {"all": {"children": children, "vars": variables}}
