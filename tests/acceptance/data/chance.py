# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Dice of which a row tells the seed, so that the same can be drawn again."""

from __future__ import annotations

import os
import random

from tests.acceptance.breaking_off import SEED_VARIABLE
from tests.acceptance.stage import Stage


def dice(stage: Stage) -> tuple[int, random.Random]:
    """The seed, of the environment or by chance, and what draws by it."""
    seed = int(os.environ.get(SEED_VARIABLE) or random.SystemRandom().randrange(10**6))
    stage.say(f"seed {seed}; {SEED_VARIABLE}={seed} draws the same again")
    return seed, random.Random(seed)  # noqa: S311 - nothing secret
