# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The cloud's metadata service, as machines find it at 169.254.169.254: ``python -m lab.machines.vm.metadata``.

It runs where the cables end, knows a machine by its address, and reads its record at every request.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lab.fabric.addresses import GATEWAY6, METADATA, link_local
from lab.machines.base import PrivateLink
from lab.machines.records import Record, Records

Find = Callable[[IPv4Address], Record | None]
_PREFIX = "/hetzner/v1"
_YAML = "application/yaml"


def public_mac(server_id: int) -> str:
    """Address of a server's public card: the cloud's range, and the server's id."""
    return "96:00:" + ":".join(f"{byte:02x}" for byte in server_id.to_bytes(4))


def document(record: Record) -> dict[str, Any]:
    """All that a machine is told about itself, by the cloud's keys. User data is not among it."""
    spec = record.spec
    subnets: list[dict[str, Any]] = [{"type": "dhcp", "ipv4": True}]
    if spec.public_net.ipv6 is not None:
        static = {"type": "static", "ipv6": True, "address": str(spec.public_net.ipv6), "gateway": GATEWAY6}
        subnets.append(static)
    card = {"type": "physical", "name": "eth0", "mac_address": public_mac(spec.server_id), "subnets": subnets}
    return {
        "hostname": spec.name,
        "instance-id": spec.server_id,
        "public-ipv4": str(spec.public_net.ipv4 or ""),
        "local-ipv4": "",
        "region": spec.network_zone,
        "availability-zone": spec.location,
        "public-keys": list(spec.authorized_keys),
        "network-config": {"version": 1, "config": [card] if spec.public_net.ipv4 or spec.public_net.ipv6 else []},
        "vendor_data": "",
    }


def private_networks(record: Record) -> list[dict[str, Any]]:
    """The private interfaces of a machine, as its record has them."""
    return [_private_network(number, plug.link) for number, plug in enumerate(record.plugs, start=1)]


def _private_network(number: int, link: PrivateLink) -> dict[str, Any]:
    return {
        "ip": str(link.address),
        "alias_ips": [str(alias) for alias in link.alias_ips],
        "interface_num": number,
        "mac_address": link.mac,
        "network_id": link.network_id,
        "network_name": link.network_name,
        "network": str(link.network),
        "subnet": str(link.subnet),
        "gateway": str(link.gateway),
    }


def create_app(find: Find) -> Starlette:
    """find: the record of the machine that has an address, or None."""

    def answer(tell: Callable[[Record, Request], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            address = ip_address(request.client.host) if request.client else None
            record = find(address) if isinstance(address, IPv4Address) else None
            return tell(record, request) if record else _unknown()

        return endpoint

    routes = {
        "/metadata": lambda record, _: _as_yaml(document(record)),
        "/metadata/private-networks": lambda record, _: _as_yaml(private_networks(record)),
        "/metadata/{key}": lambda record, request: _one(document(record), request.path_params["key"]),
        "/userdata": lambda record, _: PlainTextResponse(record.spec.user_data),
    }
    return Starlette(routes=[Route(_PREFIX + path, answer(tell)) for path, tell in routes.items()])


def _as_yaml(told: Any) -> Response:
    return Response(yaml.safe_dump(told, sort_keys=False), media_type=_YAML)


def _one(told: dict[str, Any], key: str) -> Response:
    value = told.get(key)
    if value is None:
        return _unknown()
    return _as_yaml(value) if isinstance(value, (dict, list)) else PlainTextResponse(str(value))


def _unknown() -> Response:
    return PlainTextResponse("not found", status_code=404)


def at_the_router(records: Records) -> Find:
    """Machines by their public addresses, or by the ones they have instead."""

    def find(address: IPv4Address) -> Record | None:
        for record in records.all():
            if address in (record.spec.public_net.ipv4, link_local(record.spec.server_id)):
                return record
        return None

    return find


def at_the_gateway(records: Records, network_id: int) -> Find:
    """Machines by their addresses in a private network."""

    def find(address: IPv4Address) -> Record | None:
        for record in records.all():
            plug = record.plug(network_id)
            if plug is not None and plug.link.address == address:
                return record
        return None

    return find


def main(folder: str, network: str = "") -> None:
    """folder: of the machines' records. network: the id of the private network at whose gateway this runs."""
    records = Records(Path(folder))
    find = at_the_gateway(records, int(network)) if network else at_the_router(records)
    uvicorn.run(create_app(find), host=str(METADATA), port=80, access_log=False, log_level="warning")


if __name__ == "__main__":
    main(*sys.argv[1:])
