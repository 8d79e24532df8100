# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions on a server that is ill or old: images, rescue system, console, password."""

from __future__ import annotations

from lab.api.actions import FailedActionError, Handler
from lab.api.cloud import Cloud
from lab.api.machines import Attended, Imaging, Rescuing
from lab.api.models.action import Action


class MaintenanceHandlers:
    """What a backend cannot do was refused already, unless the API has come back with another backend since."""

    def __init__(self, cloud: Cloud) -> None:
        self._actions = cloud.actions
        self._project = cloud.project
        self._backend = cloud.machines.backend

    def register(self) -> None:
        handle = self._actions.handle
        handle("server", "create_image", self._capture, self._discard)
        handle("server", "enable_rescue", self._rescue(enabled=True), self._leave)
        handle("server", "disable_rescue", self._rescue(enabled=False), self._leave)
        handle("server", "request_console", self._leave, self._leave)
        handle("server", "reset_password", self._set_password, self._leave)

    def _unsupported(self) -> FailedActionError:
        return FailedActionError("unsupported_error", f"machines of kind '{self._backend.name}' cannot do this")

    async def _capture(self, action: Action) -> None:
        if not isinstance(self._backend, Imaging):
            raise self._unsupported()
        image = action.first("image")
        await self._backend.capture(action.first("server"), image)
        self._project.images.update(image, status="available")

    async def _discard(self, action: Action) -> None:
        """An image that could not be made does not stay."""
        self._project.images.remove(action.first("image"))
        if isinstance(self._backend, Imaging):
            await self._backend.discard(action.first("image"))

    def _rescue(self, *, enabled: bool) -> Handler:
        async def run(action: Action) -> None:
            if not isinstance(self._backend, Rescuing):
                raise self._unsupported()
            await self._backend.rescue(action.first("server"), enabled=enabled)
            self._project.servers.update(action.first("server"), rescue_enabled=enabled)

        return run

    async def _set_password(self, action: Action) -> None:
        if not isinstance(self._backend, Attended):
            raise self._unsupported()
        await self._backend.set_password(action.first("server"), action.arguments["password"])

    async def _leave(self, action: Action) -> None:
        """There is nothing to do, or to repair."""
