# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's HTTP API, in the shape of the Hetzner Cloud API v1."""

from __future__ import annotations

from lab.api.app import create_app
from lab.api.settings import Settings

__all__ = ["Settings", "create_app"]
