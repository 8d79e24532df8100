# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What servers boot from."""

from __future__ import annotations

from dataclasses import dataclass

from lab.machines.base import BootImage


@dataclass(frozen=True)
class NodeImage:
    """reference: the container image. actual: the operating system in it. serves: the API's image that it truly is."""

    reference: str
    actual: str
    serves: str

    def boots(self, image: str) -> BootImage:
        """What a server gets that asks for an image of the API."""
        return BootImage(requested=image, actual=self.actual, stand_in=image != self.serves)
