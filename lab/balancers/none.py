# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""No load balancers: the API alone."""

from __future__ import annotations

from lab.balancers.base import BalancerSpec, HealthTable


class NoBalancers:
    """Remembers which load balancers would run. Nothing is balanced and nothing checked: health stays unknown."""

    def __init__(self) -> None:
        self.specs: dict[int, BalancerSpec] = {}

    async def apply(self, spec: BalancerSpec) -> None:
        self.specs[spec.balancer_id] = spec

    async def delete(self, balancer_id: int) -> None:
        self.specs.pop(balancer_id, None)

    async def health(self, balancer_id: int) -> HealthTable:
        spec = self.specs.get(balancer_id)
        if spec is None:
            return {}
        return {
            (service.listen_port, target.address): "unknown" for service in spec.services for target in spec.targets
        }
