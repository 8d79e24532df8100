# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What virtual machines are started with, and what they are told; nothing is started."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Interface
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml

from lab.fabric.addresses import link_local
from lab.machines.base import MachineSpec, PrivateLink, PublicNet
from lab.machines.platforms import Emulation
from lab.machines.records import Record, Records
from lab.machines.vm import dhcp, qemu
from lab.machines.vm.metadata import at_the_gateway, at_the_router, create_app, document, public_mac
from lab.machines.vm.qemu import DiskImage, Machine

if TYPE_CHECKING:
    from lab.machines.vm.metadata import Find

SPEC = MachineSpec(
    server_id=300,
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
LINK = PrivateLink(
    network_id=7,
    network_name="triad",
    network=IPv4Network("10.0.0.0/16"),
    subnet=IPv4Network("10.0.0.0/24"),
    gateway=IPv4Address("10.0.0.1"),
    address=IPv4Address("10.0.0.2"),
    mac="86:00:00:00:00:01",
)
RECORD = Record(SPEC).with_link(LINK)
PRIVATE_ONLY = Record(replace(SPEC, server_id=301, public_net=PublicNet(None, None))).with_link(
    replace(LINK, address=IPv4Address("10.0.0.3"))
)
IPV6_ONLY = Record(replace(SPEC, server_id=302, public_net=PublicNet(None, SPEC.public_net.ipv6)))
MACHINE = Machine("a", 300, 2, 4096, Path("/x/disk.qcow2"), Path("/x/console"), Path("/run/x"))
IMAGE = DiskImage(Path("/cache/image"))


def command(emulation: Emulation, machine: Machine = MACHINE) -> str:
    return " ".join(qemu.run(machine, IMAGE, emulation))


def test_a_machine_tells_that_it_is_the_clouds() -> None:
    assert "manufacturer=Hetzner,product=vServer" in command(Emulation("tcg", "disk", 1))
    assert "serial=300" in command(Emulation("tcg", "disk", 1))
    assert "smbios" not in command(Emulation("tcg", "disk", 1), replace(MACHINE, serial=None))


@pytest.mark.parametrize(
    ("accelerator", "words"), [("kvm", "-accel kvm -cpu host"), ("tcg", "-accel tcg,thread=multi")]
)
def test_the_accelerator_is_the_one_that_was_found(accelerator: Any, words: str) -> None:
    assert words in command(Emulation(accelerator, "disk", 1))


def test_a_kernel_is_given_only_where_the_disk_does_not_boot() -> None:
    assert "-kernel" not in command(Emulation("tcg", "disk", 1))
    assert "-kernel /cache/image/vmlinuz -initrd /cache/image/initrd.img" in command(Emulation("tcg", "kernel", 1))


def test_a_comma_in_a_path_begins_no_option() -> None:
    assert "file=/a,,b/disk.qcow2," in command(
        Emulation("tcg", "disk", 1), replace(MACHINE, disk=Path("/a,b/disk.qcow2"))
    )


def test_there_is_a_bus_for_each_card_by_the_number_that_names_it() -> None:
    arguments = qemu.run(MACHINE, IMAGE, Emulation("tcg", "disk", 1))
    ports = [argument for argument in arguments if argument.startswith("pcie-root-port")]
    assert [port.partition("id=")[2].partition(",")[0] for port in ports] == [qemu.bus(n) for n in range(1, 10)]
    assert len({port.partition("addr=")[2].partition(",")[0] for port in ports}) == 9


def options(arguments: list[str]) -> list[str]:
    return [argument.removeprefix("--dhcp-option=") for argument in arguments if "--dhcp-option=" in argument]


def test_a_public_address_comes_with_a_way_to_everywhere_through_the_gateway() -> None:
    arguments = dhcp.public("srv300", "96:00:00:00:01:2c", 300, IPv4Address("198.51.100.2"))
    assert "--dhcp-host=96:00:00:00:01:2c,198.51.100.2" in arguments
    assert "option:netmask,255.255.255.255" in options(arguments)
    assert "option:classless-static-route,172.31.1.1/32,0.0.0.0,0.0.0.0/0,172.31.1.1" in options(arguments)
    assert "option:dns-server,198.18.0.3" in options(arguments)


def test_without_a_public_address_only_the_metadata_is_reached() -> None:
    arguments = dhcp.public("srv302", "96:00:00:00:01:2e", 302, None)
    assert f"--dhcp-host=96:00:00:00:01:2e,{link_local(302)}" in arguments
    assert "0.0.0.0/0" not in " ".join(arguments)
    assert any("169.254.169.254/32,172.31.1.1" in option for option in options(arguments))


@pytest.mark.parametrize("with_metadata", [True, False])
def test_a_private_address_comes_with_the_networks_mtu_and_routes(with_metadata: bool) -> None:
    arguments = dhcp.private("srv300", LINK, with_metadata=with_metadata)
    assert "--dhcp-host=86:00:00:00:00:01,10.0.0.2" in arguments
    assert "option:mtu,1450" in options(arguments)
    (routes,) = [option for option in options(arguments) if "classless" in option]
    assert routes.startswith("option:classless-static-route,10.0.0.1/32,0.0.0.0,10.0.0.0/16,10.0.0.1")
    assert ("169.254.169.254" in routes) == with_metadata


def test_a_machine_learns_who_it_is_in_the_clouds_words() -> None:
    told = document(RECORD)
    assert (told["instance-id"], told["hostname"], told["public-ipv4"]) == (300, "server-fsn-1", "198.51.100.2")
    assert (told["region"], told["availability-zone"]) == ("eu-central", "fsn1")
    (card,) = told["network-config"]["config"]
    assert (card["name"], card["mac_address"]) == ("eth0", "96:00:00:00:01:2c")
    assert card["subnets"] == [
        {"type": "dhcp", "ipv4": True},
        {"type": "static", "ipv6": True, "address": "2001:db8:51ab:1::1/64", "gateway": "fe80::1"},
    ]
    assert "user_data" not in str(told)
    assert "packages" not in str(told)


def test_cards_of_different_servers_have_different_addresses() -> None:
    assert len({public_mac(server_id) for server_id in (1, 256, 65536, 2**24)}) == 4


@pytest.fixture
def records(tmp_path: Path) -> Records:
    records = Records(tmp_path)
    for record in (RECORD, PRIVATE_ONLY, IPV6_ONLY):
        records.save(record)
    return records


class Client:
    """Asks the metadata service as the machine that has an address."""

    def __init__(self, find: Find, address: str) -> None:
        self._transport = httpx.ASGITransport(create_app(find), client=(address, 1))

    def get(self, path: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport) as client:
                return await client.get(f"http://169.254.169.254/hetzner/v1/{path}")

        return asyncio.run(ask())


def test_the_metadata_service_answers_each_machine_about_itself(records: Records) -> None:
    ask = Client(at_the_router(records), "198.51.100.2")
    assert yaml.safe_load(ask.get("metadata").text) == document(RECORD)
    assert ask.get("metadata/instance-id").text == "300"
    assert ask.get("metadata/hostname").text == "server-fsn-1"
    assert ask.get("userdata").text == SPEC.user_data
    (network,) = yaml.safe_load(ask.get("metadata/private-networks").text)
    assert (network["ip"], network["network_name"], network["subnet"]) == ("10.0.0.2", "triad", "10.0.0.0/24")
    assert ask.get("metadata/nothing").status_code == 404


def test_a_machine_without_public_addresses_asks_through_its_network(records: Records) -> None:
    assert Client(at_the_gateway(records, 7), "10.0.0.3").get("metadata/instance-id").text == "301"
    assert Client(at_the_gateway(records, 8), "10.0.0.3").get("metadata/instance-id").status_code == 404


def test_a_machine_without_ipv4_is_known_by_what_it_has_instead(records: Records) -> None:
    assert Client(at_the_router(records), str(link_local(302))).get("metadata/instance-id").text == "302"


def test_a_stranger_is_told_nothing(records: Records) -> None:
    for path in ("metadata", "metadata/private-networks", "userdata"):
        assert Client(at_the_router(records), "198.51.100.99").get(path).status_code == 404
