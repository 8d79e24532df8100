# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which endpoints there are: known before a request is routed, because the token is checked in between."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.routing import compile_path


@dataclass
class Endpoint:
    """template: the path with its ids left open ("/v1/servers/{id}")."""

    template: str
    pattern: re.Pattern[str]
    methods: set[str] = field(default_factory=set)


def endpoints(prefix: str, routers: Iterable[APIRouter]) -> list[Endpoint]:
    """The endpoints of routers that are included under a prefix."""
    found: dict[str, Endpoint] = {}
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute):
                path = prefix + route.path
                template = path.replace(":int}", "}")
                endpoint = found.setdefault(template, Endpoint(template, compile_path(path)[0]))
                endpoint.methods |= route.methods or set()
    return list(found.values())
