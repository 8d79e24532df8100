# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Put votes on the queue as the published vote page does, which gives them no order. Arguments: prefix, how many."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from redis import Redis

BATCH = 1000


def main(prefix: str, count: int) -> None:
    password = Path(os.environ["REDIS_PASSWORD_FILE"]).read_text(encoding="utf-8")
    queue = Redis(host="redis", username=os.environ["REDIS_USER"], password=password, socket_timeout=30)
    for first in range(0, count, BATCH):
        numbers = range(first, min(first + BATCH, count))
        queue.rpush(
            "votes", *(json.dumps({"voter_id": f"{prefix}{number}", "vote": "ab"[number % 2]}) for number in numbers)
        )
    print(json.dumps({"pushed": count}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
