# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every step that a server can take, and the request behind it. Pure: no I/O.

Note that this is private to the collection: other collections must not import it.

Each step's payload holds its ``Request`` under "request". A parent that is missing from the catalog leaves a None in
it: such a step is for showing only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet import (
    Attachment,
    Catalog,
    Raw,
    Request,
    Server,
    id_of,
)
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._fleet_records import records
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step

Fields = Mapping[str, Any]


def create(server: Server, catalog: Catalog) -> Step:
    """A server with all that one request can give it; off where it is to get a fixed private address first."""
    labels = {**(server.labels or {}), **records(server, catalog)}
    firewalls = list(server.firewalls or ()) if server.is_public else []
    picked = [link.network for link in server.private_networks if not link.ip]
    status = "off" if len(picked) < len(server.private_networks) else server.status
    optional = {
        "ssh_keys": [id_of(catalog.ssh_keys, key) for key in server.ssh_keys],
        "firewalls": [{"firewall": id_of(catalog.firewalls, name)} for name in firewalls],
        "networks": [id_of(catalog.networks, network) for network in picked],
        "placement_group": id_of(catalog.placement_groups, server.placement_group) if server.placement_group else None,
        "user_data": server.user_data,
    }
    body = {
        "name": server.name,
        "image": server.image,
        "labels": labels,
        "public_net": {"enable_ipv4": server.enable_ipv4, "enable_ipv6": server.enable_ipv6},
        "start_after_create": status == "running",
        **{key: value for key, value in optional.items() if value},
    }
    wanted, *others = (
        {**body, "server_type": offer.server_type, "location": offer.location} for offer in server.offers
    )
    after = {
        "server_type": server.server_type,
        "image": server.image,
        "location": server.location,
        "labels": dict(server.labels or {}),
        "ssh_keys": list(server.ssh_keys),
        "firewalls": firewalls,
        "placement_group": server.placement_group,
        "private_networks": picked,
        "enable_ipv4": server.enable_ipv4,
        "enable_ipv6": server.enable_ipv6,
        "status": status,
    }
    request = Request("POST", "/servers", wanted, substitutes=tuple(others))
    note = f"{server.server_type}, {server.image}, {server.location}"
    return Step("create", "server", server.name, after=after, note=note, payload={"request": request})


def delete(raw: Raw) -> Step:
    """The server and its disk go."""
    request = Request("DELETE", "/servers/{id}")
    before = {
        "id": raw["id"],
        "server_type": raw["server_type"]["name"],
        "location": raw["location"]["name"],
        "labels": dict(raw["labels"]),
    }
    return Step("delete", "server", raw["name"], before=before, payload={"request": request})


def label(name: str, before: Fields, after: Fields) -> Step:
    """These labels and no others."""
    request = Request("PUT", "/servers/{id}", {"labels": dict(after)})
    return _step(name, "label", request, {"labels": dict(before)}, {"labels": dict(after)})


def protect(name: str, protected: bool) -> Step:
    """Protection against deletion and rebuilding, which the cloud knows only together."""
    request = _action("change_protection", {"delete": protected, "rebuild": protected})
    verb = "protect" if protected else "unprotect"
    return _step(name, verb, request, {"protection": not protected}, {"protection": protected})


def back_up(name: str, backups: bool) -> Step:
    """Daily backups, or none."""
    request = _action("enable_backup" if backups else "disable_backup")
    note = "" if backups else "the backups there are get deleted"
    verb = "enable backups of" if backups else "disable backups of"
    return _step(name, verb, request, {"backups": not backups}, {"backups": backups}, note)


def apply_firewall(name: str, server_id: int, firewall: str, catalog: Catalog, fields: tuple[Fields, Fields]) -> Step:
    """A firewall comes in front of the server's public interface."""
    body = {"apply_to": [{"type": "server", "server": {"id": server_id}}]}
    path = f"/firewalls/{id_of(catalog.firewalls, firewall)}/actions/apply_to_resources"
    request = Request("POST", path, body)
    return _step(name, "apply firewall to", request, *fields, firewall)


