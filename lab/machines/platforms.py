# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the servers of a lab are: decided when it comes up, and read by everything that acts on them later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lab.machines.base import BootImage

Kind = Literal["container", "vm"]


@dataclass(frozen=True)
class NodeImage:
    """What servers boot from.

    reference: name of the container image, or path of the disk. actual: the operating system in it. serves: the API's
    image that it truly is.
    """

    reference: str
    actual: str
    serves: str

    def boots(self, image: str) -> BootImage:
        """What a server gets that asks for an image of the API."""
        return BootImage(requested=image, actual=self.actual, stand_in=image != self.serves)


@dataclass(frozen=True)
class Emulation:
    """How virtual machines run on this host, as a real boot has shown.

    accelerator: "kvm", or "tcg", which emulates the processor. boot: "disk" where a machine boots as its own disk says,
    "kernel" where it is given the kernel of its image. seconds: until the login prompt of the boot that showed it.
    tried: why nothing better does, in words.
    """

    accelerator: Literal["kvm", "tcg"]
    boot: Literal["disk", "kernel"]
    seconds: float
    tried: tuple[str, ...] = ()

    def __str__(self) -> str:
        accelerator = {"kvm": "KVM", "tcg": "emulated processors (TCG)"}[self.accelerator]
        boot = {"disk": "from their own disk", "kernel": "with the kernel of their image"}[self.boot]
        reasons = f"; {'; '.join(self.tried)}" if self.tried else ""
        return f"{accelerator}, booting {boot}{reasons}"


@dataclass(frozen=True)
class Platform:
    """kind: of machine. why: this kind, in words. emulation: of virtual machines only."""

    kind: Kind
    why: str
    image: NodeImage
    emulation: Emulation | None = None
