# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a load balancer. Only one at a time: the others are refused as locked."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from lab.api.addresses import private_address
from lab.api.catalog.load_balancer_types import load_balancer_type_named
from lab.api.catalog.locations import location
from lab.api.cloud import Cloud, CloudDep, PathId
from lab.api.errors import invalid_input, refused
from lab.api.interfaces import settled_network, taken_addresses
from lab.api.load_balancing import (
    require_fitting,
    require_hideable,
    with_changed_service,
    with_service,
    with_target,
    without_service,
    without_target,
)
from lab.api.models.action import Ref
from lab.api.models.load_balancer import (
    Algorithm,
    BalancerNet,
    BalancerToNetwork,
    ChangeAlgorithm,
    ChangeBalancerType,
    DeleteService,
    LoadBalancer,
    Service,
    Target,
    UpdateService,
)
from lab.api.models.network import ChangeProtection
from lab.api.models.server import ChangeDnsPtr, DetachFromNetwork

router = APIRouter(prefix="/load_balancers/{id:int}/actions")


def _begin(cloud: Cloud, balancer: LoadBalancer, command: str, *others: Ref, **changes: Any) -> dict[str, Any]:
    """Start a change of a load balancer; the changes are its new fields."""
    itself = Ref("load_balancer", balancer.id)
    arguments = balancer.model_copy(update=changes).model_dump(mode="json", include=set(changes))
    return {"action": cloud.actions.begin(command, [itself, *others], arguments=arguments, locks=[itself]).view()}


@router.post("/add_service", status_code=201)
async def add_service(cloud: CloudDep, balancer_id: PathId, body: Service) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "add_service", services=with_service(cloud, balancer, body).services)


@router.post("/update_service", status_code=201)
async def update_service(cloud: CloudDep, balancer_id: PathId, body: UpdateService) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "update_service", services=with_changed_service(cloud, balancer, body).services)


@router.post("/delete_service", status_code=201)
async def delete_service(cloud: CloudDep, balancer_id: PathId, body: DeleteService) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "delete_service", services=without_service(balancer, body.listen_port).services)


@router.post("/add_target", status_code=201)
async def add_target(cloud: CloudDep, balancer_id: PathId, body: Target) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "add_target", targets=with_target(cloud, balancer, body).targets)


@router.post("/remove_target", status_code=201)
async def remove_target(cloud: CloudDep, balancer_id: PathId, body: Target) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "remove_target", targets=without_target(cloud, balancer, body).targets)


@router.post("/attach_to_network", status_code=201)
async def attach_to_network(cloud: CloudDep, balancer_id: PathId, body: BalancerToNetwork) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    network = settled_network(cloud, body.network)
    if balancer.private_net is not None:
        raise refused("load_balancer_already_attached", f"load balancer '{balancer.name}' is already in a network")
    zone = location(balancer.location)["network_zone"]
    address = private_address(network, zone, taken_addresses(cloud, network.id), body.ip, body.ip_range)
    with cloud.project.together():
        net = BalancerNet(network=network.id, ip=address)
        balancer = cloud.project.load_balancers.update(balancer_id, private_net=net)
        return _begin(cloud, balancer, "attach_to_network", Ref("network", network.id))


@router.post("/detach_from_network", status_code=201)
async def detach_from_network(cloud: CloudDep, balancer_id: PathId, body: DetachFromNetwork) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    network = settled_network(cloud, body.network)
    if not balancer.in_network(network.id):
        raise refused(
            "load_balancer_not_attached_to_network",
            f"load balancer '{balancer.name}' is not attached to network '{network.name}'",
        )
    return _begin(cloud, balancer, "detach_from_network", Ref("network", network.id), private_net=None)


@router.post("/change_algorithm", status_code=201)
async def change_algorithm(cloud: CloudDep, balancer_id: PathId, body: ChangeAlgorithm) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    return _begin(cloud, balancer, "change_algorithm", algorithm=Algorithm(type=body.type))


@router.post("/change_type", status_code=201)
async def change_type(cloud: CloudDep, balancer_id: PathId, body: ChangeBalancerType) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    kind = load_balancer_type_named(body.load_balancer_type)
    require_fitting(cloud, balancer, kind)
    return _begin(cloud, balancer, "change_load_balancer_type", load_balancer_type=kind.id)


@router.post("/change_protection", status_code=201)
async def change_protection(cloud: CloudDep, balancer_id: PathId, body: ChangeProtection) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    protection = balancer.protection.model_copy(update=body.model_dump(exclude_none=True))
    return _begin(cloud, balancer, "change_protection", protection=protection)


@router.post("/change_dns_ptr", status_code=201)
async def change_dns_ptr(cloud: CloudDep, balancer_id: PathId, body: ChangeDnsPtr) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    if body.ip not in (str(balancer.ipv4), str(balancer.ipv6)):
        raise invalid_input("ip", f"{body.ip} is not an address of load balancer '{balancer.name}'")
    return _begin(cloud, balancer, "change_dns_ptr", dns_ptr=balancer.renamed(body.ip, body.dns_ptr))


@router.post("/enable_public_interface", status_code=201)
async def enable_public_interface(cloud: CloudDep, balancer_id: PathId) -> dict[str, Any]:
    return _begin(cloud, cloud.free_load_balancer(balancer_id), "enable_public_interface", public_interface=True)


@router.post("/disable_public_interface", status_code=201)
async def disable_public_interface(cloud: CloudDep, balancer_id: PathId) -> dict[str, Any]:
    balancer = cloud.free_load_balancer(balancer_id)
    require_hideable(balancer)
    return _begin(cloud, balancer, "disable_public_interface", public_interface=False)
