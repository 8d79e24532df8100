# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewalls and the servers that they are applied to."""

from __future__ import annotations

from collections.abc import Iterable

from lab.api.cloud import Cloud
from lab.api.errors import ApiError, refused
from lab.api.models.action import Action, Ref
from lab.api.models.firewall import FIREWALLS_PER_SERVER, Firewall, Resource
from lab.api.models.server import Server


def apply_to(cloud: Cloud, firewall: Firewall, resources: list[Resource]) -> list[Action]:
    """Apply a firewall, which may be a new one, to more resources."""
    for at, resource in enumerate(resources):
        if resource in resources[:at]:
            raise refused("server_already_added", f"firewall '{firewall.name}' is to be applied to one resource twice")
        _check_target(cloud, firewall, resource)
    applied = [*firewall.applied_to, *resources]
    with cloud.project.together():
        changed = cloud.project.firewalls.put(firewall.model_copy(update={"applied_to": applied}))
        return _each(cloud, changed, "apply_firewall", resources)


def remove_from(cloud: Cloud, firewall: Firewall, resources: list[Resource]) -> list[Action]:
    """Take a firewall off resources that it was applied to."""
    for resource in resources:
        if resource not in firewall.applied_to:
            raise _not_applied(cloud, firewall, resource)
    kept = [resource for resource in firewall.applied_to if resource not in resources]
    with cloud.project.together():
        changed = cloud.project.firewalls.update(firewall.id, applied_to=kept)
        return _each(cloud, changed, "remove_firewall", resources)


def enforce_rules(cloud: Cloud, firewall: Firewall) -> list[Action]:
    """Bring changed rules of a firewall into effect, wherever it is applied."""
    actions = [cloud.actions.begin("set_firewall_rules", [Ref("firewall", firewall.id)])]
    for server in cloud.project.servers:
        if firewall.id in server.firewalls:
            cloud.machines.expect_firewalls(server, changed=firewall.id)
            resources = [Ref("firewall", firewall.id), Ref("server", server.id)]
            actions.append(cloud.actions.begin("apply_firewall", resources))
    return actions


def follow_labels(cloud: Cloud, server: Server) -> Server:
    """Apply and remove the firewalls whose selectors a server's new labels match, or no longer match."""
    before = set(server.firewalls)
    server = cloud.machines.expect_firewalls(server)
    for firewall in before ^ set(server.firewalls):
        command = "remove_firewall" if firewall in before else "apply_firewall"
        cloud.actions.begin(command, [Ref("firewall", firewall), Ref("server", server.id)])
    return server


def _check_target(cloud: Cloud, firewall: Firewall, resource: Resource) -> None:
    if resource in firewall.applied_to:
        raise refused("firewall_already_applied", f"firewall '{firewall.name}' is already applied to this resource")
    if resource.server is None:
        return
    server = cloud.project.servers.get(resource.server.id)
    if server is None:
        raise ApiError(404, "firewall_resource_not_found", f"server with ID '{resource.server.id}' not found")
    if not cloud.project.public_ips(server.id):
        raise refused("private_net_only_server", f"server '{server.name}' has no public interface")
    if len({*server.firewalls, firewall.id}) > FIREWALLS_PER_SERVER:
        raise refused("invalid_input", f"server '{server.name}' has {FIREWALLS_PER_SERVER} firewalls already")


def _not_applied(cloud: Cloud, firewall: Firewall, resource: Resource) -> ApiError:
    server = cloud.project.servers.get(resource.server.id) if resource.server else None
    if server is not None and firewall.id in server.firewalls:
        return refused(
            "firewall_managed_by_label_selector",
            f"firewall '{firewall.name}' is applied to server '{server.name}' by a label selector",
        )
    return ApiError(404, "firewall_resource_not_found", f"firewall '{firewall.name}' is not applied to this resource")


def _each(cloud: Cloud, firewall: Firewall, command: str, resources: Iterable[Resource]) -> list[Action]:
    """One action a resource; it names the servers that the resource stands for."""
    actions = []
    for resource in resources:
        refs = [Ref("firewall", firewall.id)]
        for server in cloud.project.servers:
            if resource.names(server.id, server.labels):
                cloud.machines.expect_firewalls(server)
                refs.append(Ref("server", server.id))
        actions.append(cloud.actions.begin(command, refs))
    return actions
