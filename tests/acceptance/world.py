# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What exists in the cloud and on the servers, one line a thing, so that two moments can be compared."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.acceptance.api import KINDS
from tests.acceptance.stage import Stage

# Every node tells of itself; what the Swarm holds is told by managers, and the same by all of them.
ON_NODE = r"""
command -v dockerd > /dev/null || exit 0
echo "engine on $(hostname)"
docker volume ls --format "volume {{.Name}} on $(hostname)"
docker info --format "swarm {{.Swarm.LocalNodeState}} on $(hostname)"
docker node ls -q 2> /dev/null |
  xargs -r docker node inspect --format 'labels {{.Description.Hostname}} {{.Spec.Labels}}'
docker network ls --filter scope=swarm --format 'network {{.Name}}'
docker service ls -q 2> /dev/null |
  xargs -r docker service inspect --format 'service {{.Spec.Name}}, {{len .Spec.Labels}} labels, changed {{.UpdatedAt}}'
docker secret ls --format 'secret {{.Name}}' 2> /dev/null || true
docker config ls --format 'config {{.Name}}' 2> /dev/null || true
"""


def world(stage: Stage) -> set[str]:
    """Everything that a failed run could leave half-built."""
    cloud = {f"{kind}: {one['name']}" for kind in KINDS for one in stage.api.all(kind)}
    names = [server["name"] for server in stage.servers()]
    with ThreadPoolExecutor() as pool:
        told = pool.map(lambda name: stage.on(name, ON_NODE), names)
        return cloud.union(*(text.splitlines() for text in told))


def differences(before: set[str], after: set[str]) -> list[str]:
    """What is there and was not, and what was there and is not."""
    return [f"appeared: {one}" for one in sorted(after - before)] + [
        f"vanished: {one}" for one in sorted(before - after)
    ]
