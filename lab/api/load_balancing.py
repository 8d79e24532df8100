# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rules for services and targets of a load balancer: one goes in, a changed one comes out, or an error."""

from __future__ import annotations

from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from lab.api.catalog.load_balancer_types import LoadBalancerType, load_balancer_type
from lab.api.cloud import Cloud
from lab.api.errors import ApiError, invalid_input, limit_exceeded, not_found, refused
from lab.api.models.load_balancer import LoadBalancer, Service, Target, UpdateService
from lab.api.models.network import PRIVATE
from lab.api.models.server import Server


def with_service(cloud: Cloud, balancer: LoadBalancer, service: Service) -> LoadBalancer:
    """The load balancer with one more service."""
    if taken := _taken(balancer, service):
        raise ApiError(412, "source_port_already_used", f"port {taken} is already in use")
    return _checked(cloud, balancer, [*balancer.services, service])


def with_changed_service(cloud: Cloud, balancer: LoadBalancer, body: UpdateService) -> LoadBalancer:
    """The load balancer with some fields of a service changed."""
    old = _service(balancer, body.listen_port)
    changed = _merged(old, body)
    others = balancer.model_copy(update={"services": [service for service in balancer.services if service != old]})
    if taken := _taken(others, changed):
        raise refused("source_port_already_used", f"port {taken} is already in use")
    return _checked(cloud, balancer, [changed if service == old else service for service in balancer.services])


def without_service(balancer: LoadBalancer, listen_port: int) -> LoadBalancer:
    gone = _service(balancer, listen_port)
    return balancer.model_copy(update={"services": [service for service in balancer.services if service != gone]})


def with_target(cloud: Cloud, balancer: LoadBalancer, target: Target) -> LoadBalancer:
    """The load balancer with one more target."""
    target = _by_default_address(cloud, target)
    if any(target.same(other) for other in balancer.targets):
        raise refused("target_already_defined", f"load balancer '{balancer.name}' already has this target")
    if target.use_private_ip and balancer.private_net is None:
        raise _not_attached(balancer)
    if target.ip is not None:
        _check_ip(cloud, balancer, target)
    elif not target.use_private_ip and not balancer.public_interface:
        raise _no_public_interface(balancer)
    if target.server is not None:
        _check_server(cloud, balancer, target, cloud.project.servers.referenced(target.server.id, "server"))
    changed = balancer.model_copy(update={"targets": [*balancer.targets, target]})
    kind = load_balancer_type(balancer.load_balancer_type)
    if target_count(cloud, changed) > kind.max_targets:
        raise limit_exceeded(
            "load_balancer_target_limit", f"a load balancer of type {kind.name} has at most {kind.max_targets} targets"
        )
    return changed


def without_target(cloud: Cloud, balancer: LoadBalancer, target: Target) -> LoadBalancer:
    target = _by_default_address(cloud, target)
    kept = [other for other in balancer.targets if not target.same(other)]
    if len(kept) == len(balancer.targets):
        raise not_found(f"this target of load balancer '{balancer.name}'")
    return balancer.model_copy(update={"targets": kept})


def require_fitting(cloud: Cloud, balancer: LoadBalancer, kind: LoadBalancerType) -> None:
    """Refuse a type that the load balancer has already, or that allows less than it has."""
    in_use = {certificate for service in balancer.services for certificate in service.certificates}
    fits = (
        len(balancer.services) <= kind.max_services
        and target_count(cloud, balancer) <= kind.max_targets
        and len(in_use) <= kind.max_assigned_certificates
    )
    if not fits or kind.id == balancer.load_balancer_type:
        raise refused(
            "invalid_load_balancer_type",
            f"load balancer type '{kind.name}' does not fit for load balancer '{balancer.name}'",
        )


def require_hideable(balancer: LoadBalancer) -> None:
    """Refuse to take the public interface from one that needs it."""
    if balancer.private_net is None:
        raise _not_attached(balancer)
    if not all(target.use_private_ip for target in balancer.targets):
        raise refused("targets_without_use_private_ip", f"load balancer '{balancer.name}' has public targets")


def target_count(cloud: Cloud, balancer: LoadBalancer) -> int:
    """Targets, each server of a label selector counted."""
    return sum(1 for target in balancer.targets for _ in cloud.load_balancers.resolve(balancer, target))


