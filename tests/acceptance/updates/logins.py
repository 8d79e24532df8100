# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The app's accounts and their passwords, tried at every member of its stores.

Passwords stay on a server, in memory, and are never shown.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.acceptance.data import stores
from tests.acceptance.data.stores import PSQL, Look
from tests.acceptance.stack.deployment import Swarm
from tests.acceptance.stage import Stage
from tests.acceptance.updates.services import STACKS

# By store: the secret that a worker has of it.
SECRETS = {"redis": "queue_password", "db": "db_password"}
# By service: its settings that name the account it logs in with.
SETTINGS = {"vote": ("REDIS_USER",), "result": ("POSTGRES_USER",), "worker": ("REDIS_USER", "POSTGRES_USER")}
# By store: what lists who is logged in at a member.
SESSIONS = {"redis": "votes CLIENT LIST", "db": f"{PSQL} 'SELECT usename FROM pg_stat_activity'"}  # noqa: S608 - of our own
ACCOUNT = re.compile(r"\bvoteapp_\d+\b")
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


def given(swarm: Swarm) -> dict[str, str]:
    """The account in each setting that names one, of the app's services as they shall be."""
    settings = {
        item["Spec"]["Name"]: dict(
            line.partition("=")[::2] for line in item["Spec"]["TaskTemplate"]["ContainerSpec"].get("Env") or ()
        )
        for item in swarm.services
    }
    return {
        f"{name} of {service}": settings[f"{STACKS[0]}_{service}"].get(name, "none")
        for service, names in SETTINGS.items()
        for name in names
    }


def logged_in(stage: Stage) -> dict[str, list[str]]:
    """By member of both stores, the app's accounts that have a connection there now."""
    seen = stores.look(stage)
    return {
        member.service.rpartition("_")[2]: sorted(set(ACCOUNT.findall(stores.inside(stage, member, question))))
        for store, question in SESSIONS.items()
        for member in seen.of(store)
    }
