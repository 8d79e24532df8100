# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The vote page as gunicorn loads it in tests: its queue is on this machine, at QUEUE_PORT."""

from __future__ import annotations

import os

from flask import Flask
from vote import connect, create_app


def create() -> Flask:
    client = connect()
    client.connection_pool.connection_kwargs.update(host="127.0.0.1", port=int(os.environ["QUEUE_PORT"]))
    return create_app(client)
