# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Differences that a running server cannot take over, and the steps that resolve them. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _fleet_steps as steps
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import (
    Catalog,
    Offer,
    Raw,
    Server,
    has_image,
    id_of,
    private_ips,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step


@dataclass(frozen=True)
class Drift:
    """One setting that is not as asked for.

    by: what resolves it: "restart" keeps the disk, "replace" loses it.
    changes: the steps that resolve it while the server is off.
    """

    setting: str
    has: Any
    wants: Any
    by: Literal["restart", "replace"] = "restart"
    changes: Sequence[Step] = ()


def drifts(server: Server, actual: Raw, catalog: Catalog) -> list[Drift]:
    """Every disruptive difference of a server that exists."""
    return [
        *_order(server, actual),
        *_image(server, actual),
        *_placement_group(server, actual, catalog),
        *_public_addresses(server, actual, catalog),
        *_private_addresses(server, actual, catalog),
        *([Drift("status", actual["status"], "off")] if server.status == "off" != actual["status"] else []),
    ]


def resolve(server: Server, actual: Raw, found: Sequence[Drift]) -> list[Step]:
    """The steps that resolve drifts of a server that stays the same server. It is off after them, or rebuilt and on."""
    changes = [step for drift in found for step in drift.changes]
    rebuilt = [drift for drift in found if drift.by == "replace"]
    # A rebuild takes the power by itself.
    stops = actual["status"] != "off" and len(rebuilt) < len(found)
    return [
        *([steps.stop(server.name)] if stops else []),
        *changes,
        *([steps.rebuild(server, actual)] if rebuilt else []),
    ]


def _order(server: Server, actual: Raw) -> Iterator[Drift]:
    has = Offer(actual["server_type"]["name"], actual["location"]["name"])
    if has in server.offers:
        return
    here = [offer.server_type for offer in server.offers if offer.location == has.location]
    if not here:
        yield Drift("location", has.location, server.location, "replace")
    else:
        change = steps.resize(server.name, has.server_type, here[0])
        yield Drift("server_type", has.server_type, here[0], changes=[change])


def _image(server: Server, actual: Raw) -> Iterator[Drift]:
    if not has_image(actual, server.image):
        image = actual["image"]
        yield Drift("image", image["name"] or image["id"], server.image, "replace")


def _placement_group(server: Server, actual: Raw, catalog: Catalog) -> Iterator[Drift]:
    wants, has = server.placement_group, (actual["placement_group"] or {}).get("name")
    if wants in (None, has):
        return
    enter = steps.enter_group(server.name, str(wants), id_of(catalog.placement_groups, str(wants)))
    changes = [steps.leave_group(server.name, has), enter] if has else [enter]
    yield Drift("placement_group", has or "none", wants, changes=changes)


def _public_addresses(server: Server, actual: Raw, catalog: Catalog) -> Iterator[Drift]:
    for family, wants in (("ipv4", server.enable_ipv4), ("ipv6", server.enable_ipv6)):
        has = actual["public_net"][family]
        if wants and has is None:
            yield Drift(f"enable_{family}", False, True, changes=[steps.add_public(server.name, actual["id"], family)])
        elif has is not None and not wants:
            named = server.name, family, has["ip"], has["id"]
            # One that would go with its server goes; one that somebody keeps beyond servers is kept.
            goes = any(raw["id"] == has["id"] and raw["auto_delete"] for raw in catalog.primary_ips.values())
            changes = [steps.remove_public(*named), *([steps.delete_public(*named)] if goes else [])]
            yield Drift(f"enable_{family}", True, False, changes=changes)


def _private_addresses(server: Server, actual: Raw, catalog: Catalog) -> Iterator[Drift]:
    attached = private_ips(actual, catalog)
    for link in server.private_networks:
        has = attached.get(link.network)
        if link.ip and has and has != link.ip:
            changes = [
                steps.detach(server.name, link.network, has, catalog),
                steps.attach(server.name, link, catalog),
            ]
            yield Drift(f"the private address in {link.network}", has, link.ip, changes=changes)
