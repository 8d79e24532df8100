# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Command lines of QEMU and of its disks. Pure: what is wanted in, arguments out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lab.machines.platforms import Emulation

EMULATOR = "qemu-system-x86_64"
# Buses of the network cards, as the guest numbers them: the public card, then private ones as the cloud names theirs.
PUBLIC_BUS = 1
_LAST_BUS = 9
_KERNEL_ARGUMENTS = "root=LABEL=root ro console=tty0 console=ttyS0 mitigations=off panic=5"


@dataclass(frozen=True)
class DiskImage:
    """A folder with a bootable disk, and the kernel and initial file system that are also on that disk."""

    folder: Path

    @property
    def disk(self) -> Path:
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        return self.folder / "initrd.img"


@dataclass(frozen=True)
class Machine:
    """serial: what the cloud's SMBIOS tells, the server's id; None: no machine of the cloud. memory: MiB."""

    name: str
    serial: int | None
    cores: int
    memory: int
    disk: Path
    console: Path
    monitor: Path


def run(machine: Machine, image: DiskImage, emulation: Emulation) -> list[str]:
    """Run a machine in the foreground, paused, without network cards; it goes on by its monitor.

    A guest that reboots stays in this process; one that powers off ends it.
    """
    # A comma in a value would begin another option.
    disk = str(machine.disk).replace(",", ",,")
    return [
        EMULATOR,
        "-name", f"guest={machine.name}",
        "-nodefaults", "-no-user-config", "-display", "none", "-S",
        *_processor(emulation),
        "-smp", str(machine.cores),
        "-m", f"{machine.memory}M",
        "-rtc", "base=utc",
        *([] if machine.serial is None else _identity(machine.serial)),
        "-drive", f"if=none,id=disk,file={disk},format=qcow2,discard=unmap,detect-zeroes=unmap",
        "-device", "virtio-blk-pci,drive=disk,bootindex=1,addr=0x10",
        "-device", "virtio-rng-pci,addr=0x11",
        *_buses(),
        "-chardev", f"file,id=console,path={machine.console},append=on",
        "-serial", "chardev:console",
        "-chardev", f"socket,id=monitor,path={machine.monitor},server=on,wait=off",
        "-mon", "chardev=monitor,mode=control",
        *(_given_kernel(image) if emulation.boot == "kernel" else []),
    ]  # fmt: skip


def make_disk(image: DiskImage, disk: Path, gigabytes: int) -> list[str]:
    """Make a disk that holds only what differs from the image's."""
    options = ["-q", "-f", "qcow2", "-F", "raw", "-b", str(image.disk)]
    return ["qemu-img", "create", *options, str(disk), f"{gigabytes}G"]


def grow_disk(disk: Path, gigabytes: int) -> list[str]:
    """Make a disk larger; one that is as large already stays as it is."""
    return ["qemu-img", "resize", "-q", "-f", "qcow2", str(disk), f"{gigabytes}G"]


def bus(number: int) -> str:
    """Name of the bus that the guest calls by this number."""
    return f"bus{number}"


def _processor(emulation: Emulation) -> list[str]:
    if emulation.accelerator == "kvm":
        return ["-machine", "q35", "-accel", "kvm", "-cpu", "host"]
    # The oldest processor that today's distributions ask for: every newer one is slower to emulate.
    return ["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "Nehalem"]


def _identity(serial: int) -> list[str]:
    return [
        "-smbios",
        f"type=1,manufacturer=Hetzner,product=vServer,version=20171111,serial={serial},family=Hetzner_vServer",
    ]


def _buses() -> list[str]:
    """One port a bus, for cards that come and go; firmware and guest number them in this order."""
    arguments = []
    for number in range(PUBLIC_BUS, _LAST_BUS + 1):
        slot, function = divmod(number - 1, 8)
        shared = ",multifunction=on" if function == 0 else ""
        arguments += [
            "-device",
            f"pcie-root-port,id={bus(number)},chassis={number},addr={slot + 2:#x}.{function}{shared}",
        ]
    return arguments


def _given_kernel(image: DiskImage) -> list[str]:
    return ["-kernel", str(image.kernel), "-initrd", str(image.initrd), "-append", _KERNEL_ARGUMENTS]
