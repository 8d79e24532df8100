# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""HAProxy's configuration of one load balancer. Pure: a specification in, text out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from lab.balancers.base import Address, BalancerSpec


@dataclass(frozen=True)
class _Bind:
    address: str
    namespace: str


@dataclass(frozen=True)
class _Server:
    """mark: stands for the server in cookies."""

    name: str
    address: str
    source: str
    namespace: str
    mark: str


def render(spec: BalancerSpec, folder: Path, router: str, private: Callable[[int], str]) -> str:
    """The configuration's text. folder: of its files. router, private: names of the network namespaces."""
    binds, servers = _binds(spec, router, private), _servers(spec, router, private)
    text = _TEMPLATE.render(spec=spec, folder=folder, binds=binds, servers=servers)
    return f"global\n    description {_digest(text)}\n\n{text}"


def revision(config: str) -> str:
    """What a process says that it runs, once it runs this text."""
    return config.split(maxsplit=3)[2]


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _binds(spec: BalancerSpec, router: str, private: Callable[[int], str]) -> list[_Bind]:
    binds = [_Bind(_bracketed(address), router) for address in spec.public]
    if spec.private is not None:
        binds.append(_Bind(_bracketed(spec.private.address), private(spec.private.network_id)))
    return binds


def _servers(spec: BalancerSpec, router: str, private: Callable[[int], str]) -> list[_Server]:
    """Targets that can be reached: from an address of the same family, or of the same network."""
    servers = []
    for target in spec.targets:
        namespace, source = router, next((own for own in spec.public if own.version == target.address.version), None)
        if target.private:
            if spec.private is None:
                continue
            namespace, source = private(spec.private.network_id), spec.private.address
        if source is not None:
            name = str(target.address)
            servers.append(_Server(name, _bracketed(target.address), _bracketed(source), namespace, _digest(name)))
    return servers


def _bracketed(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


def _quoted(text: object) -> str:
    """One word to HAProxy, whatever is in it."""
    return "'" + str(text).replace("'", "'\\''") + "'"


def _status_pattern(codes: tuple[str, ...]) -> str:
    """A regular expression out of the API's wildcards."""
    return f"^({'|'.join(re.sub('[*]', '.*', code.replace('?', '.')) for code in codes)})$"


_ENVIRONMENT = Environment(
    loader=PackageLoader("lab.balancers", ""),
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
    autoescape=False,  # noqa: S701 - no HTML
)
_ENVIRONMENT.filters.update(quoted=_quoted, status_pattern=_status_pattern)
_TEMPLATE = _ENVIRONMENT.get_template("haproxy.cfg.j2")
