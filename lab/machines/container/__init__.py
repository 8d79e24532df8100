# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as containers: there in seconds, on the kernel of this host."""

from __future__ import annotations

from lab.machines.container.machines import ContainerMachines

__all__ = ["ContainerMachines"]
