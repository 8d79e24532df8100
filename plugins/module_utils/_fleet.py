# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which requests turn the servers that exist into the servers that are asked for. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.

``Raw`` is a resource exactly as the Hetzner Cloud API gives it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

Raw = Mapping[str, Any]

# A server in one of these states reaches another one by itself; nothing can be planned for it before.
_TRANSITIONAL = frozenset({"initializing", "starting", "stopping", "migrating", "rebuilding", "deleting"})


@dataclass(frozen=True)
class Attachment:
    """A private network of a server; without an address the cloud picks one."""

    network: str
    ip: str | None = None


@dataclass(frozen=True)
class Server:
    """A server as asked for. What is None is left as it is."""

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

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Server:
        """From one entry of the module's option ``servers``."""
        given = {key: value for key, value in options.items() if value is not None}
        if "labels" in given:
            given["labels"] = dict(given["labels"])
        for key in ("ssh_keys", "firewalls"):
            if key in given:
                given[key] = tuple(given[key])
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


@dataclass(frozen=True)
class Request:
    """One write to the API. ``{id}`` in path stands for the server's id, which a create step only learns on the way.

    satisfied_by: error codes that mean that what is asked for is already so.
    """

    method: str
    path: str
    json: Mapping[str, Any] | None = None
    satisfied_by: frozenset[str] = frozenset()


def plan_present(servers: Iterable[Server], actual: Mapping[str, Raw], catalog: Catalog) -> dict[str, list[Step]]:
    """The steps of each server, by name; each step's payload holds its ``Request`` under "request".

    Raises ``Refused`` with every server that could only be changed by disrupting it. A parent that is missing from the
    catalog leaves a None in the request: such a plan is for showing only.
    """
    servers = list(servers)
    refusals = [
        refusal
        for server in servers
        if server.name in actual and (refusal := _refusal(server, actual[server.name], catalog))
    ]
    if refusals:
        raise Refused(" ".join(refusals))
    return {server.name: _plan_server(server, actual.get(server.name), catalog) for server in servers}


def plan_absent(names: Iterable[str], actual: Mapping[str, Raw]) -> dict[str, list[Step]]:
    """The steps that remove the servers of these names. Raises ``Refused`` for servers protected against deletion."""
    existing = [actual[name] for name in names if name in actual]
    protected = [raw["name"] for raw in existing if raw["protection"]["delete"]]
    if protected:
        raise Refused(
            f"Protected against deletion: {', '.join(protected)}. "
            f"Lift the protection in the cloud's console, or take the server off the list 'servers'."
        )
    request = Request("DELETE", "/servers/{id}", satisfied_by=frozenset({"not_found"}))
    return {
        raw["name"]: [Step("delete", "server", raw["name"], before=_identity(raw), payload={"request": request})]
        for raw in existing
    }


def _plan_server(server: Server, actual: Raw | None, catalog: Catalog) -> list[Step]:
    if actual is None:
        return _plan_creation(server, catalog)
    return [
        *_plan_labels(server, actual),
        *_plan_firewalls(server, actual, catalog),
        *_plan_attachments(server, actual, catalog),
        *([_start(server)] if actual["status"] == "off" else []),
    ]


def _refusal(server: Server, actual: Raw, catalog: Catalog) -> str:
    """Why the server cannot become what is asked for; empty when it can."""
    drifts = _disruptive_drifts(server, actual, catalog)
    if not drifts:
        return ""
    wording = ", ".join(f"{setting} is {has} and {wants} is asked for" for setting, has, wants in drifts)
    return (
        f"servers[{server.name}]: {wording}. A running server is not disrupted: "
        f"set the old value again, or remove the server (state=absent) and run once more."
    )


def _plan_creation(server: Server, catalog: Catalog) -> list[Step]:
    # The API takes no fixed private address at creation, and an interface that appears after boot may stay
    # unconfigured: such a server is created stopped, attached, then started.
    fixed = [link for link in server.private_networks if link.ip]
    optional = {
        "labels": dict(server.labels or {}),
        "ssh_keys": [_id(catalog.ssh_keys, key) for key in server.ssh_keys],
        "firewalls": [{"firewall": _id(catalog.firewalls, name)} for name in server.firewalls or ()],
        "networks": [_id(catalog.networks, link.network) for link in server.private_networks if not link.ip],
        "placement_group": _id(catalog.placement_groups, server.placement_group) if server.placement_group else None,
        "user_data": server.user_data,
    }
    body = {
        "name": server.name,
        "server_type": server.server_type,
        "image": server.image,
        "location": server.location,
        "public_net": {"enable_ipv4": server.enable_ipv4, "enable_ipv6": server.enable_ipv6},
        "start_after_create": not fixed,
        **{key: value for key, value in optional.items() if value},
    }
    after = {
        "server_type": server.server_type,
        "image": server.image,
        "location": server.location,
        "labels": dict(server.labels or {}),
        "ssh_keys": list(server.ssh_keys),
        "firewalls": list(server.firewalls or ()),
        "placement_group": server.placement_group,
        "private_networks": [link.network for link in server.private_networks if not link.ip],
        "enable_ipv4": server.enable_ipv4,
        "enable_ipv6": server.enable_ipv6,
        "status": "off" if fixed else "running",
    }
    create = Step(
        "create",
        "server",
        server.name,
        after=after,
        note=f"{server.server_type}, {server.image}, {server.location}",
        payload={"request": Request("POST", "/servers", body, frozenset({"uniqueness_error"}))},
    )
    return [create, *(_attach(server, link, catalog) for link in fixed), *([_start(server)] if fixed else [])]


