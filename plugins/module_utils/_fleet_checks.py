# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is wrong with the servers that are asked for, before anything is created. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.

Each problem is one sentence that names the setting, and one that names the way out.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from ipaddress import AddressValueError, IPv4Address, IPv4Network
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import (
    Catalog,
    Offer,
    Raw,
    Server,
    has_image,
    private_ips,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

USER_DATA_LIMIT = 32 * 1024
PLACEMENT_GROUP_LIMIT = 10

_HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_HOST_NAME = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")
_LABEL_WORD = r"[a-zA-Z0-9](?:[a-zA-Z0-9._-]{0,61}[a-zA-Z0-9])?"
_LABEL_KEY = re.compile(rf"(?:{_HOST_NAME.pattern}/)?{_LABEL_WORD}")
_LABEL_VALUE = re.compile(rf"(?:{_LABEL_WORD})?")


@dataclass(frozen=True)
class PlannedNetwork:
    """A network that the play makes before the servers. ip_range is None where the play does not tell."""

    name: str
    subnets: tuple[IPv4Network, ...] = ()
    ip_range: IPv4Network | None = None

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> PlannedNetwork:
        """From one entry of the module's option ``networks``. Raises ``Refused`` for what is no IPv4 range."""
        try:
            return cls(
                options["name"],
                tuple(IPv4Network(subnet) for subnet in options["subnets"]),
                IPv4Network(options["ip_range"]) if options.get("ip_range") else None,
            )
        except ValueError as exc:
            raise Refused(f"networks[{options['name']}]: {exc}. Write ranges as 10.0.1.0/24.") from exc


def parse(options: Iterable[Mapping[str, Any]]) -> list[Server]:
    """The module's option ``servers`` as servers to have.

    Raises ``Refused`` with every problem that can be told without asking the cloud.
    """
    options = list(options)
    problems = [
        f"servers[{entry['name']}].{setting} is missing. Set it; only state=absent does without."
        for entry in options
        for setting in ("server_type", "image", "location")
        if not entry.get(setting)
    ]
    if problems:
        raise Refused(" ".join(problems))
    servers = [Server.from_options(entry) for entry in options]
    problems = [
        *_duplicate_names(server.name for server in servers),
        *_duplicate_addresses(servers),
        *(problem for server in servers for problem in _own_problems(server)),
    ]
    if problems:
        raise Refused(" ".join(problems))
    return servers


def parse_names(options: Iterable[Mapping[str, Any]]) -> list[str]:
    """The module's option ``servers`` as names of servers not to have. Raises ``Refused`` for a name given twice."""
    names = [entry["name"] for entry in options]
    problems = list(_duplicate_names(names))
    if problems:
        raise Refused(" ".join(problems))
    return names


def check_parents(servers: Iterable[Server], catalog: Catalog) -> None:
    """That every key, firewall, network and group exists. Raises ``Refused`` with every one that does not."""
    problems = [problem for server in servers for problem in _missing_parents(server, catalog)]
    if problems:
        raise Refused(" ".join(problems))


def check_offers(
    servers: Iterable[Server], actual: Mapping[str, Raw], catalog: Catalog, planned: Iterable[PlannedNetwork]
) -> None:
    """That the cloud can give what is asked for. Raises ``Refused`` with every problem found.

    actual: all servers of the project by name. planned: networks that need not exist yet.
    """
    servers = list(servers)
    ranges = _ranges(catalog, planned)
    variants = [variant for server in servers for variant in _variants(server, actual.get(server.name))]
    problems = [
        *(problem for variant in variants for problem in _offer_problems(variant, actual.get(variant.name), catalog)),
        *(problem for variant in variants for problem in _address_problems(variant, actual, catalog, ranges)),
        *_full_placement_groups(servers, actual, catalog),
    ]
    if problems:
        raise Refused(" ".join(dict.fromkeys(problems)))


def _repeated(values: Iterable[str]) -> list[str]:
    return sorted(value for value, count in Counter(values).items() if count > 1)


def _duplicate_names(names: Iterable[str]) -> Iterator[str]:
    for name in _repeated(names):
        yield f"servers: the name {name} is given to more than one server. Give each server a name of its own."


def _duplicate_addresses(servers: list[Server]) -> Iterator[str]:
    owners: dict[tuple[str, str], str] = {}
    for server in servers:
        for link in server.private_networks:
            if not link.ip:
                continue
            owner = owners.setdefault((link.network, link.ip), server.name)
            if owner != server.name:
                yield (
                    f"servers[{server.name}].private_networks: {link.ip} in {link.network} is also given to {owner}. "
                    f"Give each server an address of its own."
                )


def _own_problems(server: Server) -> Iterator[str]:
    where = f"servers[{server.name}]"
    if len(server.name) > 253 or not _HOST_NAME.fullmatch(server.name):
        yield (
            f"{where}.name is no host name. Use letters, digits, hyphens and dots, "
            f"at most 63 characters between dots, and no hyphen at the beginning or the end."
        )
    size = len(server.user_data.encode())
    if size > USER_DATA_LIMIT:
        yield (
            f"{where}.user_data has {size} bytes, and the cloud takes {USER_DATA_LIMIT} at most. "
            f"Shorten it, or let it fetch the rest."
        )
    if not (server.enable_ipv4 or server.enable_ipv6 or server.private_networks):
        yield (
            f"{where} would have no network at all. "
            f"Set enable_ipv4 or enable_ipv6 to true, or give it private_networks."
        )
    for key, value in (server.labels or {}).items():
        if key.startswith("hetzner.cloud/") or not _LABEL_KEY.fullmatch(key) or not _LABEL_VALUE.fullmatch(value):
            yield (
                f"{where}.labels: {key}={value} is no label. Keys and values take up to 63 letters, digits, '-', '_' "
                f"and '.', beginning and ending with a letter or digit; the prefix hetzner.cloud/ is reserved."
            )
    for network in _repeated(link.network for link in server.private_networks):
        yield f"{where}.private_networks names {network} more than once. Name each network once."
    for link in server.private_networks:
        if link.ip and not _is_ipv4(link.ip):
            yield f"{where}.private_networks: {link.ip} is no IPv4 address. Write it as 10.0.1.2."


def _is_ipv4(text: str) -> bool:
    try:
        IPv4Address(text)
    except AddressValueError:
        return False
    return True


def _variants(server: Server, actual: Raw | None) -> list[Server]:
    """The server as each of its offers; one that exists as one of them is only that."""
    offers = server.offers
    if actual is not None:
        has = Offer(actual["server_type"]["name"], actual["location"]["name"])
        offers = (has,) if has in offers else offers
    return [replace(server, server_type=offer.server_type, location=offer.location) for offer in offers]


def _offer_problems(server: Server, actual: Raw | None, catalog: Catalog) -> Iterator[str]:
    """An existing server keeps what it has, even when the cloud no longer offers it."""
    where = f"servers[{server.name}]"
    had = {} if actual is None else {"location": actual["location"]["name"], "type": actual["server_type"]["name"]}
    location_known = server.location in catalog.locations
    if not location_known and server.location != had.get("location"):
        yield _unknown(f"{where}.location", server.location, catalog.locations)
    server_type = catalog.server_types.get(server.server_type)
    if server.server_type != had.get("type"):
        offered = [name for name, raw in catalog.server_types.items() if _offer(raw, server.location)]
        if server_type is None:
            yield _unknown(f"{where}.server_type", server.server_type, offered or catalog.server_types)
        elif location_known and not _offer(server_type, server.location):
            places = [one["name"] for one in server_type["locations"] if _offer(server_type, one["name"])]
            yield (
                f"{where}.server_type: {server.server_type} is not offered in {server.location}. "
                f"Choose one of: {_listed(offered)}; or a location that has it: {_listed(places)}."
            )
        elif actual is not None and server.location == had["location"]:
            yield from _resize_problems(where, server_type, actual)
    if actual is None or not has_image(actual, server.image):
        yield from _image_problems(server, None if server_type is None else server_type["architecture"], catalog)


def _resize_problems(where: str, server_type: Raw, actual: Raw) -> Iterator[str]:
    """A server keeps its processor and its disk when it becomes another type."""
    name, has = server_type["name"], actual["server_type"]["architecture"]
    if server_type["architecture"] != has:
        yield (
            f"{where}.server_type: {name} has {server_type['architecture']} processors, and the server was made for "
            f"{has}. Choose a type with {has} processors, or remove the server (state=absent) and run once more."
        )
    if server_type["disk"] < actual["primary_disk_size"]:
        yield (
            f"{where}.server_type: {name} has a disk of {server_type['disk']} GB, and the server uses "
            f"{actual['primary_disk_size']} GB. Disks cannot shrink: choose a type with a larger one."
        )


def _offer(server_type: Raw, location: str) -> bool:
    """Whether the type can be ordered in the location; stock is another matter, known only when one orders."""
    for one in server_type["locations"]:
        if one["name"] == location:
            return not _over(one["deprecation"] and one["deprecation"]["unavailable_after"])
    return False


def _image_problems(server: Server, architecture: str | None, catalog: Catalog) -> Iterator[str]:
    where = f"servers[{server.name}].image"
    usable = [image for image in catalog.images if image["status"] == "available" and not image["deleted"]]
    matching = [image for image in usable if server.image in (image["name"], str(image["id"]))]
    fitting = [image for image in usable if architecture in (None, image["architecture"])]
    names = [image["name"] for image in fitting if image["name"] and not image["deprecated"]]
    if not matching:
        yield _unknown(where, server.image, names)
    elif not any(image in fitting for image in matching):
        yield (
            f"{where}: {server.image} does not run on the {architecture} processors of {server.server_type}. "
            f"Choose one of: {_listed(names)}; or a server_type with {matching[0]['architecture']} processors."
        )
    elif all(image["deprecated"] for image in matching):
        since = matching[0]["deprecated"][:10]
        yield f"{where}: {server.image} is deprecated since {since}. Choose one of: {_listed(names)}."


def _over(moment: str | None) -> bool:
    if not moment:
        return False
    return datetime.fromisoformat(moment.replace("Z", "+00:00")) <= datetime.now(timezone.utc)


def _missing_parents(server: Server, catalog: Catalog) -> Iterator[str]:
    wanted: list[tuple[str, Iterable[str], Mapping[str, Raw]]] = [
        ("ssh_keys", server.ssh_keys, catalog.ssh_keys),
        ("firewalls", server.firewalls or (), catalog.firewalls),
        ("placement_group", [server.placement_group] if server.placement_group else [], catalog.placement_groups),
        ("private_networks", [link.network for link in server.private_networks], catalog.networks),
    ]
    for setting, names, existing in wanted:
        for name in names:
            if name not in existing:
                yield _unknown(f"servers[{server.name}].{setting}", name, existing, "Create it first, or choose")


@dataclass(frozen=True)
class _Ranges:
    """Where addresses of one network may lie. zones: by subnet, None where it is only planned."""

    gateway: IPv4Address | None
    subnets: Mapping[IPv4Network, str | None]


def _ranges(catalog: Catalog, planned: Iterable[PlannedNetwork]) -> dict[str, _Ranges]:
    ranges = {
        name: _Ranges(
            IPv4Network(raw["ip_range"])[1],
            {IPv4Network(subnet["ip_range"]): subnet["network_zone"] for subnet in raw["subnets"]},
        )
        for name, raw in catalog.networks.items()
    }
    for network in planned:
        gateway = network.ip_range[1] if network.ip_range else None
        known = ranges.get(network.name, _Ranges(gateway, {}))
        ranges[network.name] = _Ranges(known.gateway, {**dict.fromkeys(network.subnets), **known.subnets})
    return ranges


def _address_problems(
    server: Server, actual: Mapping[str, Raw], catalog: Catalog, ranges: Mapping[str, _Ranges]
) -> Iterator[str]:
    holders = {
        (network, ip): raw["name"] for raw in actual.values() for network, ip in private_ips(raw, catalog).items()
    }
    zone = catalog.locations.get(server.location, {}).get("network_zone")
    for link in server.private_networks:
        if not link.ip or link.network not in ranges:
            continue
        where = f"servers[{server.name}].private_networks: {link.ip}"
        known, address = ranges[link.network], IPv4Address(link.ip)
        subnet = next((subnet for subnet in known.subnets if address in subnet), None)
        holder = holders.get((link.network, link.ip), server.name)
        if subnet is None:
            subnets = _listed(map(str, known.subnets))
            way_out = (
                f". Choose an address within {subnets}."
                if known.subnets
                else ", which has none. Add one that holds it."
            )
            yield f"{where} is outside the subnets of {link.network}{way_out}"
        elif address == known.gateway:
            yield f"{where} is the gateway of {link.network}. Choose another address within {subnet}."
        elif address in (subnet.network_address, subnet.broadcast_address):
            yield f"{where} is the first or the last address of {subnet}, which hosts cannot have. Choose another one."
        elif known.subnets[subnet] not in (None, zone):
            yield (
                f"{where} lies in network zone {known.subnets[subnet]}, and {server.location} in {zone}. "
                f"Choose a location of that zone, or add a subnet in {zone} to {link.network}."
            )
        elif holder != server.name:
            yield f"{where} in {link.network} already belongs to {holder}. Choose another one, or remove that server."


def _full_placement_groups(servers: list[Server], actual: Mapping[str, Raw], catalog: Catalog) -> Iterator[str]:
    for name in sorted({server.placement_group for server in servers if server.placement_group}):
        members = catalog.placement_groups.get(name, {}).get("servers", [])
        newcomers = [one for one in servers if one.placement_group == name and not _is_in(actual.get(one.name), name)]
        total = len(members) + len(newcomers)
        if total > PLACEMENT_GROUP_LIMIT:
            yield (
                f"servers: placement group {name} would have {total} servers, and the cloud allows "
                f"{PLACEMENT_GROUP_LIMIT}. Spread the servers over several groups."
            )


def _is_in(raw: Raw | None, group: str) -> bool:
    return raw is not None and raw["placement_group"] is not None and raw["placement_group"]["name"] == group


def _unknown(where: str, value: str, valid: Iterable[str], way_out: str = "Choose") -> str:
    return f"{where}: {value} does not exist. {way_out} one of: {_listed(valid)}."


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(set(names))) or "(none)"
