# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab: a Hetzner Cloud on one machine, for demos and tests."""
