# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a server's private interfaces."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lab.api.cloud import CloudDep, PathId
from lab.api.errors import refused
from lab.api.interfaces import (
    check_aliases,
    require_attachable,
    reserve_interface,
    settled_network,
    taken_addresses,
    zone_of,
)
from lab.api.models.action import Ref
from lab.api.models.network import Network
from lab.api.models.server import AttachToNetwork, ChangeAliasIps, DetachFromNetwork, PrivateNet, Server
from lab.api.routes.server_actions import begin

router = APIRouter(prefix="/servers/{id:int}/actions")


def _attached(server: Server, network: Network) -> PrivateNet:
    net = server.in_network(network.id)
    if net is None:
        raise refused("invalid_input", f"server '{server.name}' is not attached to network '{network.name}'")
    return net


@router.post("/attach_to_network", status_code=201)
async def attach_to_network(cloud: CloudDep, server_id: PathId, body: AttachToNetwork) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    network = settled_network(cloud, body.network)
    require_attachable(cloud, server.private_net, network)
    net = reserve_interface(cloud, network, zone_of(server), body.ip, body.ip_range, body.alias_ips)
    with cloud.project.together():
        server = cloud.project.servers.update(server_id, private_net=[*server.private_net, net])
        return begin(cloud, server, "attach_to_network", Ref("network", network.id))


@router.post("/detach_from_network", status_code=201)
async def detach_from_network(cloud: CloudDep, server_id: PathId, body: DetachFromNetwork) -> dict[str, Any]:
    server = cloud.free_server(server_id)
    network = settled_network(cloud, body.network)
    _attached(server, network)
    return begin(cloud, server, "detach_from_network", Ref("network", network.id))


@router.post("/change_alias_ips", status_code=201)
async def change_alias_ips(cloud: CloudDep, server_id: PathId, body: ChangeAliasIps) -> dict[str, Any]:
    """The aliases given replace those there were."""
    server = cloud.free_server(server_id)
    network = settled_network(cloud, body.network)
    net = _attached(server, network)
    check_aliases(
        network, zone_of(server), taken_addresses(cloud, network.id, but=server_id) | {net.ip}, body.alias_ips
    )
    aliases = [str(ip) for ip in body.alias_ips]
    return begin(cloud, server, "change_alias_ips", Ref("network", network.id), arguments={"alias_ips": aliases})
