# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The drain of nodes on an engine: the look at what it leads to, and the wait for its end.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _drain, _nodes
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._poll import holds_within

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker import APIClient

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Step
    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node


class Drain:
    """The drain of ``nodes``, live ones, some of them drained already and some by the steps that are still to be taken.

    forecast: what it leads to, on nodes that are as the steps leave them. Raises EngineError.
    """

    def __init__(self, api: APIClient, nodes: Sequence[Node], steps: Sequence[Step]) -> None:
        self.api = api
        self.names = {node.id: node.name for node in nodes}
        self.updates = {step.payload["id"]: step for step in steps if step.verb == "update" and step.payload}
        self.begins = {key for key, step in self.updates.items() if step.payload["set"].get("Availability") == "drain"}
        self.forecast = self.look_ahead() if self.tasks() else _drain.Forecast()

    def look_ahead(self) -> _drain.Forecast:
        with engine_errors("list the nodes, services and tasks of the swarm"):
            nodes, services, tasks = self.api.nodes(), self.api.services(), self.api.tasks()
        for node in nodes:
            if node["ID"] in self.updates:
                node["Spec"] = _nodes.changed_spec(self.updates[node["ID"]], node["Spec"])
        return _drain.forecast(nodes, services, tasks, self.names.keys())

    def check(self) -> None:
        """Refuse to begin what would stop a service or take its data away; what has begun before is no question."""
        stranded = [one for one in self.forecast.stranded if one.node in self.begins]
        if stranded:
            raise Refused(_drain.refusal(stranded))

    def await_end(self, seconds: float) -> None:
        """Wait until no task is left on the nodes, and what can run elsewhere does."""
        left: list[str] = []
        lagging: list[str] = []

        def ended() -> bool:
            left[:], lagging[:] = self.tasks(), self.lagging()
            return not left and not lagging

        if not self.begins and not self.forecast.left:
            return
        if holds_within(seconds, ended):
            return
        told = []
        if left:
            told.append(
                f"tasks still run there: {', '.join(left)}. Their services may take longer to stop (stop_grace_period)"
            )
        if lagging:
            told.append(f"services do not run elsewhere as often as they shall (running/wanted): {', '.join(lagging)}")
        raise EngineError(
            f"{seconds:g} s after the drain of {', '.join(self.names.values())}, {'; and '.join(told)}. See docker "
            "service ps for the reasons, raise wait_timeout or run this again."
        )

    def tasks(self) -> list[str]:
        """Tasks on the nodes that have not ended, for people."""
        if not self.names:
            return []
        with engine_errors(f"list the tasks on {', '.join(self.names.values())}"):
            items = self.api.tasks(filters={"node": list(self.names)})
        return [
            f"{item['ID']} on {self.names[item['NodeID']]} ({item['Status']['State']})"
            for item in _drain.unended(items)
        ]

    def lagging(self) -> list[str]:
        """Services that do not run elsewhere as often as wanted."""
        given_up = self.forecast.given_up
        if not given_up:
            return []
        with engine_errors("list the services and their tasks"):
            services = [service for service in self.api.services() if service["ID"] in given_up]
            tasks = self.api.tasks(filters={"service": [service["ID"] for service in services]}) if services else []
        return _drain.lagging(given_up, services, tasks, self.names.keys())
