# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Disks that virtual machines boot from: the root file system of a container image behind a boot loader."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import docker

from lab.config import Settings
from lab.images import building
from lab.images.building import ImageError
from lab.machines.platforms import NodeImage
from lab.machines.vm.qemu import DiskImage

_MIB = 1024**2
# A machine's own disk is as large as its server type says; this is what the image needs, and some.
_SIZE = 3072 * _MIB
_FIRST_SECTOR = 2048
_SECTOR, _BLOCK = 512, 4096
# The first sector holds the boot loader's first steps, and behind these the table of partitions.
_FIRST_STEPS = 446
_KEPT = 3


def disk(client: docker.DockerClient, settings: Settings, root: NodeImage, say: Callable[[str], None]) -> NodeImage:
    """The disk made from a root file system, unless the cache has it. say is told what takes long."""
    name = root.reference.rpartition(":")[2]
    image = DiskImage(settings.cache / "disks" / name)
    with building.alone(settings.cache):
        if not image.folder.exists():
            say("making a disk of it")
            with building.workplace(image.folder.parent) as folder:
                _make(client, root.reference, DiskImage(folder / "image"), folder / "root")
                (folder / "image").rename(image.folder)
            _forget_old(image.folder.parent)
    return NodeImage(str(image.folder), root.actual, root.serves)


def _make(client: docker.DockerClient, reference: str, image: DiskImage, root: Path) -> None:
    image.folder.mkdir()
    root.mkdir()
    _unpack(client, reference, root)
    for name, target in (("vmlinuz", image.kernel), ("initrd.img", image.initrd)):
        # Links, relative to the root; what is behind them is copied.
        shutil.copyfile(root / name, target)
    with image.disk.open("wb") as file:
        file.truncate(_SIZE)
    _run(["sfdisk", "--quiet", str(image.disk)], stdin=f"label: dos\nstart={_FIRST_SECTOR}, type=83, bootable\n")
    place = ["-E", f"offset={_FIRST_SECTOR * _SECTOR}", str(image.disk)]
    size = str((_SIZE - _FIRST_SECTOR * _SECTOR) // _BLOCK)
    _run(["mke2fs", "-q", "-t", "ext4", "-b", str(_BLOCK), "-L", "root", "-d", str(root), *place, size])
    _write_boot_loader(image.disk, root / "boot" / "grub")


def _unpack(client: docker.DockerClient, reference: str, root: Path) -> None:
    """The files of an image, without what only a container needs."""
    container = client.containers.create(reference, "none", network_mode="none")
    try:
        command = ["tar", "--extract", "--directory", str(root), "--numeric-owner", "--xattrs", "--xattrs-include=*"]
        with tempfile.TemporaryFile() as archive:
            for chunk in client.api.export(str(container.id)):
                archive.write(chunk)
            archive.seek(0)
            done = subprocess.run(command, stdin=archive, check=False)
        if done.returncode:
            raise ImageError(f"the files of {reference} cannot be unpacked; is there room on the disk?")
    finally:
        container.remove()
    (root / ".dockerenv").unlink(missing_ok=True)
    # The engine had put its own in their place.
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n", encoding="ascii")
    (root / "etc/hostname").write_text("localhost\n", encoding="ascii")
    resolver = root / "etc/resolv.conf"
    resolver.unlink(missing_ok=True)
    resolver.symlink_to("/run/systemd/resolve/stub-resolv.conf")


def _write_boot_loader(path: Path, grub: Path) -> None:
    """Where grub-install puts it: its first steps into the first sector, what reads the file system behind that."""
    first_steps = (grub / "i386-pc" / "boot.img").read_bytes()[:_FIRST_STEPS]
    core = (grub / "core.img").read_bytes()
    if len(core) > (_FIRST_SECTOR - 1) * _SECTOR:
        raise ImageError(f"the boot loader is too large for the room before the first partition: {len(core)} bytes")
    with path.open("r+b") as file:
        file.write(first_steps)
        file.seek(_SECTOR)
        file.write(core)


def _run(command: list[str], *, stdin: str = "") -> None:
    try:
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise ImageError(f"{command[0]} is not installed; scripts/setup installs what the lab needs") from None
    if done.returncode:
        raise ImageError(f"{' '.join(command)}: {done.stderr.strip()}")


def _forget_old(folder: Path) -> None:
    images = sorted(
        (path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.stat().st_mtime
    )
    for old in images[:-_KEPT]:
        shutil.rmtree(old)
