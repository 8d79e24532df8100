# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as they are asked for, and as the Hetzner Cloud API has them. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.

``Raw`` is a resource exactly as the API gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any

Raw = Mapping[str, Any]

# A server in one of these states reaches another one by itself; nothing can be planned for it before.
_TRANSITIONAL = frozenset({"initializing", "starting", "stopping", "migrating", "rebuilding", "deleting"})

# Labels under this prefix are the module's own record of what a server was made with.
RECORD_PREFIX = "hcloud-fleet/"


@dataclass(frozen=True)
class Attachment:
    """A private network of a server; without an address the cloud picks one."""

    network: str
    ip: str | None = None


@dataclass(frozen=True)
class Offer:
    """What is ordered, and where."""

    server_type: str
    location: str


@dataclass(frozen=True)
class Server:
    """A server as asked for. What is None is left as it is.

    alternatives: what is ordered instead, in this order, where the cloud is out of stock.
    """

    name: str
    server_type: str
    image: str
    location: str
    labels: Mapping[str, str] | None = None
    ssh_keys: tuple[str, ...] = ()
    firewalls: tuple[str, ...] | None = None
    placement_group: str | None = None
    private_networks: tuple[Attachment, ...] = ()
    user_data: str = ""
    enable_ipv4: bool = True
    enable_ipv6: bool = True
    status: str = "running"
    backups: bool | None = None
    protection: bool | None = None
    alternatives: tuple[Offer, ...] = ()

    @property
    def offers(self) -> tuple[Offer, ...]:
        """All that would do, the best first."""
        return (Offer(self.server_type, self.location), *self.alternatives)

    @property
    def is_public(self) -> bool:
        """Whether it has a public interface, which is what firewalls are for."""
        return self.enable_ipv4 or self.enable_ipv6

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Server:
        """From one entry of the module's option ``servers``."""
        given = {key: value for key, value in options.items() if value is not None}
        if "labels" in given:
            given["labels"] = dict(given["labels"])
        for key in ("ssh_keys", "firewalls"):
            if key in given:
                given[key] = tuple(given[key])
        given["alternatives"] = tuple(
            Offer(one.get("server_type") or given["server_type"], one.get("location") or given["location"])
            for one in given.get("alternatives", ())
        )
        given["private_networks"] = tuple(Attachment(**one) for one in given.get("private_networks", ()))
        return cls(**given)


@dataclass(frozen=True)
class Catalog:
    """What the project has to offer, by name. ``images`` is a list: one name stands for an image per architecture."""

    locations: Mapping[str, Raw] = field(default_factory=dict)
    server_types: Mapping[str, Raw] = field(default_factory=dict)
    images: Sequence[Raw] = ()
    networks: Mapping[str, Raw] = field(default_factory=dict)
    ssh_keys: Mapping[str, Raw] = field(default_factory=dict)
    firewalls: Mapping[str, Raw] = field(default_factory=dict)
    placement_groups: Mapping[str, Raw] = field(default_factory=dict)
    primary_ips: Mapping[str, Raw] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """One write to the API. ``{id}`` in path stands for the server's id, which a create step only learns on the way.

    substitutes: bodies to send instead, in this order, where the cloud is out of stock.
    forced: what to send when the server is not off a while after this request, which only asks it to.
    traceless: whether a server does not show that it was done.
    """

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    substitutes: tuple[Mapping[str, Any], ...] = ()
    forced: Request | None = None
    traceless: bool = False


def has_image(raw: Raw, image: str) -> bool:
    """Whether a server was made from the image of a name or id, as far as can be told: an image may be gone."""
    return raw["image"] is None or image in (raw["image"]["name"], str(raw["image"]["id"]))


def private_ips(raw: Raw, catalog: Catalog) -> dict[str, str]:
    """A server's private addresses by the name of the network."""
    names = {network["id"]: name for name, network in catalog.networks.items()}
    return {names.get(link["network"], str(link["network"])): link["ip"] for link in raw["private_net"]}


def own_labels(raw: Raw) -> dict[str, str]:
    """A server's labels less the module's records."""
    return {key: value for key, value in raw["labels"].items() if not key.startswith(RECORD_PREFIX)}


def moving(servers: Iterable[Raw], names: Iterable[str]) -> str:
    """Which servers of these names are on their way to another state, as words; empty when none is."""
    names = set(names)
    return ", ".join(
        f"{raw['name']} is {raw['status']}"
        for raw in servers
        if raw["name"] in names and raw["status"] in _TRANSITIONAL
    )


def view(raw: Raw, catalog: Catalog, created: bool) -> dict[str, Any]:
    """A server as the module returns it."""
    public = raw["public_net"]
    image = raw["image"] or {}
    return {
        "name": raw["name"],
        "id": raw["id"],
        "status": raw["status"],
        "created": created,
        "public_ipv4": public["ipv4"]["ip"] if public["ipv4"] else None,
        # The cloud routes a /64 to the server, which answers on its first address.
        "public_ipv6": str(IPv6Network(public["ipv6"]["ip"])[1]) if public["ipv6"] else None,
        "private_ips": private_ips(raw, catalog),
        "location": raw["location"]["name"],
        "server_type": raw["server_type"]["name"],
        "image": image.get("name"),
        "image_description": image.get("description"),
        "labels": own_labels(raw),
    }


def preview(server: Server) -> dict[str, Any]:
    """A server that a real run would create, in the form of ``view``: what only the cloud can know is None."""
    return {
        "name": server.name,
        "id": None,
        "status": None,
        "created": True,
        "public_ipv4": None,
        "public_ipv6": None,
        "private_ips": {link.network: link.ip for link in server.private_networks},
        "location": server.location,
        "server_type": server.server_type,
        "image": server.image,
        "image_description": None,
        "labels": dict(server.labels or {}),
    }


def id_of(resources: Mapping[str, Raw], name: str) -> int | None:
    """The id of the resource of a name; None where it is only planned."""
    return resources[name]["id"] if name in resources else None