def remove_firewall(name: str, server_id: int, firewall: str, catalog: Catalog, fields: tuple[Fields, Fields]) -> Step:
    """A firewall leaves the server's public interface."""
    body = {"remove_from": [{"type": "server", "server": {"id": server_id}}]}
    path = f"/firewalls/{id_of(catalog.firewalls, firewall)}/actions/remove_from_resources"
    request = Request("POST", path, body)
    return _step(name, "remove firewall from", request, *fields, firewall)


def attach(name: str, link: Attachment, catalog: Catalog) -> Step:
    """An interface on a private network."""
    body: dict[str, Any] = {"network": id_of(catalog.networks, link.network)}
    if link.ip:
        body["ip"] = link.ip
    request = _action("attach_to_network", body)
    after = {"private_ips": {link.network: link.ip or "(any)"}}
    return _step(
        name,
        "attach",
        request,
        {"private_ips": {}},
        after,
        f"network {link.network}" + (f", {link.ip}" if link.ip else ""),
    )


def detach(name: str, network: str, ip: str, catalog: Catalog) -> Step:
    """The interface on a private network goes."""
    request = _action("detach_from_network", {"network": id_of(catalog.networks, network)})
    before = {"private_ips": {network: ip}}
    return _step(name, "detach", request, before, {"private_ips": {}}, f"network {network}, {ip}")


def start(name: str) -> Step:
    """Power on."""
    return _step(name, "start", _action("poweron"), {"status": "off"}, {"status": "running"})


def stop(name: str) -> Step:
    """The operating system shuts down, or loses its power when it does not."""
    request = Request("POST", "/servers/{id}/actions/shutdown", forced=_action("poweroff"))
    return _step(name, "stop", request, {"status": "running"}, {"status": "off"})


def resize(name: str, before: str, after: str) -> Step:
    """Another server type, with the disk as it is, so that the way back stays open."""
    request = _action("change_type", {"server_type": after, "upgrade_disk": False})
    return _step(name, "resize", request, {"server_type": before}, {"server_type": after}, f"{before} to {after}")


def leave_group(name: str, group: str) -> Step:
    """Out of its placement group."""
    request = _action("remove_from_placement_group")
    return _step(
        name, "remove from placement group", request, {"placement_group": group}, {"placement_group": None}, group
    )


def enter_group(name: str, group: str, group_id: int | None) -> Step:
    """Into a placement group."""
    request = _action("add_to_placement_group", {"placement_group": group_id})
    return _step(name, "add to placement group", request, {"placement_group": None}, {"placement_group": group}, group)


def add_public(name: str, server_id: int, family: str) -> Step:
    """A public address ("ipv4" or "ipv6") that goes with the server."""
    body = {
        "name": f"{name}-{family}",
        "type": family,
        "assignee_type": "server",
        "assignee_id": server_id,
        "auto_delete": True,
    }
    request = Request("POST", "/primary_ips", body)
    return _step(name, "add public address to", request, {family: None}, {family: "(any)"}, family)


def remove_public(name: str, family: str, ip: str, ip_id: int) -> Step:
    """A public address leaves the server."""
    request = Request("POST", f"/primary_ips/{ip_id}/actions/unassign")
    return _step(name, "remove public address from", request, {family: ip}, {family: None}, ip)


def delete_public(name: str, family: str, ip: str, ip_id: int) -> Step:
    """A public address is given back to the cloud."""
    request = Request("DELETE", f"/primary_ips/{ip_id}", traceless=True)
    return _step(name, "give back public address of", request, {family: ip}, {family: None}, ip)


def rebuild(server: Server, actual: Raw) -> Step:
    """A fresh disk, made with the image and the user data of today; the server runs afterwards."""
    request = _action("rebuild", {"image": server.image, "user_data": server.user_data})
    before, after = {"image": (actual["image"] or {}).get("name")}, {"image": server.image}
    return _step(server.name, "rebuild", request, before, after, f"{server.image}; its disk is lost")


def _action(name: str, body: Mapping[str, Any] | None = None) -> Request:
    return Request("POST", f"/servers/{{id}}/actions/{name}", body)


def _step(name: str, verb: str, request: Request, before: Fields, after: Fields, note: str = "") -> Step:
    return Step(verb, "server", name, before=before, after=after, note=note, payload={"request": request})
