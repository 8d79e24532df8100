# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server as a virtual machine, really booted: what it finds at the cloud, its cables, its power.

The tests are one story of one server, in this order: a boot takes an emulated processor most of a minute.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hcloud
import pytest
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.networks import Network, NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer

from lab.daemons import wait_for

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(platform.machine() != "x86_64", reason="virtual machines are made for x86_64"),
]

ROOT = Path(__file__).parents[2]
SECONDS_TO_BOOT = 600
TOKEN = "token-of-the-lab-of-virtual-machines"
USER_DATA = """#cloud-config
runcmd:
  - [sh, -c, "echo once >> /root/ran"]
"""
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


class Lab:
    """A lab of its own, with a client of its cloud."""

    def __init__(self, state: Path) -> None:
        settings = {
            "LAB_NAME": "vmtest",
            "LAB_STATE": str(state),
            "LAB_MACHINES": "vm",
            "LAB_PUBLIC_NETWORK": "198.18.57.0/24",
            "LAB_PUBLIC_NETWORK6": "2001:db8:51b0::/48",
            "LAB_API_PORT": "8457",
            "LAB_TOKEN": TOKEN,
        }
        self._environment = {**os.environ, **settings}
        self.cloud = hcloud.Client(token=TOKEN, api_endpoint="http://127.0.0.1:8457/v1", poll_interval=0.2)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(ROOT / ".venv/bin/lab"), *arguments]
        return subprocess.run(command, env=self._environment, text=True, capture_output=True, check=False)

    def do(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout

    def ssh(self, command: str) -> subprocess.CompletedProcess[str]:
        return self.run("ssh", "one", "-oConnectTimeout=5", command)

    def on(self, command: str) -> str:
        return self.do("ssh", "one", "-oConnectTimeout=5", command).strip()

    def answers(self, command: str, expected: Callable[[str], bool]) -> bool:
        """Whether the server answers a command as expected, within the time of a boot."""

        def look() -> bool:
            done = self.ssh(command)
            return done.returncode == 0 and expected(done.stdout.strip())

        return wait_for(look, seconds=SECONDS_TO_BOOT, interval=1)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """In a folder that the next run finds again, so that it clears away what an interrupted one has left."""
    lab = Lab(ROOT / ".lab" / "vmtest")
    lab.do("down")
    lab.do("up")
    yield lab
    lab.do("down")


@pytest.fixture(scope="module")
def server(lab: Lab) -> BoundServer:
    folder = Path(lab._environment["LAB_STATE"]) / "ssh"
    folder.mkdir(parents=True, exist_ok=True)
    key = folder / "id_ed25519"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    ssh_key = lab.cloud.ssh_keys.create("key", key.with_suffix(".pub").read_text(encoding="ascii"))
    made = lab.cloud.servers.create(
        name="one",
        server_type=ServerType(name="cpx22"),
        image=Image(name="ubuntu-22.04"),
        location=Location(name="nbg1"),
        ssh_keys=[ssh_key],
        user_data=USER_DATA,
    )
    for action in (made.action, *made.next_actions):
        action.wait_until_finished()
    assert lab.answers("true", lambda _: True), lab.do("console", "one")[-3000:]
    return made.server


def private_interface(lab: Lab) -> dict[str, Any]:
    """The interface with the private address, as ``ip`` tells; nothing where there is none."""
    told = json.loads(lab.on("ip -json -4 address show"))
    found = (one for one in told if any(entry.get("local") == "10.0.0.2" for entry in one["addr_info"]))
    return next(found, {})


def test_the_lab_says_how_its_servers_run(lab: Lab) -> None:
    told = json.loads(lab.do("status", "--json"))["backend"]
    assert (told["name"], told["why"]) == ("vm", "LAB_MACHINES asks for it")
    assert "booting" in told["runs"]


def test_a_server_has_a_kernel_of_its_own_with_what_a_swarm_needs(lab: Lab, server: BoundServer) -> None:
    assert lab.on("uname -r") != platform.release()
    lab.on("modprobe -a ip_vs vxlan esp4")


def test_it_finds_itself_at_the_clouds_metadata_service(lab: Lab, server: BoundServer) -> None:
    assert lab.answers("cloud-init status --wait --format json", lambda told: json.loads(told)["status"] == "done")
    assert json.loads(lab.on("cloud-init status --format json"))["detail"] == "DataSourceHetzner"
    assert lab.on("cloud-init query instance_id") == str(server.id)
    assert lab.on("cat /sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_serial").split() == [
        "Hetzner",
        str(server.id),
    ]
    assert (lab.on("hostname"), lab.on("cat /root/ran")) == ("one", "once")


def test_its_disk_is_as_large_as_its_type_says(lab: Lab, server: BoundServer) -> None:
    assert int(lab.on("df --output=size -BG / | tail -n 1").rstrip("G")) > 70


def test_a_private_interface_appears_while_it_runs(lab: Lab, server: BoundServer) -> None:
    subnet = NetworkSubnet(type="cloud", network_zone="eu-central", ip_range="10.0.0.0/24")
    network = lab.cloud.networks.create("net", "10.0.0.0/16", subnets=[subnet])
    server.attach_to_network(Network(id=network.id), ip="10.0.0.2").wait_until_finished()
    assert wait_for(lambda: bool(private_interface(lab)), seconds=60, interval=1)
    interface = private_interface(lab)
    assert (interface["ifname"], interface["mtu"]) == ("enp7s0", 1450)
    assert interface["addr_info"][0]["prefixlen"] == 32
    assert "via 10.0.0.1" in lab.on("ip route get 10.0.0.9")
    lab.on("ping -c 1 -W 5 -M do -s 1422 10.0.0.1")


def test_it_reboots_by_itself_and_its_user_data_ran_once(lab: Lab, server: BoundServer) -> None:
    before = lab.on(BOOT_ID)
    lab.ssh("systemctl reboot")
    assert lab.answers(BOOT_ID, lambda boot: boot != before)
    assert lab.on("cat /root/ran") == "once"
    assert wait_for(lambda: bool(private_interface(lab)), seconds=60, interval=1)


def test_a_partitioned_server_runs_on_in_silence(lab: Lab, server: BoundServer) -> None:
    before = lab.on(BOOT_ID)
    lab.do("partition", "one")
    assert lab.ssh("true").returncode != 0
    lab.do("heal", "one")
    assert lab.answers(BOOT_ID, lambda boot: boot == before)


def test_the_clouds_button_reboots_it_through_its_operating_system(lab: Lab, server: BoundServer) -> None:
    before = lab.on(BOOT_ID)
    server.reboot().wait_until_finished(max_retries=3000)
    assert lab.answers(BOOT_ID, lambda boot: boot != before)
    assert "Powering off" in lab.do("console", "one") or "Power down" in lab.do("console", "one")


def test_an_interface_is_taken_away_while_it_runs(lab: Lab, server: BoundServer) -> None:
    (network,) = lab.cloud.networks.get_all()
    assert wait_for(lambda: bool(private_interface(lab)), seconds=60, interval=1)
    server.detach_from_network(network).wait_until_finished(max_retries=600)
    assert not private_interface(lab)


def test_what_it_has_flushed_survives_a_power_cut(lab: Lab, server: BoundServer) -> None:
    before = lab.on(BOOT_ID)
    lab.on("echo kept > /root/flushed && sync /root/flushed")
    lab.do("kill", "one")
    assert wait_for(lambda: lab.cloud.servers.get_by_id(server.id).status == "off", seconds=10, interval=0.2)
    server.power_on().wait_until_finished()
    assert lab.answers(BOOT_ID, lambda boot: boot != before)
    assert lab.on("cat /root/flushed") == "kept"


def test_nothing_is_left_of_it(lab: Lab, server: BoundServer) -> None:
    server.delete().wait_until_finished()
    processes = json.loads(lab.do("status", "--json"))["processes"]
    assert not [role for role in processes if role.startswith(("machine-", "dhcp-"))]
