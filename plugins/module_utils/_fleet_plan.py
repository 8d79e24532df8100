# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which steps turn the servers that exist into the servers that are asked for. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _fleet_steps as steps
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import (
    Catalog,
    Raw,
    Server,
    own_labels,
    private_ips,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_drift import Drift, drifts, resolve
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_records import made_with, outdated, recorded
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

Consent = Literal["refuse", "restart", "replace"]

_COVERED = {"refuse": frozenset[str](), "restart": frozenset({"restart"}), "replace": frozenset({"restart", "replace"})}
_WAYS_OUT = {
    "restart": "It takes a restart: set the old value again, or ask for it with on_drift=restart (hetzner_on_drift).",
    "replace": (
        "It takes another disk, and all data on this one are lost: set the old value again, or ask for it with "
        "on_drift=replace (hetzner_on_drift)."
    ),
}


@dataclass(frozen=True)
class Disruption:
    """What happens to a server that exists. by: "restart", "replace" or "delete". settings: why."""

    name: str
    by: str
    settings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Fleet:
    """All that is asked for.

    servers: those to have. gone: names of those not to have, all of which exist where they are given by prune.
    on_drift: what may happen to a server that cannot become what is asked for while it runs.
    owner: labels that a server must carry, by its name, before it is deleted.
    """

    servers: Sequence[Server] = ()
    gone: Sequence[str] = ()
    on_drift: Consent = "refuse"
    owner: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Every server that is spoken of."""
        return [*(server.name for server in self.servers), *self.gone]


def plan(fleet: Fleet, actual: Mapping[str, Raw], catalog: Catalog) -> dict[str, list[Step]]:
    """The steps of each server, by name. Raises ``Refused`` with everything that must not be done."""
    refusals = [
        *(
            refusal
            for server in fleet.servers
            if server.name in actual and (refusal := _refusal(server, actual[server.name], catalog, fleet.on_drift))
        ),
        *(
            refusal
            for name in fleet.gone
            if name in actual and (refusal := _refused_deletion(actual[name], fleet.owner.get(name, {})))
        ),
    ]
    if refusals:
        raise Refused(" ".join(refusals))
    return {
        **{server.name: _plan_server(server, actual.get(server.name), catalog) for server in fleet.servers},
        **{name: [steps.delete(actual[name])] for name in fleet.gone if name in actual},
    }


def disruptions(fleet: Fleet, actual: Mapping[str, Raw], catalog: Catalog) -> list[Disruption]:
    """What the plan does to servers that exist and would rather be left alone, one at a time."""
    found = []
    for server in fleet.servers:
        if server.name in actual and (drifted := drifts(server, actual[server.name], catalog)):
            by = "replace" if any(drift.by == "replace" for drift in drifted) else "restart"
            found.append(Disruption(server.name, by, tuple(drift.setting for drift in drifted)))
    return found + [Disruption(name, "delete") for name in fleet.gone if name in actual]


def warnings(fleet: Fleet, actual: Mapping[str, Raw], catalog: Catalog) -> list[str]:
    """What is not as asked for, and does no harm."""
    return [
        warning
        for server in fleet.servers
        if server.name in actual
        for warning in outdated(server, actual[server.name], catalog)
    ]


def _plan_server(server: Server, actual: Raw | None, catalog: Catalog) -> list[Step]:
    if actual is None:
        return _plan_creation(server, catalog)
    name, drifted = server.name, drifts(server, actual, catalog)
    protected = actual["protection"]["delete"]
    unprotect = [steps.protect(name, False)] if protected and server.protection is False else []
    if _moves(drifted):
        return [*unprotect, steps.delete(actual), *_plan_creation(server, catalog)]
    rebuilt = any(drift.by == "replace" for drift in drifted)
    stopped = not rebuilt and (actual["status"] == "off" or bool(drifted))
    return [
        *unprotect,
        *resolve(server, actual, drifted),
        *_plan_firewalls(server, actual, catalog),
        *_plan_labels(server, actual, made_with(server) if rebuilt else {}),
        *_plan_attachments(server, actual, catalog),
        *_plan_backups(server, actual),
        *([steps.start(name)] if stopped and server.status == "running" else []),
        *([steps.stop(name)] if rebuilt and server.status == "off" else []),
        *([steps.protect(name, True)] if server.protection and not protected else []),
    ]


def _plan_creation(server: Server, catalog: Catalog) -> list[Step]:
    # The API takes no fixed private address at creation, and an interface that appears after boot may stay
    # unconfigured: such a server is created stopped, attached, then started.
    fixed = [link for link in server.private_networks if link.ip]
    return [
        steps.create(server, catalog),
        *(steps.attach(server.name, link, catalog) for link in fixed),
        *([steps.start(server.name)] if fixed and server.status == "running" else []),
        *([steps.back_up(server.name, True)] if server.backups else []),
        *([steps.protect(server.name, True)] if server.protection else []),
    ]


def _refusal(server: Server, actual: Raw, catalog: Catalog, on_drift: Consent) -> str:
    """Why the server cannot become what is asked for; empty when it can."""
    drifted = drifts(server, actual, catalog)
    uncovered = [drift for drift in drifted if drift.by not in _COVERED[on_drift]]
    where = f"servers[{server.name}]"
    if uncovered:
        wording = ", ".join(f"{drift.setting} is {drift.has} and {drift.wants} is asked for" for drift in uncovered)
        severest = "replace" if any(drift.by == "replace" for drift in uncovered) else "restart"
        return f"{where}: {wording}. {_WAYS_OUT[severest]}"
    if actual["protection"]["delete"] and server.protection is not False and any(d.by == "replace" for d in drifted):
        return f"{where} is protected, and cannot be replaced. Lift that with protection: false."
    return ""


def _refused_deletion(raw: Raw, owner: Mapping[str, str]) -> str:
    missing = [f"{key}={value}" for key, value in owner.items() if raw["labels"].get(key) != value]
    if missing:
        return (
            f"servers[{raw['name']}] is not deleted: the server of that name has no label {', '.join(missing)}, "
            f"so it is somebody else's. Take it off the list, or give it the label."
        )
    if raw["protection"]["delete"]:
        return (
            f"servers[{raw['name']}] is protected against deletion. Lift the protection first (state=present with "
            f"protection: false, or in the cloud's console), or leave the server out."
        )
    return ""


def _moves(drifted: Sequence[Drift]) -> bool:
    """Whether only another server can be what is asked for."""
    return any(drift.setting == "location" for drift in drifted)


def _plan_labels(server: Server, actual: Raw, record: Mapping[str, str]) -> list[Step]:
    own = own_labels(actual) if server.labels is None else server.labels
    wanted = {**own, **recorded(actual), **record}
    return [] if wanted == dict(actual["labels"]) else [steps.label(server.name, actual["labels"], wanted)]


def _plan_firewalls(server: Server, actual: Raw, catalog: Catalog) -> list[Step]:
    if server.firewalls is None or not server.is_public:
        return []
    names = {raw["id"]: name for name, raw in catalog.firewalls.items()}
    applied = {names[one["id"]]: one["id"] for one in actual["public_net"]["firewalls"] if one["id"] in names}
    missing = sorted(set(server.firewalls) - set(applied))
    surplus = [
        name
        for name in sorted(set(applied) - set(server.firewalls))
        if _applied_directly(catalog.firewalls[name], actual["id"])
    ]

    def fields(after: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        return {"firewalls": sorted(applied)}, {"firewalls": sorted(after)}

    return [
        *(steps.apply_firewall(server.name, actual["id"], name, catalog, fields({*applied, name})) for name in missing),
        *(
            steps.remove_firewall(server.name, actual["id"], name, catalog, fields(set(applied) - {name}))
            for name in surplus
        ),
    ]


def _applied_directly(firewall: Raw, server_id: int) -> bool:
    """False where a label selector brings the firewall to the server: it goes with the label, not by request."""
    targets = [one["server"]["id"] for one in firewall["applied_to"] if one["type"] == "server"]
    return server_id in targets


def _plan_attachments(server: Server, actual: Raw, catalog: Catalog) -> list[Step]:
    attached = private_ips(actual, catalog)
    return [
        steps.attach(server.name, link, catalog) for link in server.private_networks if link.network not in attached
    ]


def _plan_backups(server: Server, actual: Raw) -> list[Step]:
    has = actual["backup_window"] is not None
    return [] if server.backups in (None, has) else [steps.back_up(server.name, not has)]
