# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Endpoints, one module for each kind of resource."""

from __future__ import annotations

from lab.api.routes import (
    actions,
    catalog,
    empty,
    firewalls,
    lab,
    networks,
    placement_groups,
    primary_ips,
    server_actions,
    server_networks,
    servers,
    ssh_keys,
)

CLOUD = tuple(
    module.router
    for module in (
        actions,
        catalog,
        empty,
        firewalls,
        networks,
        placement_groups,
        primary_ips,
        server_actions,
        server_networks,
        servers,
        ssh_keys,
    )
)
LAB = lab.router
