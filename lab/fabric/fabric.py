# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where machines are plugged in. Layer 3 only, as in the cloud: no bridge, every machine behind a gateway of its own.

Public side: the namespace ``triad-<lab>-router``. A machine's eth0 has its address as /32 and the gateway 172.31.1.1;
IPv6 is a /64 with the gateway fe80::1. The router knows the host by one cable and the internet by slirp4netns, so the
host itself gets one interface, two routes, and no firewall rule, bridge or forwarding.
Private side: a namespace per network, ``triad-<lab>-net<id>``, so that networks may overlap.
Addresses behind which nothing is plugged swallow packets silently, as a dead server does.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address, ip_network

from lab.balancers.base import Address, Attachment
from lab.config import Settings
from lab.fabric import rules
from lab.fabric.addresses import EGRESS_NETWORK, GATEWAY, GATEWAY6, METADATA, PRIVATE_MTU, PUBLIC_MTU, link_local
from lab.fabric.cables import CableEnd
from lab.fabric.tools import FabricError, inside, ip, ip_query, links, namespaces, nft, sysctl
from lab.locking import locked
from lab.machines.base import FirewallRule, PrivateLink, PublicNet

__all__ = ["Fabric", "FabricError"]


class Fabric:
    """All wiring of one lab. Methods are idempotent; state lives in the kernel only."""

    def __init__(self, settings: Settings) -> None:
        self.prefix = f"triad-{settings.name}-"
        self.router = f"{self.prefix}router"
        self.host_link = f"tl-{settings.name}"
        self._settings = settings

    @property
    def is_up(self) -> bool:
        return self.router in namespaces(self.prefix)

    def check(self) -> None:
        """Refuse public networks that this host already uses; the message names the setting."""
        for setting, network in (
            ("LAB_PUBLIC_NETWORK", self._settings.public_network),
            ("LAB_PUBLIC_NETWORK6", self._settings.public_network6),
        ):
            for device, used in self._used_networks(network.version):
                if device != self.host_link and used.overlaps(network):
                    raise FabricError(
                        f"{network} is in use on this host ({used} on {device}): "
                        f"set {setting} to a network that is free, or end the other lab"
                    )

    def up(self) -> None:
        """Make router, host cable and base rules. The internet comes with ``egress_command``."""
        self.check()
        if self.is_up:
            return
        ip(None, [f"netns add {self.router}"])
        sysctl(self.router, net__ipv4__ip_forward=1, net__ipv6__conf__all__forwarding=1)
        ip(self.router, self._router_addresses())
        nft(self.router, rules.ROUTER)
        ip(None, [f"link add {self.host_link} type veth peer name host netns {self.router}"])
        settings = self._settings
        ip(
            self.router,
            [
                f"addr add {GATEWAY6}/64 dev host nodad",
                "link set host up",
                f"route add {settings.host_address} dev host src {settings.router_address}",
                f"route add {settings.host_address6} dev host",
            ],
        )
        ip(
            None,
            [
                f"addr add {settings.host_address} peer {settings.router_address} dev {self.host_link}",
                f"addr add {settings.host_address6} dev {self.host_link} nodad",
                f"link set {self.host_link} up",
                f"route add {settings.public_network} via {settings.router_address} src {settings.host_address}",
                f"route add {settings.public_network6} via {GATEWAY6} dev {self.host_link}",
            ],
        )

    def down(self) -> list[str]:
        """Remove every namespace and interface of this lab; returns what was there."""
        gone = self.left()
        ip(None, [f"link del {self.host_link}"] if self.host_link in links(None) else [])
        ip(None, [f"netns del {name}" for name in namespaces(self.prefix)])
        return gone

    def left(self) -> list[str]:
        """What of this lab the kernel still has."""
        interfaces = [f"interface {self.host_link}"] if self.host_link in links(None) else []
        return interfaces + [f"namespace {name}" for name in namespaces(self.prefix)]

    def egress_command(self) -> list[str]:
        """The process that carries machines' traffic to the internet as this host's own, its DNS at NAME_SERVER."""
        return [
            "slirp4netns", "--configure", "--mtu=65520", f"--cidr={EGRESS_NETWORK}", "--disable-host-loopback",
            "--netns-type=path", f"/run/netns/{self.router}", "tap0",
        ]  # fmt: skip

    def in_router(self, command: list[str]) -> list[str]:
        """A command as it is run on the router."""
        return [*inside(self.router), *command]

    def in_private(self, network_id: int, command: list[str]) -> list[str]:
        """A command as it is run at the gateway of a private network."""
        return [*inside(self.private_namespace(network_id)), *command]

    def has_egress(self) -> bool:
        return "tap0" in links(self.router)

    def plug_public(self, server_id: int, machine: CableEnd, net: PublicNet) -> None:
        """Give a machine its public interface, unless it has no public address."""
        if net.ipv4 is None and net.ipv6 is None:
            return
        end = rules.cable(server_id)
        self._lay(self.router, end, machine)
        # Replaced, not added: the cable of a deleted server lingers, with its route, until the kernel has cleaned up.
        router = [
            f"addr add {GATEWAY}/32 dev {end}",
            f"addr add {GATEWAY6}/64 dev {end} nodad",
            f"link set {end} up",
            f"route replace {net.ipv4 or link_local(server_id)} dev {end} src {self._settings.router_address}",
        ]
        lines = []
        if net.ipv4 is not None:
            lines += [
                f"addr add {net.ipv4} dev {{device}}",
                f"route add {GATEWAY} dev {{device}}",
                f"route add default via {GATEWAY} dev {{device}} onlink",
            ]
        if net.ipv6 is not None:
            router.append(f"route replace {net.ipv6.network} dev {end}")
            lines += [
                f"addr add {net.ipv6} dev {{device}} nodad",
                f"route add default via {GATEWAY6} dev {{device}} onlink",
            ]
        ip(self.router, router)
        machine.set_up(f"mtu {PUBLIC_MTU}", lines)

    def plug_private(self, server_id: int, machine: CableEnd, link: PrivateLink) -> None:
        """Give a machine an interface on a private network."""
        place = self._make_private(link.network_id, link.gateway)
        end = rules.cable(server_id)
        addresses = (link.address, *link.alias_ips)
        self._lay(place, end, machine)
        ip(
            place,
            [
                f"addr add {link.gateway}/32 dev {end}",
                f"link set {end} up mtu {PRIVATE_MTU}",
                *(f"route replace {address} dev {end} src {link.gateway}" for address in addresses),
            ],
        )
        machine.set_up(
            f"mtu {PRIVATE_MTU} address {link.mac}",
            [
                *(f"addr add {address} dev {{device}}" for address in addresses),
                f"route add {link.gateway} dev {{device}}",
                f"route add {link.network} via {link.gateway} dev {{device}}",
            ],
        )

    def unplug(self, server_id: int, network_id: int | None) -> None:
        """Pull a machine's cable: a private network's, or the public one (None)."""
        place = self.router if network_id is None else self.private_namespace(network_id)
        if place in namespaces(self.prefix):
            _discard(place, rules.cable(server_id))

    def filter(self, server_id: int, firewall: tuple[FirewallRule, ...] | None) -> None:
        """Enforce a cloud firewall on the public cable; None removes it."""
        text = rules.without_firewall(server_id) if firewall is None else rules.firewall(server_id, firewall)
        nft(self.router, text)

    def cut(self, server_id: int) -> None:
        """Drop all packets to and from a machine on every network, with no reply to anybody."""
        with self._wiring():
            for place in namespaces(self.prefix):
                nft(place, rules.cut(server_id))

    def mend(self, server_id: int) -> None:
        """Undo ``cut``."""
        with self._wiring():
            for place in namespaces(self.prefix):
                nft(place, rules.mend(server_id))

    def private_namespace(self, network_id: int) -> str:
        """Name of the namespace of a private network."""
        return f"{self.prefix}net{network_id}"

    def host_balancer(self, balancer_id: int, public: Iterable[Address], private: Attachment | None) -> None:
        """Make exactly these addresses a load balancer's: a process that binds to them in the namespaces is reached."""
        device = rules.balancer(balancer_id)
        if private is not None:
            self._make_private(private.network_id, private.gateway)
        home = self.private_namespace(private.network_id) if private else None
        for place in namespaces(self.prefix):
            if place == self.router:
                _own(place, device, public)
            else:
                _own(place, device, [private.address] if private and place == home else [])

    def _router_addresses(self) -> list[str]:
        settings = self._settings
        return [
            "link set lo up",
            f"addr add {settings.router_address} dev lo",
            f"addr add {GATEWAY} dev lo",
            f"addr add {METADATA} dev lo",
            *_void(settings.public_network, settings.public_network6),
        ]

    def _make_private(self, network_id: int, gateway: IPv4Address) -> str:
        """The namespace of a private network, made when it is missing."""
        name = self.private_namespace(network_id)
        with self._wiring():
            if name not in namespaces(self.prefix):
                ip(None, [f"netns add {name}"])
                sysctl(name, net__ipv4__ip_forward=1)
                ip(
                    name,
                    ["link set lo up", f"addr add {gateway} dev lo", f"addr add {METADATA} dev lo", *_void("default")],
                )
                nft(name, rules.CUT)
        return name

    def _wiring(self) -> AbstractContextManager[None]:
        """Nobody sees a namespace that is only half made."""
        return locked(self._settings.state / "fabric.lock")

    def _lay(self, place: str, end: str, machine: CableEnd) -> None:
        """A fresh cable from a namespace into a machine; one that is there already is replaced."""
        _discard(place, end)
        machine.lay(place, end)

    @staticmethod
    def _used_networks(version: int) -> list[tuple[str, IPv4Network | IPv6Network]]:
        routes = ip_query(None, f"-{version}", "route", "show", "table", "all")
        destinations = ((route.get("dev", route.get("type", "a route")), route["dst"]) for route in routes)
        return [(device, ip_network(dst)) for device, dst in destinations if dst != "default"]


