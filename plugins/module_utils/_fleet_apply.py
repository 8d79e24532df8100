# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the state of a fleet and takes the steps of its plan: many servers at a time, the steps of each in order.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import Catalog, Raw, Request, Server, moving
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._hcloud import Cloud, CloudError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

# From the servers there are, by name, to the steps of each server that is asked for. May raise Refused.
Planner = Callable[[Mapping[str, Raw]], Mapping[str, Sequence[Step]]]


@dataclass
class Outcome:
    """What became of one server. reason is empty when all went well; not_done begins with the step that failed."""

    name: str
    done: list[Step] = field(default_factory=list)
    not_done: list[Step] = field(default_factory=list)
    reason: str = ""


def read_state(cloud: Cloud, wanted: Sequence[Server]) -> tuple[Catalog, list[Raw]]:
    """What the project offers as far as these servers need it, and all of its servers: one list of each kind."""
    needs = {
        "servers": True,
        "networks": True,
        "locations": bool(wanted),
        "server_types": bool(wanted),
        "images": bool(wanted),
        "ssh_keys": any(server.ssh_keys for server in wanted),
        "firewalls": any(server.firewalls is not None for server in wanted),
        "placement_groups": any(server.placement_group for server in wanted),
    }
    kinds = [kind for kind, needed in needs.items() if needed]
    with ThreadPoolExecutor(max_workers=len(kinds)) as pool:
        found = dict(zip(kinds, pool.map(cloud.read, kinds), strict=True))
    servers, images = found.pop("servers"), found.pop("images", [])
    return Catalog(images=images, **{kind: by_name(resources) for kind, resources in found.items()}), servers


def read_settled(cloud: Cloud, names: Iterable[str]) -> list[Raw]:
    """All servers, once those of these names are in a state that lasts. Raises ``CloudError`` when time runs out."""
    names = list(names)
    return cloud.until(lambda: cloud.read("servers"), lambda servers: moving(servers, names))


def apply(
    cloud: Cloud, planner: Planner, actual: Mapping[str, Raw], concurrency: int
) -> tuple[list[Outcome], Mapping[str, Raw]]:
    """Take the planner's steps, on at most ``concurrency`` servers at a time, then see that none is left.

    Returns the outcome of each server that had steps, failures included, and all servers by name as they are now.
    """

    def work(outcome: Outcome) -> None:
        try:
            _take_steps(cloud, outcome, actual.get(outcome.name), planner)
        except (CloudError, Refused) as exc:
            outcome.reason = str(exc)

    outcomes = [Outcome(name, not_done=list(steps)) for name, steps in planner(actual).items() if steps]
    if not outcomes:
        return [], actual
    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        list(pool.map(work, outcomes))
    return outcomes, _verify(cloud, planner, outcomes, actual)


def by_name(resources: Iterable[Raw]) -> dict[str, Raw]:
    """Resources of one kind by their names, which are unique within a project."""
    return {raw["name"]: raw for raw in resources}


def _take_steps(cloud: Cloud, outcome: Outcome, server: Raw | None, planner: Planner) -> None:
    steps = deque(outcome.not_done)
    while steps:
        step = steps.popleft()
        request: Request = step.payload["request"]
        try:
            answer = cloud.perform(request.method, request.path.format(id=server and server["id"]), request.json)
        except CloudError as exc:
            if exc.code not in request.satisfied_by:
                raise
            if step.verb == "create":
                # A server of this name has come up since the state was read: most likely by this very request, whose
                # first answer got lost. It is used if it is, or can become, what is asked for.
                server = by_name(read_settled(cloud, [step.name])).get(step.name)
                if server is None:
                    raise
                steps = deque(planner({step.name: server})[step.name])
        else:
            server = answer["server"] if step.verb == "create" else server
        outcome.done.append(step)
        outcome.not_done = list(steps)


def _verify(
    cloud: Cloud, planner: Planner, outcomes: Sequence[Outcome], before: Mapping[str, Raw]
) -> Mapping[str, Raw]:
    """The servers as they are now; outcomes that turn out not to be what was asked for get a reason."""
    unblamed = [outcome for outcome in outcomes if not outcome.reason]
    try:
        after = by_name(read_settled(cloud, [outcome.name for outcome in unblamed]))
    except CloudError as exc:
        for outcome in unblamed:
            outcome.reason = f"Its state could not be verified. {exc}"
        return before
    for outcome in unblamed:
        itself = {name: raw for name, raw in after.items() if name == outcome.name}
        try:
            outcome.not_done = list(planner(itself).get(outcome.name, ()))
        except Refused as exc:
            outcome.reason = str(exc)
        if outcome.not_done:
            outcome.reason = "All steps were taken, and it is not as asked for: something else changes it too."
    return after
