# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is remembered of machines."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from typing import TYPE_CHECKING

import pytest

from lab.machines.base import FirewallRule, MachineError, MachineSpec, PrivateLink, PublicNet
from lab.machines.container import seed
from lab.machines.container.capabilities import bounding_set
from lab.machines.platforms import NodeImage
from lab.machines.records import Record, Records

if TYPE_CHECKING:
    from pathlib import Path

SPEC = MachineSpec(
    server_id=3,
    name="server-fsn-1",
    location="fsn1",
    network_zone="eu-central",
    image="ubuntu-22.04",
    cores=2,
    memory=4,
    disk=80,
    public_net=PublicNet(IPv4Address("198.51.100.2"), IPv6Interface("2001:db8:51ab:1::1/64")),
    user_data="#cloud-config\npackages: [curl]\n",
    authorized_keys=("ssh-ed25519 AAAA me",),
)


def link(network_id: int, address: str = "10.0.0.2") -> PrivateLink:
    return PrivateLink(
        network_id=network_id,
        network_name="net",
        network=IPv4Network("10.0.0.0/16"),
        subnet=IPv4Network("10.0.0.0/24"),
        gateway=IPv4Address("10.0.0.1"),
        address=IPv4Address(address),
        mac="86:00:00:00:00:01",
    )


def test_a_record_survives_being_written(tmp_path: Path) -> None:
    record = Record(SPEC, rules=(FirewallRule("in", "tcp", ("0.0.0.0/0",), "22"),)).with_link(link(1))
    records = Records(tmp_path)
    records.save(record)
    assert records.load(3) == record
    assert records.named("server-fsn-1") == record


def test_interfaces_are_named_in_order_and_keep_their_names() -> None:
    record = Record(SPEC).with_link(link(1)).with_link(link(2, "10.0.0.9"))
    assert [plug.device for plug in record.plugs] == ["enp7s0", "enp8s0"]
    moved = record.with_link(link(1, "10.0.0.7"))
    plug = moved.plug(1)
    assert plug is not None
    assert (plug.device, str(plug.link.address)) == ("enp7s0", "10.0.0.7")
    assert record.without_link(1).with_link(link(4)).plug(4) == moved.without_link(1).with_link(link(4)).plug(4)


def test_an_unknown_name_is_answered_with_those_that_exist(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(Record(SPEC))
    with pytest.raises(MachineError, match="server-fsn-1"):
        records.named("server-fsn-9")


def test_a_forgotten_machine_is_gone(tmp_path: Path) -> None:
    records = Records(tmp_path)
    records.save(Record(SPEC))
    records.forget(3)
    assert records.all() == []
    with pytest.raises(MachineError, match="server 3"):
        records.load(3)


def test_the_seed_is_what_cloud_init_reads(tmp_path: Path) -> None:
    mounts = seed.write(tmp_path, SPEC, IPv4Address("198.18.0.3"))
    assert mounts[str(tmp_path / "seed")] == {"bind": "/var/lib/cloud/seed/nocloud", "mode": "ro"}
    assert '"local-hostname": "server-fsn-1"' in (tmp_path / "seed" / "meta-data").read_text()
    assert (tmp_path / "seed" / "user-data").read_text() == SPEC.user_data
    assert (tmp_path / "lab" / "resolv.conf").read_text() == "nameserver 198.18.0.3\n"


def test_a_machine_waits_until_it_is_plugged(tmp_path: Path) -> None:
    seed.write(tmp_path, SPEC, IPv4Address("198.18.0.3"))
    seed.release(tmp_path)
    assert (tmp_path / "lab" / "plugged").exists()
    seed.hold(tmp_path)
    assert not (tmp_path / "lab" / "plugged").exists()


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        ("0000000000000000", []),
        ("0000000000001003", ["CHOWN", "DAC_OVERRIDE", "NET_ADMIN"]),
        ("0000000000400000", ["SYS_BOOT"]),
    ],
)
def test_capabilities_are_named_by_their_bits(mask: str, expected: list[str]) -> None:
    assert bounding_set(f"Name:\tx\nCapBnd:\t{mask}\n") == expected


def test_only_bits_that_every_engine_knows_are_named() -> None:
    assert "CHECKPOINT_RESTORE" not in bounding_set("CapBnd:\t000001ffffffffff\n")


@pytest.mark.parametrize(("image", "stand_in"), [("ubuntu-22.04", True), ("debian-13", False)])
def test_a_stand_in_says_so(image: str, stand_in: bool) -> None:
    boots = NodeImage("node:1", "Debian 13 (trixie)", "debian-13").boots(image)
    assert (boots.requested, boots.actual, boots.stand_in) == (image, "Debian 13 (trixie)", stand_in)
