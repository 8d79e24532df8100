# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Servers as virtual machines: a kernel of their own, on a host of whichever kind."""

from __future__ import annotations

from lab.machines.vm.machines import VirtualMachines, destroy_all, destroy_strays

__all__ = ["VirtualMachines", "destroy_all", "destroy_strays"]
