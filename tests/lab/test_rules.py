# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cloud firewalls as nftables text."""

from __future__ import annotations

import pytest

from lab.fabric import rules
from lab.machines.base import FirewallRule

ANY = ("0.0.0.0/0", "::/0")
ESTABLISHED = "ct state established,related accept"

MATCHES = [
    pytest.param(
        FirewallRule("in", "tcp", ANY, "22"),
        [
            "add rule inet cloud to_srv7 meta nfproto ipv4 meta l4proto tcp tcp dport 22 accept",
            "add rule inet cloud to_srv7 meta nfproto ipv6 meta l4proto tcp tcp dport 22 accept",
        ],
        id="a port from anywhere, in both families",
    ),
    pytest.param(
        FirewallRule("in", "udp", ("192.0.2.7/32",), "80-90"),
        ["add rule inet cloud to_srv7 meta l4proto udp ip saddr 192.0.2.7/32 udp dport 80-90 accept"],
        id="a range of ports from one source",
    ),
    pytest.param(
        FirewallRule("out", "tcp", ("2001:db8::/32",), "443"),
        ["add rule inet cloud from_srv7 meta l4proto tcp ip6 daddr 2001:db8::/32 tcp dport 443 accept"],
        id="outbound names destinations",
    ),
    pytest.param(
        FirewallRule("in", "icmp", ANY),
        [
            "add rule inet cloud to_srv7 meta nfproto ipv4 meta l4proto icmp accept",
            "add rule inet cloud to_srv7 meta nfproto ipv6 meta l4proto ipv6-icmp accept",
        ],
        id="icmp means that of each family",
    ),
    pytest.param(
        FirewallRule("in", "esp", ("10.0.0.0/8",)),
        ["add rule inet cloud to_srv7 meta l4proto esp ip saddr 10.0.0.0/8 accept"],
        id="a protocol without ports",
    ),
]


@pytest.mark.parametrize(("rule", "expected"), MATCHES)
def test_a_rule_becomes_one_match_a_network(rule: FirewallRule, expected: list[str]) -> None:
    lines = rules.firewall(7, [rule]).splitlines()
    accepts = [line for line in lines if line.endswith("accept") and "ct state" not in line and "nd-" not in line]
    assert accepts == expected


def test_a_firewall_without_inbound_rules_lets_only_replies_in() -> None:
    lines = rules.firewall(7, []).splitlines()
    chain = [line.removeprefix("add rule inet cloud to_srv7 ") for line in lines if "add rule inet cloud to_" in line]
    assert chain[0] == ESTABLISHED
    assert chain[-1] == "drop"
    assert not any("accept" in line for line in chain[2:])


def test_without_outbound_rules_everything_may_leave() -> None:
    assert not any(line.startswith("add rule inet cloud from_") for line in rules.firewall(7, []).splitlines())


def test_a_firewall_replaces_what_was_there_before() -> None:
    assert rules.firewall(7, []).startswith(rules.without_firewall(7))
