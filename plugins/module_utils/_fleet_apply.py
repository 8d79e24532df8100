# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads the state of a fleet and takes the steps of its plan: many servers at a time, the steps of each in order.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import Catalog, Raw, Request, Server, moving
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._hcloud import Cloud, CloudError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

# From the servers there are, by name, to the steps of each server that is asked for. May raise Refused.
Planner = Callable[[Mapping[str, Raw]], Mapping[str, Sequence[Step]]]

# How long an operating system may take to shut down before it loses its power.
SHUTDOWN_SECONDS = 90.0


@dataclass
class Outcome:
    """What became of one server. reason is empty when all went well; not_done begins with the step that failed.

    note: what a person has to know about a server that is not quite as first asked for.
    """

    name: str
    done: list[Step] = field(default_factory=list)
    not_done: list[Step] = field(default_factory=list)
    reason: str = ""
    note: str = ""


def read_state(cloud: Cloud, wanted: Sequence[Server]) -> tuple[Catalog, dict[str, Raw]]:
    """What the project offers as far as these servers need it, and all of its servers by name.

    One list of each kind, and one of primary IPs where a server is to lose its own.
    """
    needs = {
        "servers": True,
        "networks": True,
        "locations": bool(wanted),
        "server_types": bool(wanted),
        "images": bool(wanted),
        "ssh_keys": any(server.ssh_keys for server in wanted),
        "firewalls": any(server.firewalls is not None for server in wanted),
        "placement_groups": any(server.placement_group for server in wanted),
        "primary_ips": not all(server.enable_ipv4 and server.enable_ipv6 for server in wanted),
    }
    kinds = [kind for kind, needed in needs.items() if needed]
    with ThreadPoolExecutor(max_workers=len(kinds)) as pool:
        found = dict(zip(kinds, pool.map(cloud.read, kinds), strict=True))
    servers, images = found.pop("servers"), found.pop("images", [])
    return Catalog(images=images, **{kind: by_name(ones) for kind, ones in found.items()}), by_name(servers)


def read_settled(cloud: Cloud, names: Iterable[str]) -> dict[str, Raw]:
    """All servers by name, once those of these names are in a state that lasts.

    Raises ``CloudError`` when time runs out.
    """
    names = list(names)
    return by_name(cloud.until(lambda: cloud.read("servers"), lambda servers: moving(servers, names)))


def apply(
    cloud: Cloud, planner: Planner, actual: Mapping[str, Raw], waves: Iterable[Sequence[str]], concurrency: int
) -> tuple[list[Outcome], Mapping[str, Raw]]:
    """Take the planner's steps, wave by wave, then see that none is left.

    waves: names of servers; those of one wave are worked on beside each other, at most ``concurrency`` at a time. A
    wave that leaves a server unfinished is the last one.
    Returns the outcome of each server that had steps, failures included, and all servers by name as they are now.
    """
    plans = planner(actual)
    outcomes: list[Outcome] = []
    after = actual
    for names in waves:
        wave = [Outcome(name, not_done=list(plans[name])) for name in names if plans.get(name)]
        if any(outcome.reason for outcome in outcomes):
            for outcome in wave:
                outcome.reason = "It was left alone, because another server is unfinished."
        elif wave:
            after = _work(cloud, planner, wave, after, concurrency)
        outcomes += wave
    return outcomes, after


def by_name(resources: Iterable[Raw]) -> dict[str, Raw]:
    """Resources of one kind by their names, which are unique within a project."""
    return {raw["name"]: raw for raw in resources}


def _work(
    cloud: Cloud, planner: Planner, wave: Sequence[Outcome], actual: Mapping[str, Raw], concurrency: int
) -> Mapping[str, Raw]:
    def work(outcome: Outcome) -> None:
        try:
            _take_steps(cloud, outcome, actual.get(outcome.name), planner)
        except (CloudError, Refused) as exc:
            outcome.reason = str(exc)

    with ThreadPoolExecutor(max_workers=concurrency) as pool:
        list(pool.map(work, wave))
    return _verify(cloud, planner, wave, actual)


def _take_steps(cloud: Cloud, outcome: Outcome, server: Raw | None, planner: Planner) -> None:
    while outcome.not_done:
        step, *left = outcome.not_done
        try:
            answer = _send(cloud, step.payload["request"], server, outcome)
        except CloudError as exc:
            if not step.payload["request"].traceless:
                server, left = _after_refusal(cloud, planner, step, exc)
            elif exc.code != "not_found":
                raise
        else:
            server = answer["server"] if step.verb == "create" else server
        outcome.done.append(step)
        outcome.not_done = left


def _after_refusal(cloud: Cloud, planner: Planner, step: Step, refusal: CloudError) -> tuple[Raw | None, list[Step]]:
    """The server and the steps that are left, where a refused step turns out to be done.

    Most likely by this very request, whose first answer got lost; or something else was quicker, and its server is
    used if it is, or can become, what is asked for. Raises the refusal where the step is not done.
    """
    if refusal.code in ("time_out", "unreachable"):
        raise refusal
    server = read_settled(cloud, [step.name]).get(step.name)
    left = list(planner({step.name: server} if server else {}).get(step.name, ()))
    if step in left:
        raise refusal
    return server, left


def _send(cloud: Cloud, request: Request, server: Raw | None, outcome: Outcome) -> Raw:
    """The API's answer to a request, or to the first of its substitutes that is in stock, which the outcome notes."""
    try:
        answer = cloud.perform(request.method, request.path.format(id=server and server["id"]), request.json)
    except CloudError as exc:
        if exc.code != "resource_unavailable" or not request.substitutes:
            raise
        instead, *others = request.substitutes
        outcome.note = (
            f"servers[{outcome.name}]: the cloud is out of stock, and its alternatives had to be tried. It was ordered "
            f"as {instead['server_type']} in {instead['location']}."
        )
        return _send(cloud, replace(request, json=instead, substitutes=tuple(others)), server, outcome)
    if request.forced and server:
        _see_off(cloud, request.forced, server)
    return answer


def _see_off(cloud: Cloud, forced: Request, server: Raw) -> None:
    """Wait until a server that was asked to shut down is off, and take its power when it does not."""

    def not_off(servers: list[Raw]) -> str:
        return ", ".join(f"{raw['name']} is {raw['status']}" for raw in servers if raw["status"] != "off")

    try:
        cloud.until(lambda: cloud.read("servers", name=server["name"]), not_off, seconds=SHUTDOWN_SECONDS)
    except CloudError as exc:
        if exc.code != "time_out":
            raise
        cloud.perform(forced.method, forced.path.format(id=server["id"]))


def _verify(
    cloud: Cloud, planner: Planner, outcomes: Sequence[Outcome], before: Mapping[str, Raw]
) -> Mapping[str, Raw]:
    """The servers as they are now; outcomes that turn out not to be what was asked for get a reason."""
    unblamed = [outcome for outcome in outcomes if not outcome.reason]
    try:
        after = read_settled(cloud, [outcome.name for outcome in unblamed])
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
