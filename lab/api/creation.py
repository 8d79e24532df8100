# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Making a server: everything is checked, then everything is reserved, then the actions run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lab.api.catalog.server_types import ServerType, server_type_named
from lab.api.cloud import Cloud
from lab.api.errors import invalid_input, refused
from lab.api.interfaces import new_primary_ip, require_attachable, reserve_interface, usable_primary_ip
from lab.api.models.action import Action, Ref
from lab.api.models.firewall import FIREWALLS_PER_SERVER, Firewall, Resource, ServerRef
from lab.api.models.primary_ip import PrimaryIp
from lab.api.models.public_address import IpKind
from lab.api.models.server import CreateServer, PrivateNet, Server
from lab.api.models.volume import Volume
from lab.api.project import now
from lab.api.scheduling import place, require_group_room, require_room
from lab.api.storage import attachable_volumes, begin_attachment


@dataclass(frozen=True)
class Order:
    """A checked wish for a server: nothing in it can be refused any more."""

    body: CreateServer
    kind: ServerType
    image: dict[str, Any]
    location: dict[str, Any]
    ssh_keys: list[str]
    firewalls: list[Firewall]
    private_net: list[PrivateNet]
    primary_ips: list[PrimaryIp]
    volumes: list[Volume]


async def order(cloud: Cloud, body: CreateServer) -> Order:
    """Check a wish against the project. What it refuses has changed nothing."""
    project = cloud.project
    kind = server_type_named(body.server_type)
    image = await cloud.images.bootable(body.image, kind.architecture)
    project.servers.require_free(body.name)
    require_room(cloud)
    location = place(cloud, kind, body.location)
    if body.placement_group is not None:
        require_group_room(cloud, body.placement_group)
    keys = [project.ssh_keys.named(key, "ssh_keys").public_key for key in body.ssh_keys]
    firewalls = [project.firewalls.referenced(choice.firewall, "firewalls") for choice in body.firewalls]
    if len(firewalls) > FIREWALLS_PER_SERVER:
        raise refused("invalid_input", f"a server has at most {FIREWALLS_PER_SERVER} firewalls")
    nets = _interfaces(cloud, body, location["network_zone"])
    ips = _primary_ips(cloud, body, location["name"])
    volumes = attachable_volumes(cloud, body.volumes, location["name"])
    if firewalls and not ips:
        raise invalid_input("firewalls", "a firewall needs a server with a public interface")
    if not ips and not nets and body.start_after_create:
        raise invalid_input("public_net", "a server needs a public or a private network to be started")
    return Order(body, kind, image, location, keys, firewalls, nets, ips, volumes)


def _interfaces(cloud: Cloud, body: CreateServer, zone: str) -> list[PrivateNet]:
    nets: list[PrivateNet] = []
    for network_id in body.networks:
        network = cloud.project.networks.referenced(network_id, "networks")
        require_attachable(cloud, nets, network)
        nets.append(reserve_interface(cloud, network, zone))
    return nets


def _primary_ips(cloud: Cloud, body: CreateServer, location: str) -> list[PrimaryIp]:
    wish = body.public_net
    wishes: tuple[tuple[IpKind, bool, int | None], ...] = (
        ("ipv4", wish.enable_ipv4, wish.ipv4),
        ("ipv6", wish.enable_ipv6, wish.ipv6),
    )
    ips = []
    for kind, enabled, chosen in wishes:
        if not enabled and chosen is not None:
            raise invalid_input(f"public_net.{kind}", f"cannot be given when enable_{kind} is false")
        if chosen is not None:
            ips.append(usable_primary_ip(cloud, chosen, kind, location))
        elif enabled:
            ips.append(new_primary_ip(cloud, kind, location, auto_delete=True))
    return ips


def fulfil(cloud: Cloud, order: Order) -> tuple[Server, Action, list[Action]]:
    """Record the server and start its actions, one after the other: create, firewalls, networks, volumes, start."""
    with cloud.project.together():
        server = _record(cloud, order)
        return server, *_begin(cloud, order, server)


def _record(cloud: Cloud, order: Order) -> Server:
    project, body = cloud.project, order.body
    server = project.servers.put(
        Server(
            id=project.new_id(),
            name=body.name,
            labels=body.labels,
            created=now(),
            status="initializing",
            server_type=order.kind.id,
            location=order.location["name"],
            image=order.image,
            primary_disk_size=order.kind.disk,
            private_net=order.private_net,
            placement_group=body.placement_group,
            user_data=body.user_data or "",
            authorized_keys=order.ssh_keys,
        )
    )
    for ip in order.primary_ips:
        project.primary_ips.put(ip.model_copy(update={"assignee_id": server.id}))
    for firewall in order.firewalls:
        applied = Resource(type="server", server=ServerRef(id=server.id))
        project.firewalls.update(firewall.id, applied_to=[*firewall.applied_to, applied])
    return cloud.machines.expect_firewalls(server)


def _begin(cloud: Cloud, order: Order, server: Server) -> tuple[Action, list[Action]]:
    itself = Ref("server", server.id)
    create = last = cloud.actions.begin("create_server", [itself], locks=[itself])
    following = []
    for firewall in server.firewalls:
        last = cloud.actions.begin("apply_firewall", [Ref("firewall", firewall), itself], after=last, locks=[itself])
        following.append(last)
    for net in server.private_net:
        last = cloud.actions.begin(
            "attach_to_network", [itself, Ref("network", net.network)], after=last, locks=[itself]
        )
        following.append(last)
    for volume in order.volumes:
        last = begin_attachment(cloud, volume.id, server.id, after=last)
        following.append(last)
    if order.body.start_after_create:
        following.append(cloud.actions.begin("start_server", [itself], after=last, locks=[itself]))
    return create, following
