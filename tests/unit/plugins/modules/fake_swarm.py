# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manager in memory, as swarm_stack sees it: the methods of the SDK's APIClient, and Docker's command line."""

from __future__ import annotations

import base64
import json
from typing import Any

import yaml
from docker.errors import APIError

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import NAMESPACE


class FakeSwarm:
    """calls: what changed the swarm, in order. ends: the state that tasks of an image reach at once, running if none.

    digests: what the registry answers, by reference. busy: how often removing a network is refused.
    """

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.ends: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self.busy = 0
        self.stores: dict[str, dict[str, dict[str, Any]]] = {
            kind: {} for kind in ("service", "network", "secret", "config")
        }
        self.made_tasks: list[dict[str, Any]] = []

    def nodes(self) -> list[dict[str, Any]]:
        description = {"Hostname": "m1"}
        return [{"ID": "m1", "Spec": {"Role": "manager"}, "Description": description, "Status": {"State": "ready"}}]

    def services(self, filters: dict[str, str] | None = None) -> list[dict[str, Any]]:
        wanted = filters and filters["label"].partition("=")[2]
        everything = self.stores["service"].values()
        return [item for item in everything if not wanted or item["Spec"]["Labels"][NAMESPACE] == wanted]

    def tasks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        ids = {service["ID"] for service in self.services(filters)}
        return [task for task in self.made_tasks if task["ServiceID"] in ids]

    def networks(self) -> list[dict[str, Any]]:
        return list(self.stores["network"].values())

    def secrets(self) -> list[dict[str, Any]]:
        return list(self.stores["secret"].values())

    def configs(self) -> list[dict[str, Any]]:
        return list(self.stores["config"].values())

    def inspect_distribution(self, reference: str) -> dict[str, Any]:
        if reference not in self.digests:
            raise APIError("refused", explanation="manifest unknown")
        return {"Descriptor": {"digest": self.digests[reference]}}

    def create_secret(self, name: str, data: bytes, labels: dict[str, str]) -> None:
        self._create("secret", name, data, labels)

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> None:
        self._create("config", name, data, labels)

    def remove_service(self, name: str) -> None:
        self._remove("service", name)

    def remove_secret(self, name: str) -> None:
        self._remove("secret", name)

    def remove_config(self, name: str) -> None:
        self._remove("config", name)

    def remove_network(self, name: str) -> None:
        if self.busy:
            self.busy -= 1
            raise APIError("refused", explanation=f"network {name} is in use by task x")
        self._remove("network", name)

    def _create(self, kind: str, name: str, data: bytes, labels: dict[str, str]) -> None:
        self.calls.append(f"create {kind} {name}")
        spec = {"Name": name, "Labels": labels, "Data": base64.b64encode(data).decode()}
        self.stores[kind][name] = {"ID": name, "Spec": spec}

    def _remove(self, kind: str, name: str) -> None:
        self.calls.append(f"remove {kind} {name}")
        del self.stores[kind][name]

    def deploy(self, stack: str, file: dict[str, Any], prune: bool) -> None:
        labels = {NAMESPACE: stack}
        for key in file.get("networks", {}):
            name = f"{stack}_{key}"
            self.stores["network"][name] = {"Id": name, "Name": name, "Labels": labels, "Scope": "swarm"}
        wanted = {f"{stack}_{name}": service for name, service in file["services"].items()}
        for name in [item["Spec"]["Name"] for item in self.services({"label": f"{NAMESPACE}={stack}"})]:
            if prune and name not in wanted:
                del self.stores["service"][name]
        for name, service in wanted.items():
            self._run(name, service, labels)

    def _run(self, name: str, service: dict[str, Any], labels: dict[str, str]) -> None:
        container = {"Image": service["image"], "Env": service.get("environment")}
        spec = {"Name": name, "Labels": labels, "TaskTemplate": {"ContainerSpec": container}}
        mode = {"Mode": {"Replicated": {"Replicas": 1}}}
        self.stores["service"][name] = {"ID": name, "Spec": {**spec, **mode}}
        self.made_tasks = [task for task in self.made_tasks if task["ServiceID"] != name]
        end = self.ends.get(service["image"], "running")
        for number in range(1 if end == "running" else 3):
            self.made_tasks.append(
                {
                    "ID": f"{name}-{len(self.calls)}-{number}",
                    "CreatedAt": f"2026-11-23T19:00:0{number}Z",
                    "ServiceID": name,
                    "Slot": 1,
                    "NodeID": "m1",
                    "Spec": {"ContainerSpec": container},
                    "Status": {"State": end, "Err": "" if end == "running" else f"No such image: {service['image']}"},
                    "DesiredState": "running",
                }
            )


class FakeCLI:
    """The command line on a manager of ``swarm``. variables: those of the last ``stack_config``."""

    def __init__(self, swarm: FakeSwarm) -> None:
        self.swarm = swarm
        self.variables: dict[str, str] = {}
        self.directory = ""

    def stack_config(self, text: str, variables: dict[str, str], directory: str) -> dict[str, Any]:
        self.variables, self.directory = variables, directory
        file: dict[str, Any] = yaml.safe_load(text)
        return file

    def stack_deploy(self, stack: str, text: str, prune: bool, registry_auth: bool) -> list[str]:
        self.swarm.calls.append(f"deploy {stack}" + (" prune" if prune else "") + (" auth" if registry_auth else ""))
        self.swarm.deploy(stack, json.loads(text.replace("$$", "$")), prune)
        return [f"Updating service {stack}"]

    def task_logs(self, task: str, lines: int) -> list[str]:
        return [f"last words of {task}"][:lines]
