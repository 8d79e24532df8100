# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rows about votes: none that was acknowledged is lost, whatever fails."""