def _service(balancer: LoadBalancer, listen_port: int) -> Service:
    service = balancer.service(listen_port)
    if service is None:
        raise not_found(f"service with listen port '{listen_port}' of load balancer '{balancer.name}'")
    return service


def _taken(balancer: LoadBalancer, service: Service) -> int | None:
    """A port that both the service and another one need."""
    used = {port for other in balancer.services for port in other.ports}
    return next(iter(sorted(used & service.ports)), None)


def _merged(service: Service, body: UpdateService) -> Service:
    """The service with what the body gives; what it leaves out stays, at every level."""
    given = body.model_dump(exclude_unset=True)
    try:
        return Service.model_validate(_deep_merge(service.view(), given))
    except ValidationError as error:
        problems = [problem | {"loc": ("body", *problem["loc"])} for problem in error.errors()]
        raise RequestValidationError(problems) from error


def _deep_merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    merged = dict(old)
    for key, value in new.items():
        before = old.get(key)
        merged[key] = _deep_merge(before, value) if isinstance(before, dict) and isinstance(value, dict) else value
    return merged


def _checked(cloud: Cloud, balancer: LoadBalancer, services: list[Service]) -> LoadBalancer:
    """The load balancer with these services, if its type allows them and their certificates can be used."""
    kind = load_balancer_type(balancer.load_balancer_type)
    if len(services) > kind.max_services:
        raise limit_exceeded(
            "load_balancer_service_limit",
            f"a load balancer of type {kind.name} has at most {kind.max_services} services",
        )
    certificates = {certificate for service in services for certificate in service.certificates}
    if len(certificates) > kind.max_assigned_certificates:
        raise limit_exceeded(
            "load_balancer_certificate_limit",
            f"a load balancer of type {kind.name} has at most {kind.max_assigned_certificates} certificates",
        )
    for number in certificates:
        certificate = cloud.project.certificates.referenced(number, "http.certificates")
        if certificate.certificate is None:
            raise invalid_input("http.certificates", f"certificate '{certificate.name}' was not issued")
    return balancer.model_copy(update={"services": services})


def _by_default_address(cloud: Cloud, target: Target) -> Target:
    """A server that is named with its IPv4 address is a server named without one."""
    if target.server is None or target.server.ip is None:
        return target
    ipv4 = cloud.project.public_ips(target.server.id).get("ipv4")
    if ipv4 is None or ipv4.ipv4 != target.server.ip:
        return target
    return target.model_copy(update={"server": target.server.model_copy(update={"ip": None})})


def _check_server(cloud: Cloud, balancer: LoadBalancer, target: Target, server: Server) -> None:
    if target.use_private_ip:
        if balancer.private_net is None or server.in_network(balancer.private_net.network) is None:
            raise refused(
                "resolve_cloud_private_targets_error",
                f"server '{server.name}' is not attached to the network of load balancer '{balancer.name}'",
            )
        return
    ips = cloud.project.public_ips(server.id)
    address = target.server.ip if target.server else None
    if address is not None and not any(ip.covers(str(address)) for ip in ips.values()):
        raise refused("ip_not_assigned_to_server", f"{address} is no public IP of server '{server.name}'")
    if address is None and "ipv4" not in ips:
        raise refused("resolve_cloud_public_targets_error", f"server '{server.name}' has no public IPv4 address")


def _check_ip(cloud: Cloud, balancer: LoadBalancer, target: Target) -> None:
    """IPs are of dedicated servers. Private ones come by a vSwitch, which the lab does not have."""
    address = target.ip.ip if target.ip else None
    if address is not None and address.version == 4 and any(address in private for private in PRIVATE):
        if balancer.private_net is None:
            raise _not_attached(balancer)
        raise refused("network_has_no_vswitch_subnet", f"{address} is private, and the network has no vSwitch subnet")
    if address not in cloud.settings.root_server_ips:
        raise refused("ip_not_owned", f"{address} is not of a dedicated server of this project")
    if not balancer.public_interface:
        raise _no_public_interface(balancer)


def _not_attached(balancer: LoadBalancer) -> ApiError:
    return refused("load_balancer_not_attached_to_network", f"load balancer '{balancer.name}' is in no network")


def _no_public_interface(balancer: LoadBalancer) -> ApiError:
    return refused(
        "load_balancer_public_interface_disabled",
        f"the public interface of load balancer '{balancer.name}' is disabled",
    )
