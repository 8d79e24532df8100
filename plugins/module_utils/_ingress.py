# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_ingress: what is wanted of the network of the routing mesh against what a manager lists.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MTU = "com.docker.network.driver.mtu"
ENCRYPTED = "encrypted"
VXLAN_IDS = "com.docker.network.driver.overlay.vxlanid_list"
"""Options of the overlay driver. Swarm gives each network its VXLAN ID itself, and a new one to a new network."""

NAME = "ingress"
"""The name that Swarm gives the ingress network of a new swarm."""

MTUS = range(576, 65536)
"""From what every host must take in one piece to the most that a packet can hold."""


@dataclass(frozen=True)
class Ingress:
    """The ingress network as a manager lists it. Until Swarm has allocated it, its options do not show."""

    id: str
    name: str
    options: Mapping[str, str]
    labels: Mapping[str, str]
    allocated: bool

    @classmethod
    def from_api(cls, item: Mapping[str, Any]) -> Ingress:
        return cls(
            id=item["Id"],
            name=item["Name"],
            options=item.get("Options") or {},
            labels=item.get("Labels") or {},
            allocated=bool(item.get("Driver")),
        )

    @property
    def mtu(self) -> int | None:
        """None where it is left to the driver."""
        text = self.options.get(MTU, "")
        return int(text) if text.isdecimal() else None

    @property
    def encrypted(self) -> bool:
        """The driver encrypts where the option is there at all, whatever its value."""
        return ENCRYPTED in self.options

    def report(self) -> dict[str, Any]:
        """The network as the module returns it."""
        return {"name": self.name, "mtu": self.mtu, "encrypted": self.encrypted, "options": dict(self.options)}


@dataclass(frozen=True)
class Wish:
    """What is wanted of the ingress network; None leaves as it is. when_used: refuse or keep."""

    mtu: int | None = None
    encrypted: bool | None = None
    when_used: str = "refuse"

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Wish:
        """From a module's parameters."""
        mtu = options["mtu"]
        if mtu is not None and mtu not in MTUS:
            raise Refused(
                f"mtu is {mtu} and must be from {MTUS[0]} to {MTUS[-1]}: set it to the MTU of the network that the "
                "nodes reach each other on."
            )
        return cls(mtu=mtu, encrypted=options["encrypted"], when_used=options["when_used"])


def find(items: Iterable[Mapping[str, Any]]) -> Ingress | None:
    """The ingress network among the networks that a manager lists.

    What the swarm has comes first; one that is removed may still follow, while this engine tears its part of it down.
    """
    return next((Ingress.from_api(item) for item in items if item.get("Ingress")), None)


def users(services: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the services that publish ports through the ingress network."""
    return sorted(
        service["Spec"]["Name"]
        for service in services
        if any(port.get("PublishMode", "ingress") == "ingress" for port in _ports(service))
    )


def differs(wish: Wish, network: Ingress) -> bool:
    """Whether the network is not as wanted."""
    return bool(_changed(wish, network))


def plan(wish: Wish, network: Ingress | None, used_by: Sequence[str], esp4: bool) -> list[Step]:
    """The step to what is wanted, if one is due. Verbs: create, replace.

    used_by: the services that publish ports through the network; looked at only where it differs. esp4: whether this
    node's kernel can encrypt. The payload has "options" and "labels", and for replace "id", that of the present one.
    Raises Refused, naming the setting and the way out.
    """
    if network is not None:
        if not network.allocated:
            raise Refused(
                f"Swarm has not given the network {network.name} a subnet yet, and nothing was changed. See the log of "
                "the leader's engine (a default_addr_pool with no subnet left is one reason), then run this again."
            )
        if not differs(wish, network) or kept_because(wish, network, used_by):
            return []
        if used_by:
            raise Refused(
                f"The network {network.name} is not as asked for ({_changes(wish, network)}) and would have to be "
                f"removed and created anew, but services publish ports through it: {', '.join(used_by)}. Nothing was "
                "changed. Remove these services, or publish their ports in mode host, and run this again; or set "
                "when_used to keep."
            )
    if wish.encrypted and not esp4:
        raise Refused(
            "encrypted is true, but the kernel of this node has no esp4, without which nothing passes an encrypted "
            "network. Set encrypted to false, or run a kernel with esp4."
        )
    return [_creation(wish) if network is None else _replacement(wish, network)]


def kept_because(wish: Wish, network: Ingress | None, used_by: Sequence[str]) -> str | None:
    """Why a network that is not as wanted is left as it is; None where it is not."""
    if network is None or wish.when_used != "keep" or not used_by or not differs(wish, network):
        return None
    return f"services publish ports through it: {', '.join(used_by)}"


def remark(wish: Wish, network: Ingress, reason: str) -> str:
    """What is told as a warning where the network is kept."""
    return (
        f"The network {network.name} is kept as it is ({_changes(wish, network)} was asked for), because {reason}. "
        "Remove these services, or publish their ports in mode host, and run this again to change it."
    )


def _creation(wish: Wish) -> Step:
    after = {"mtu": wish.mtu, "encrypted": bool(wish.encrypted)}
    payload = {"options": _options(wish, {}), "labels": {}}
    return Step("create", "network", NAME, None, after, _text(wish.mtu, wish.encrypted or None), payload)


def _replacement(wish: Wish, network: Ingress) -> Step:
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for field, value in _changed(wish, network).items():
        before[field], after[field] = getattr(network, field), value
    payload = {"id": network.id, "options": _options(wish, network.options), "labels": dict(network.labels)}
    return Step("replace", "network", network.name, before, after, _changes(wish, network), payload)


def _changed(wish: Wish, network: Ingress) -> dict[str, Any]:
    """The fields that are not as wanted, as they shall be."""
    wanted = {"mtu": wish.mtu, "encrypted": wish.encrypted}
    return {field: value for field, value in wanted.items() if value not in (None, getattr(network, field))}


def _changes(wish: Wish, network: Ingress) -> str:
    return _text(**_changed(wish, network))


def _text(mtu: int | None = None, encrypted: bool | None = None) -> str:
    """What is wanted, for people."""
    texts = [] if mtu is None else [f"mtu {mtu}"]
    texts += [] if encrypted is None else ["encrypted" if encrypted else "not encrypted"]
    return "; ".join(texts)


def _options(wish: Wish, present: Mapping[str, str]) -> dict[str, str]:
    """The driver's options for the new network: the present ones, with what is wanted in their place."""
    dropped = {VXLAN_IDS} if wish.encrypted is None else {VXLAN_IDS, ENCRYPTED}
    options = {key: value for key, value in present.items() if key not in dropped}
    options.update({} if wish.mtu is None else {MTU: str(wish.mtu)})
    options.update({ENCRYPTED: "true"} if wish.encrypted else {})
    return options


def _ports(service: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The ports that a service asks for, and those it still has."""
    asked, given = service["Spec"].get("EndpointSpec") or {}, service.get("Endpoint") or {}
    return [*(asked.get("Ports") or ()), *(given.get("Ports") or ())]
