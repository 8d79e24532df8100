# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A swarm's managers, watched from every node and from the cloud's API while something is done to them."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from threading import Event, Thread
from types import TracebackType

import httpx

from lab.config import PROJECT
from lab.daemons import wait_for
from tests.acceptance.api import Api
from tests.acceptance.stage import StageError

# A line a look: what this node says of all managers, or of why it cannot say.
LOOK = "docker node ls --format '{{.Hostname}}={{.ManagerStatus}}' 2>&1 | tr '\\n' ' '; echo"
LOOKS = f"while :; do {LOOK}; sleep 0.5; done"
# A server that is off says nothing at all: ssh gives up after six seconds, and is started again.
GIVE_UP = ("-oConnectTimeout=5", "-oServerAliveInterval=2", "-oServerAliveCountMax=3")
API_INTERVAL = 0.2
SECONDS_UNTIL_SEEN = 60


@dataclass
class Watch:
    """What was seen. moments: at which a node knew a leader, the first and the last moment of the watch among them.

    seen_by: nodes that have answered. looks: how often a node was asked. down_at_once: most managers that one node
    missed. off: for each server, the moments at which the API did not show it running; off_at_once: most at one moment.
    """

    moments: list[float] = field(default_factory=list)
    seen_by: set[str] = field(default_factory=set)
    looks: int = 0
    down_at_once: int = 0
    off: dict[str, list[float]] = field(default_factory=dict)
    off_at_once: int = 0

    def longest_gap(self) -> float:
        """Seconds of the longest time in which no node knew a leader."""
        return max(later - earlier for earlier, later in pairwise(sorted(self.moments)))

    def seconds_off(self) -> dict[str, float]:
        """For each server that was, from when to when it was seen not running."""
        return {name: round(max(moments) - min(moments), 1) for name, moments in sorted(self.off.items())}


class QuorumWatch:
    """Watches while it is used as a context, which yields what it sees. nodes: names of the managers."""

    def __init__(self, api: Api, nodes: Sequence[str]) -> None:
        self._api = api
        self._nodes = nodes
        self._watch = Watch()
        self._over = Event()
        self._connections: dict[str, subprocess.Popen[str]] = {}
        watchers: list[Callable[[], None]] = [self._watch_api, *(self._watcher(node) for node in nodes)]
        self._threads = [Thread(target=watcher) for watcher in watchers]

    def __enter__(self) -> Watch:
        for thread in self._threads:
            thread.start()
        if not wait_for(lambda: self._watch.seen_by >= set(self._nodes), seconds=SECONDS_UNTIL_SEEN):
            self._end()
            raise StageError(f"only {self._watch.seen_by} of {self._nodes} can be asked for the swarm's managers")
        self._watch.moments.append(time.monotonic())
        return self._watch

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._watch.moments.append(time.monotonic())
        self._end()

    def _end(self) -> None:
        self._over.set()
        # A watcher may just be opening a connection.
        while any(thread.is_alive() for thread in self._threads):
            for connection in list(self._connections.values()):
                connection.terminate()
            time.sleep(API_INTERVAL)

    def _watch_api(self) -> None:
        while not self._over.wait(API_INTERVAL):
            try:
                off = [server["name"] for server in self._api.all("servers") if server["status"] != "running"]
            except httpx.HTTPError:
                continue
            self._watch.off_at_once = max(self._watch.off_at_once, len(off))
            for name in off:
                self._watch.off.setdefault(name, []).append(time.monotonic())

    def _watcher(self, node: str) -> Callable[[], None]:
        def watch() -> None:
            while not self._over.is_set():
                with subprocess.Popen(
                    [str(PROJECT / ".venv/bin/lab"), "ssh", node, *GIVE_UP, LOOKS],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                ) as connection:
                    self._connections[node] = connection
                    for line in connection.stdout or ():
                        self._note(node, line)

        return watch

    def _note(self, node: str, line: str) -> None:
        statuses = [word.partition("=")[2] for word in line.split() if "=" in word]
        self._watch.looks += 1
        self._watch.down_at_once = max(self._watch.down_at_once, statuses.count("Unreachable"))
        self._watch.seen_by.add(node)
        if "Leader" in statuses:
            self._watch.moments.append(time.monotonic())