def _discard(place: str, end: str) -> None:
    """Remove a cable, if it is there. That of a machine that has just ended may vanish by itself at any moment."""
    if end not in links(place):
        return
    try:
        ip(place, [f"link del {end}"])
    except FabricError:
        if end in links(place):
            raise


def _void(*destinations: object) -> list[str]:
    """Send these destinations where nobody is. A blackhole would tell this namespace's own processes at once."""
    return [
        "link add void type veth peer name void-end",
        "link set void arp off up",
        "link set void-end arp off up",
        *(f"route add {destination} dev void" for destination in destinations),
    ]


def _own(place: str, device: str, addresses: Iterable[Address]) -> None:
    """Give a namespace these addresses and no others on a device of this name, which exists only to hold them."""
    wanted = set(addresses)
    if not wanted:
        if device in links(place):
            ip(place, [f"link del {device}"])
        return
    if device not in links(place):
        up = (f"link set {end} up" for end in (device, f"{device}-end"))
        ip(place, [f"link add {device} type veth peer name {device}-end", *up])
    (shown,) = ip_query(place, "addr", "show", "dev", device)
    held = {ip_address(entry["local"]) for entry in shown["addr_info"] if entry["scope"] == "global"}
    ip(
        place,
        [
            *(
                f"addr add {address} dev {device}{' nodad' if address.version == 6 else ''}"
                for address in wanted - held
            ),
            *(f"addr del {address} dev {device}" for address in held - wanted),
        ],
    )
