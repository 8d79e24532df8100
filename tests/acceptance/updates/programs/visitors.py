# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Voters who look at all pages as well, as a file of Locust."""

from __future__ import annotations

import random
from functools import partial

from tests.acceptance.data.programs import voters


class Visitors(voters.Voters):
    """Four requests for a vote, in any order and each through any address: nothing is always asked for after something
    that has to be waited for.
    """

    def on_start(self) -> None:
        super().on_start()
        self.through = iter(partial(random.choice, voters.ADDRESSES), None)

    def cast(self, voter: str) -> None:
        deeds = [
            partial(super().cast, voter),
            partial(self.request, "vote page", "GET", 8080),
            partial(self.request, "result page", "GET", 8081),
            partial(self.request, "scores", "GET", 8081, "/scores"),
        ]
        random.shuffle(deeds)
        for deed in deeds:
            deed()
