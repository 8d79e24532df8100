# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""How records look to clients."""

from __future__ import annotations

from typing import Any

from lab.api.catalog.isos import iso
from lab.api.catalog.load_balancer_types import load_balancer_type
from lab.api.catalog.locations import location
from lab.api.catalog.server_types import server_type
from lab.api.cloud import Cloud
from lab.api.load_balancers import Resolved
from lab.api.models.action import Ref
from lab.api.models.certificate import Certificate
from lab.api.models.firewall import Firewall
from lab.api.models.floating_ip import FloatingIp
from lab.api.models.load_balancer import LoadBalancer, Target
from lab.api.models.network import Network
from lab.api.models.placement_group import PlacementGroup
from lab.api.models.primary_ip import PrimaryIp
from lab.api.models.public_address import default_name
from lab.api.models.server import Server
from lab.api.models.volume import Volume
from lab.balancers.base import HealthTable

View = dict[str, Any]


def server_view(cloud: Cloud, server: Server) -> View:
    kind = server_type(server.server_type).view(cloud.settings.out_of_stock)
    group = cloud.project.placement_groups.get(server.placement_group or 0)
    return {
        "id": server.id,
        "name": server.name,
        "status": server.status,
        "created": server.created,
        "public_net": _public_net(cloud, server),
        "private_net": [
            net.model_dump(mode="json", exclude={"attached"}) for net in server.private_net if net.attached
        ],
        "server_type": kind,
        "location": location(server.location),
        "image": server.image,
        "iso": iso(server.iso).view() if server.iso else None,
        "rescue_enabled": server.rescue_enabled,
        "locked": cloud.actions.locked(Ref("server", server.id)),
        "backup_window": server.backup_window,
        "outgoing_traffic": 0,
        "ingoing_traffic": 0,
        "included_traffic": next(
            price["included_traffic"] for price in kind["prices"] if price["location"] == server.location
        ),
        "protection": server.protection.model_dump(),
        "labels": server.labels,
        "volumes": cloud.project.attached_volumes(server.id),
        "load_balancers": [
            balancer.id
            for balancer in cloud.project.load_balancers
            if any(target.server and target.server.id == server.id for target in balancer.targets)
        ],
        "primary_disk_size": server.primary_disk_size,
        "placement_group": placement_group_view(cloud, group) if group else None,
    }


def _public_net(cloud: Cloud, server: Server) -> View:
    ips = cloud.project.public_ips(server.id)
    ipv4, ipv6 = ips.get("ipv4"), ips.get("ipv6")
    return {
        "ipv4": ipv4 and {"id": ipv4.id, "ip": ipv4.ip, "blocked": False, "dns_ptr": ipv4.named()[ipv4.ip]},
        "ipv6": ipv6 and {"id": ipv6.id, "ip": ipv6.ip, "blocked": False, "dns_ptr": ipv6.dns_entries()},
        "floating_ips": [ip.id for ip in cloud.project.floating_ips if ip.server == server.id],
        "firewalls": [{"id": firewall_id, "status": status} for firewall_id, status in server.firewalls.items()],
    }


def network_view(cloud: Cloud, network: Network) -> View:
    view = network.model_dump(mode="json")
    for subnet in view["subnets"]:
        subnet |= {"gateway": str(network.gateway), "vswitch_id": None}
    members = [server.id for server in cloud.project.servers if (net := server.in_network(network.id)) and net.attached]
    balancers = [
        balancer.id
        for balancer in cloud.project.load_balancers
        if (place := balancer.private_net) and place.attached and place.network == network.id
    ]
    return view | {"servers": members, "load_balancers": balancers}


def placement_group_view(cloud: Cloud, group: PlacementGroup) -> View:
    return group.model_dump(mode="json") | {"servers": cloud.project.members(group.id)}


