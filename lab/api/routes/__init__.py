# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints, one module for each kind of resource."""

from __future__ import annotations

from lab.api.routes import (
    actions,
    catalog,
    certificates,
    firewalls,
    floating_ips,
    images,
    lab,
    load_balancer_actions,
    load_balancers,
    metrics,
    networks,
    placement_groups,
    pricing,
    primary_ips,
    server_actions,
    server_maintenance,
    server_networks,
    servers,
    ssh_keys,
    volumes,
)

CLOUD = tuple(
    module.router
    for module in (
        actions,
        catalog,
        certificates,
        firewalls,
        floating_ips,
        images,
        load_balancer_actions,
        load_balancers,
        metrics,
        networks,
        placement_groups,
        pricing,
        primary_ips,
        server_actions,
        server_maintenance,
        server_networks,
        servers,
        ssh_keys,
        volumes,
    )
)
LAB = lab.router
