# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a probe says, and what a member makes of it."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._links import (
    DATA_PATH,
    FULL_SIZE,
    GOSSIP,
    GOSSIP_AFTER,
    INTERVALS,
    MAGIC,
    WAYS,
    Link,
    Member,
    Probe,
    datagram,
)

THERE = IPv4Address("10.0.0.3")


def probe(
    heard: set[str] | None = None, done: bool = False, clock: float = 100.0, address: IPv4Address | IPv6Address = THERE
) -> Probe:
    return Probe(address, clock, frozenset(heard or ()), done)


def link(manager: bool = True) -> Link:
    return Link(Member("server-2", THERE, manager))


@pytest.mark.parametrize("address", [THERE, IPv6Address("fd00::3")], ids=str)
@pytest.mark.parametrize("size", [0, 1422])
@pytest.mark.parametrize("sent", [probe(), probe({GOSSIP, FULL_SIZE}, clock=1.5), probe(set(WAYS), done=True)])
def test_a_probe_arrives_as_it_was_sent(address: IPv4Address | IPv6Address, size: int, sent: Probe) -> None:
    sent = Probe(address, sent.clock, sent.heard, sent.done)
    content = sent.encode(size)
    assert Probe.decode(content, len(address.packed)) == sent
    assert len(content) == size or size == 0


@pytest.mark.parametrize("content", [b"", MAGIC, MAGIC[:4] + bytes(40), bytes(60), b"\x08" + bytes(100)])
def test_what_is_no_probe(content: bytes) -> None:
    assert Probe.decode(content, 4) is None


def test_a_kernel_takes_no_probe_for_an_overlay_s_packet() -> None:
    valid_network_id = 0x08
    assert not MAGIC[0] & valid_network_id


@pytest.mark.parametrize(("version", "header"), [(4, b"\x45" + bytes(19)), (4, b"\x46" + bytes(23)), (6, b"")])
def test_datagram(version: int, header: bytes) -> None:
    packet = header + struct.pack("!HHHH", 40000, 7946, 13, 0) + b"hello"
    size = len(packet) if version == 4 else 40 + len(packet)
    assert datagram(packet, version) == (7946, size, b"hello")


def test_done_takes_both_directions() -> None:
    known = link()
    known.take([GOSSIP], probe(), THERE, 100.0)
    known.take([DATA_PATH, FULL_SIZE], probe(set(WAYS)), THERE, 100.0)
    assert not known.done
    known.reached.update({2377: True, 7946: True})
    assert known.done
    assert not known.peer_done
    known.take([DATA_PATH], probe(done=True), THERE, 100.0)
    assert known.peer_done


def test_a_worker_has_no_cluster_port() -> None:
    assert link(manager=False).report()["reached"] == {"tcp_2377": None, "tcp_7946": False}


def test_the_skew_is_the_one_least_delayed() -> None:
    known = link()
    for clock in (100.9, 100.25, 101.7):
        known.take([DATA_PATH], probe(clock=103.0), THERE, clock)
    assert known.report()["clock_skew"] == -2.75


def test_a_translated_address_is_not_taken() -> None:
    known = link()
    known.take([DATA_PATH], probe(set(WAYS)), ip_address("192.0.2.1"), 100.0)
    told = known.report()
    assert (told["heard"][DATA_PATH], told["error"]) == (False, "what 10.0.0.3 sends comes from 192.0.2.1")
    assert not known.confirmed


def test_a_silent_peer_is_spared_at_its_gossip_port_at_first() -> None:
    known = link()
    assert set(known.ways_due(0.0, 0.0)) == {DATA_PATH, FULL_SIZE}
    assert GOSSIP in known.ways_due(GOSSIP_AFTER, 0.0)


def test_what_is_confirmed_is_not_sent_again() -> None:
    known = link()
    known.take([DATA_PATH], probe({GOSSIP}), THERE, 100.0)
    assert set(known.ways_due(0.0, 0.0)) == {DATA_PATH, FULL_SIZE}
    known.take([DATA_PATH], probe(set(WAYS)), THERE, 100.0)
    assert known.ways_due(10.0, 0.0) == [DATA_PATH]


def test_probes_keep_their_intervals() -> None:
    known = link()
    known.take([DATA_PATH], probe(), THERE, 100.0)
    assert set(known.ways_due(0.0, 0.0)) == set(WAYS)
    assert known.ways_due(0.01, 0.0) == []
    assert GOSSIP not in known.ways_due(INTERVALS[GOSSIP] - 0.01, 0.0)
    assert GOSSIP in known.ways_due(INTERVALS[GOSSIP], 0.0)


def test_news_is_told_at_once() -> None:
    known = link()
    known.ways_due(0.0, 0.0)
    known.take([GOSSIP], probe(set(WAYS)), THERE, 100.0)
    assert known.ways_due(0.01, 0.0) == [DATA_PATH]
