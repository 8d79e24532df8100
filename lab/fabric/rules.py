# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Firewalls as nftables text. Pure: rules in, ruleset out.

A machine is told by the router's end of its cable, ``srv<id>``. The base holds two maps from cable to chain: what goes
to a machine passes ``to``, what comes from it ``from``; a cable without an entry is not filtered. ``cut`` names the
cables that carry nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_network

from lab.fabric.addresses import METADATA
from lab.machines.base import FirewallRule

CUT = """
table inet cut {
    set cables { type ifname; }
    chain arriving { type filter hook prerouting priority raw; iifname @cables drop; }
    chain leaving { type filter hook postrouting priority raw; oifname @cables drop; }
}
"""

DHCP_MARK = 67

# A machine gets its address by DHCP, and its metadata, whatever its firewall closes. What the router itself answers is
# marked: nobody else can be taken for it.
ROUTER = (
    CUT
    + f"""
table inet cloud {{
    map to {{ type ifname : verdict; }}
    map from {{ type ifname : verdict; }}
    chain arriving {{
        type filter hook prerouting priority filter;
        udp sport 68 udp dport 67 accept
        ip daddr {METADATA} tcp dport 80 accept
        iifname vmap @from
    }}
    chain answering {{
        type filter hook output priority filter;
        udp sport 67 udp dport 68 meta mark set {DHCP_MARK}
    }}
    chain leaving {{
        type filter hook postrouting priority filter;
        meta mark {DHCP_MARK} accept
        oifname vmap @to
    }}
}}
table ip egress {{
    chain leaving {{ type nat hook postrouting priority srcnat; oifname "tap0" masquerade; }}
}}
"""
)

_ALWAYS = (
    "ct state established,related accept",
    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit, nd-router-advert } accept",
)
_FAMILIES = {4: "ip", 6: "ip6"}


def cable(server_id: int) -> str:
    """The router's end of a server's cable."""
    return f"srv{server_id}"


def balancer(balancer_id: int) -> str:
    """What holds a load balancer's addresses."""
    return f"lb{balancer_id}"


def cut(server_id: int) -> str:
    """Drop everything that a server sends or is sent."""
    return f'add element inet cut cables {{ "{cable(server_id)}" }}'


def mend(server_id: int) -> str:
    """Undo ``cut``; adding first makes it succeed on a whole cable too."""
    return f'{cut(server_id)}\ndelete element inet cut cables {{ "{cable(server_id)}" }}'


def without_firewall(server_id: int) -> str:
    """Let everything pass, whatever was enforced before."""
    name = cable(server_id)
    lines = []
    for way in ("to", "from"):
        chain = f"inet cloud {way}_{name}"
        lines += [
            f"add chain {chain}",
            f'add element inet cloud {way} {{ "{name}" : jump {way}_{name} }}',
            f'delete element inet cloud {way} {{ "{name}" : jump {way}_{name} }}',
            f"flush chain {chain}",
            f"delete chain {chain}",
        ]
    return "\n".join(lines)


def firewall(server_id: int, rules: Iterable[FirewallRule]) -> str:
    """Enforce exactly these rules on a server, replacing what was enforced before, in one transaction."""
    name = cable(server_id)
    rules = tuple(rules)
    lines = [without_firewall(server_id)]
    for way, direction in (("to", "in"), ("from", "out")):
        chosen = [rule for rule in rules if rule.direction == direction]
        if direction == "out" and not chosen:
            continue
        chain = f"inet cloud {way}_{name}"
        lines.append(f"add chain {chain}")
        lines += [f"add rule {chain} {match}" for match in _ALWAYS]
        lines += [f"add rule {chain} {match} accept" for rule in chosen for match in _matches(rule)]
        lines.append(f"add rule {chain} drop")
        lines.append(f'add element inet cloud {way} {{ "{name}" : jump {way}_{name} }}')
    return "\n".join(lines)


def _matches(rule: FirewallRule) -> Iterable[str]:
    """One match a network and address family; the far end is the source of "in" and the destination of "out"."""
    far_end = "saddr" if rule.direction == "in" else "daddr"
    for network in map(ip_network, rule.networks):
        family = _FAMILIES[network.version]
        protocol = "ipv6-icmp" if rule.protocol == "icmp" and network.version == 6 else rule.protocol
        match = f"meta l4proto {protocol} {family} {far_end} {network}"
        if network.prefixlen == 0:
            match = f"meta nfproto ipv{network.version} meta l4proto {protocol}"
        yield f"{match} {rule.protocol} dport {rule.port}" if rule.port else match
