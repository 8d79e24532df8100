# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import sys
from pathlib import Path

APPS = Path(__file__).resolve().parents[2] / "apps"

# In their images the programs lie beside each other in one folder, and import each other from there.
sys.path[:0] = [str(APPS / name) for name in ("vote", "worker", "accounts")]