def firewall_view(cloud: Cloud, firewall: Firewall) -> View:
    view = firewall.model_dump(mode="json", exclude={"applied_to"})
    applied_to = [resource.view() for resource in firewall.applied_to]
    for resource, item in zip(firewall.applied_to, applied_to, strict=True):
        if resource.type == "label_selector":
            item["applied_to_resources"] = [
                {"type": "server", "server": {"id": server.id}}
                for server in cloud.project.servers
                if resource.names(server.id, server.labels) and cloud.project.public_ips(server.id)
            ]
    return view | {"applied_to": applied_to}


def primary_ip_view(ip: PrimaryIp) -> View:
    view = ip.model_dump(mode="json")
    return view | {
        "blocked": False,
        "location": location(ip.location),
        "assignee_type": "server",
        "dns_ptr": ip.dns_entries(),
    }


def floating_ip_view(ip: FloatingIp) -> View:
    view = ip.model_dump(mode="json")
    return view | {"blocked": False, "home_location": location(ip.home_location), "dns_ptr": ip.dns_entries()}


def volume_view(volume: Volume) -> View:
    """linux_device: where the cloud would show it; machines of the lab have no such device."""
    view = volume.model_dump(mode="json")
    device = f"/dev/disk/by-id/scsi-0HC_Volume_{volume.id}"
    return view | {"location": location(volume.location), "linux_device": device}


def certificate_view(cloud: Cloud, certificate: Certificate) -> View:
    users = cloud.project.users_of(certificate.id)
    return certificate.model_dump(mode="json", exclude={"private_key"}) | {
        "used_by": [{"id": balancer.id, "type": "load_balancer"} for balancer in users]
    }


def load_balancer_view(cloud: Cloud, balancer: LoadBalancer, health: HealthTable) -> View:
    ipv4, ipv6, net = str(balancer.ipv4), str(balancer.ipv6), balancer.private_net
    kind = load_balancer_type(balancer.load_balancer_type).view()
    return {
        "id": balancer.id,
        "name": balancer.name,
        "public_net": {
            "enabled": balancer.public_interface,
            "ipv4": {"ip": ipv4, "dns_ptr": balancer.dns_ptr.get(ipv4, default_name(ipv4))},
            "ipv6": {"ip": ipv6, "dns_ptr": balancer.dns_ptr.get(ipv6)},
        },
        "private_net": [{"network": net.network, "ip": str(net.ip)}] if net and net.attached else [],
        "location": location(balancer.location),
        "load_balancer_type": kind,
        "protection": balancer.protection.model_dump(),
        "labels": balancer.labels,
        "created": balancer.created,
        "services": [service.view() for service in balancer.services],
        "targets": [view for target in balancer.targets for view in _target_views(cloud, balancer, target, health)],
        "algorithm": balancer.algorithm.model_dump(),
        "outgoing_traffic": None,
        "ingoing_traffic": None,
        "included_traffic": next(
            price["included_traffic"] for price in kind["prices"] if price["location"] == balancer.location
        ),
    }


def _target_views(cloud: Cloud, balancer: LoadBalancer, target: Target, health: HealthTable) -> list[View]:
    """None for a server that is gone, one for everything else."""
    ends = [_end_view(balancer, target, end, health) for end in cloud.load_balancers.resolve(balancer, target)]
    if target.label_selector is None:
        return ends
    selector = {"type": "label_selector", "label_selector": target.label_selector.model_dump()}
    return [selector | {"use_private_ip": target.use_private_ip, "targets": ends}]


def _end_view(balancer: LoadBalancer, target: Target, end: Resolved, health: HealthTable) -> View:
    statuses = [
        {
            "listen_port": service.listen_port,
            "status": health.get((service.listen_port, end.address), "unknown") if end.address else "unknown",
        }
        for service in balancer.services
    ]
    if end.server is None:
        return {"type": "ip", "ip": {"ip": str(end.address)}, "health_status": statuses}
    return {
        "type": "server",
        "server": {"id": end.server.id, "ip": str(end.address or "")},
        "health_status": statuses,
        "use_private_ip": target.use_private_ip,
    }
