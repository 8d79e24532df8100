# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What actions do, by the type of their first resource and their command."""

from __future__ import annotations

from lab.api.cloud import Cloud
from lab.api.handlers.amendments import register_amendments
from lab.api.handlers.certificates import register_certificates
from lab.api.handlers.firewalls import FirewallHandlers
from lab.api.handlers.load_balancers import LoadBalancerHandlers
from lab.api.handlers.maintenance import MaintenanceHandlers
from lab.api.handlers.networking import NetworkingHandlers
from lab.api.handlers.servers import ServerHandlers


def register(cloud: Cloud) -> None:
    """Teach the actions of a cloud their work."""
    register_amendments(cloud)
    ServerHandlers(cloud).register()
    MaintenanceHandlers(cloud).register()
    NetworkingHandlers(cloud).register()
    FirewallHandlers(cloud).register()
    LoadBalancerHandlers(cloud).register()
    register_certificates(cloud)
