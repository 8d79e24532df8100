# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's passwords, tried at every member of its stores. They stay on a server, in memory, and are never shown."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.data import stores
from tests.acceptance.data.stores import Look
from tests.acceptance.stage import Stage

# By store: the secret that a worker has of it.
SECRETS = {"redis": "queue_password", "db": "db_password"}
ACCEPTED, REFUSED = "accepted", "refused"
GOOD = ("OK", "1")
BAD = ("WRONGPASS", "password authentication failed", "is not permitted to log in")


@dataclass(frozen=True)
class Login:
    """An account and its passwords. server: the one that has these in files."""

    account: str
    server: str

    def file(self, store: str) -> str:
        return f"/dev/shm/{self.account}-{store}"


@contextmanager
def kept(stage: Stage) -> Iterator[Login]:
    """What a worker logs in with now, until the context is left."""
    worker = stores.look(stage).of("worker")[0]
    login = Login(stores.inside(stage, worker, "printenv REDIS_USER"), worker.server)
    try:
        for store, secret in SECRETS.items():
            read = f"docker exec {worker.id} cat /run/secrets/{secret} > {login.file(store)}"
            stores.on(stage, login.server, f"umask 077; {read}")
        yield login
    finally:
        stores.on(stage, login.server, f"rm -f {' '.join(map(login.file, SECRETS))}")


def tried(stage: Stage, login: Login) -> dict[str, str]:
    """What each member of both stores says to it."""
    seen = stores.look(stage)
    return {
        member: outcome(stores.on(stage, login.server, command(seen, login, store, member)))
        for store in SECRETS
        for member in sorted(one.service.rpartition("_")[2] for one in seen.of(store))
    }


def command(seen: Look, login: Login, store: str, member: str) -> str:
    """Logs in at a member from a container on the login's server. The password comes by standard input."""
    container = next(one.id for one in seen.of(store) if one.server == login.server)
    if store == "redis":
        question = f"printf 'AUTH {login.account} %s\\n' \"$(cat {login.file(store)})\""
        return f"{question} | docker exec -i {container} redis-cli -h {member} 2>&1 | head -n 1"
    ask = (
        "IFS= read -r PGPASSWORD; export PGPASSWORD PGCONNECT_TIMEOUT=5; "
        f"exec psql -h {member} -U {login.account} -d postgres -tA -c 'SELECT 1'"
    )
    return f"{{ cat {login.file(store)}; echo; }} | docker exec -i {container} bash -c {shlex.quote(ask)} 2>&1 || true"


def outcome(told: str) -> str:
    """In a word, where it is one of the two."""
    if told.strip() in GOOD:
        return ACCEPTED
    return REFUSED if any(words in told for words in BAD) else told.strip() or "nothing"
