# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings back machines that rebooted by themselves: to the container engine a reboot is just an end."""

from __future__ import annotations

import logging
import threading
from typing import Any

from docker.errors import DockerException
from requests.exceptions import RequestException

from lab.machines.base import MachineError
from lab.machines.container.machines import ContainerMachines

_log = logging.getLogger("lab.machines")
_RECONNECT_AFTER = 2.0


class Watcher:
    """Follows the engine's events in a thread; on start it also catches up with what happened before."""

    def __init__(self, machines: ContainerMachines) -> None:
        self._machines = machines
        self._stopped = threading.Event()
        self._stream: Any = None
        self._thread = threading.Thread(target=self._follow, name="machine-watcher", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        if self._stream is not None:
            self._stream.close()
        self._thread.join(timeout=5)

    def _follow(self) -> None:
        while not self._stopped.is_set():
            try:
                self._stream = self._machines.ends()
                for server_id, exit_code in self._machines.ended():
                    self._came_down(server_id, exit_code)
                for event in self._stream:
                    self._came_down(*self._machines.end_of(event))
            except (DockerException, RequestException, OSError, ValueError) as error:
                if not self._stopped.is_set():
                    _log.warning("the container engine cannot be watched: %s", error)
            self._stopped.wait(_RECONNECT_AFTER)

    def _came_down(self, server_id: int, exit_code: int) -> None:
        try:
            self._machines.came_down(server_id, exit_code)
        except MachineError as error:
            _log.warning("server %s rebooted and cannot be started: %s", server_id, error)
