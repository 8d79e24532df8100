# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Voters who look at the vote page before they vote, and at the results afterwards, as a file of Locust."""

from __future__ import annotations

import random
from functools import partial

from tests.acceptance.data.programs import voters


class Visitors(voters.Voters):
    """Four requests for a vote, each through any address: none is always asked for after one that nobody answers."""

    def on_start(self) -> None:
        super().on_start()
        self.through = iter(partial(random.choice, voters.ADDRESSES), None)

    def cast(self, voter: str) -> None:
        self.request("vote page", "GET", 8080)
        super().cast(voter)
        self.request("result page", "GET", 8081)
        self.request("scores", "GET", 8081, "/scores")