def _plan_labels(server: Server, actual: Raw) -> list[Step]:
    if server.labels is None or dict(server.labels) == dict(actual["labels"]):
        return []
    request = Request("PUT", "/servers/{id}", {"labels": dict(server.labels)})
    before, after = {"labels": dict(actual["labels"])}, {"labels": dict(server.labels)}
    return [Step("label", "server", server.name, before=before, after=after, payload={"request": request})]


def _plan_firewalls(server: Server, actual: Raw, catalog: Catalog) -> list[Step]:
    if server.firewalls is None:
        return []
    names = {raw["id"]: name for name, raw in catalog.firewalls.items()}
    applied = {names[one["id"]]: one["id"] for one in actual["public_net"]["firewalls"] if one["id"] in names}
    target = [{"type": "server", "server": {"id": actual["id"]}}]
    steps = []

    def change(verb: str, name: str, request: Request, after: Iterable[str]) -> None:
        fields = ({"firewalls": sorted(applied)}, {"firewalls": sorted(after)})
        step = Step(verb, "server", server.name, *fields, note=f"firewall {name}", payload={"request": request})
        steps.append(step)

    for name in sorted(set(server.firewalls) - set(applied)):
        path = f"/firewalls/{_id(catalog.firewalls, name)}/actions/apply_to_resources"
        request = Request("POST", path, {"apply_to": target}, frozenset({"firewall_already_applied"}))
        change("protect", name, request, {*applied, name})
    for name in sorted(set(applied) - set(server.firewalls)):
        if not _applied_directly(catalog.firewalls[name], actual["id"]):
            continue
        path = f"/firewalls/{applied[name]}/actions/remove_from_resources"
        request = Request("POST", path, {"remove_from": target}, frozenset({"firewall_resource_not_found"}))
        change("expose", name, request, set(applied) - {name})
    return steps


def _applied_directly(firewall: Raw, server_id: int) -> bool:
    """False where a label selector brings the firewall to the server: it goes with the label, not by request."""
    targets = [one["server"]["id"] for one in firewall["applied_to"] if one["type"] == "server"]
    return server_id in targets


def _plan_attachments(server: Server, actual: Raw, catalog: Catalog) -> list[Step]:
    attached = private_ips(actual, catalog)
    return [_attach(server, link, catalog) for link in server.private_networks if link.network not in attached]


def _attach(server: Server, link: Attachment, catalog: Catalog) -> Step:
    body: dict[str, Any] = {"network": _id(catalog.networks, link.network)}
    if link.ip:
        body["ip"] = link.ip
    request = Request("POST", "/servers/{id}/actions/attach_to_network", body, frozenset({"server_already_attached"}))
    return Step(
        "attach",
        "server",
        server.name,
        before={"private_ips": {}},
        after={"private_ips": {link.network: link.ip or "(any)"}},
        note=f"network {link.network}" + (f", {link.ip}" if link.ip else ""),
        payload={"request": request},
    )


def _start(server: Server) -> Step:
    request = Request("POST", "/servers/{id}/actions/poweron")
    before, after = {"status": "off"}, {"status": "running"}
    return Step("start", "server", server.name, before=before, after=after, payload={"request": request})


def _disruptive_drifts(server: Server, actual: Raw, catalog: Catalog) -> list[tuple[str, Any, Any]]:
    """Triples (setting, what it is, what is asked for) of what cannot change while the server runs."""
    image = actual["image"] or {}
    group = (actual["placement_group"] or {}).get("name")
    public = actual["public_net"]
    attached = private_ips(actual, catalog)
    drifts = [
        ("location", actual["location"]["name"], server.location),
        ("server_type", actual["server_type"]["name"], server.server_type),
        ("enable_ipv4", public["ipv4"] is not None, server.enable_ipv4),
        ("enable_ipv6", public["ipv6"] is not None, server.enable_ipv6),
    ]
    if image and server.image not in (image["name"], str(image["id"])):
        drifts.append(("image", image["name"] or image["id"], server.image))
    if server.placement_group is not None:
        drifts.append(("placement_group", group or "none", server.placement_group))
    drifts += [
        (f"the private address in {link.network}", attached[link.network], link.ip)
        for link in server.private_networks
        if link.ip and link.network in attached
    ]
    return [drift for drift in drifts if drift[1] != drift[2]]


def private_ips(raw: Raw, catalog: Catalog) -> dict[str, str]:
    """A server's private addresses by the name of the network."""
    names = {network["id"]: name for name, network in catalog.networks.items()}
    return {names.get(link["network"], str(link["network"])): link["ip"] for link in raw["private_net"]}


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
        "labels": dict(raw["labels"]),
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


def _identity(raw: Raw) -> dict[str, Any]:
    return {
        "id": raw["id"],
        "server_type": raw["server_type"]["name"],
        "location": raw["location"]["name"],
        "labels": dict(raw["labels"]),
    }


def _id(resources: Mapping[str, Raw], name: str) -> int | None:
    return resources[name]["id"] if name in resources else None
