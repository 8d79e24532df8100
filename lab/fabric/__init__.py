# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's cables: routed networks, firewalls and the way to the internet, all inside network namespaces."""

from __future__ import annotations

from lab.fabric.cables import ProcessEnd, TapEnd
from lab.fabric.fabric import Fabric, FabricError

__all__ = ["Fabric", "FabricError", "ProcessEnd", "TapEnd"]
