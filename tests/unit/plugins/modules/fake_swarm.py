# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A manager in memory, as swarm_stack sees it: the methods of the SDK's APIClient, and Docker's command line."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import yaml

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._stack_state import IMAGE_LABEL, NAMESPACE
from ansible_collections.triad.hetzner_swarm.tests.unit.plugins.modules.fake_engines import refusal


class Clock:
    """Time that goes on only where somebody sleeps. meanwhile: what others do in that time, called at its end."""

    def __init__(self) -> None:
        self.now = 100.0
        self.meanwhile: Callable[[], object] = lambda: None

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.meanwhile()


class FakeSwarm:
    """calls: what changed the swarm, in order. ends: the state that tasks of an image reach at once, running if none.

    digests: what the registry answers, by reference. busy: how often removing a network is refused.
    stores: the objects, by kind and name. The ID of a secret or config is its own, that of anything else its name.
    keeps_images: services keep the images they have, however they are deployed.
    """

    base_url = "http+docker://localhost"
    api_version = "1.44"

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.ends: dict[str, str] = {}
        self.digests: dict[str, str] = {}
        self.busy = 0
        self.keeps_images = False
        self.stores: dict[str, dict[str, dict[str, Any]]] = {
            kind: {} for kind in ("service", "network", "secret", "config", "volume")
        }
        self.made_tasks: list[dict[str, Any]] = []
        self._indexes = itertools.count(1)

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

    def configs(self, filters: dict[str, str] | None = None) -> list[dict[str, Any]]:
        prefix = filters["name"] if filters else ""
        return [item for name, item in self.stores["config"].items() if name.startswith(prefix)]

    def inspect_config(self, key: str) -> dict[str, Any]:
        return self.stores["config"][self._name_of("config", key)]

    def volumes(self) -> dict[str, Any]:
        return {"Volumes": [{"Name": name} for name in self.stores["volume"]] or None, "Warnings": None}

    def inspect_distribution(self, reference: str) -> dict[str, Any]:
        if reference not in self.digests:
            raise refusal("manifest unknown")
        return {"Descriptor": {"digest": self.digests[reference]}}

    def post(self, url: str, params: dict[str, int], timeout: float, **body: Any) -> Any:
        """Update a config, where ``params`` name its version; like the SDK's session, it raises nothing."""
        key = url.partition(f"{self.base_url}/v{self.api_version}/configs/")[2].partition("/update")[0]
        config = self.inspect_config(key)
        if params == {"version": config["Version"]["Index"]}:
            config.update(Spec=body["json"], Version={"Index": next(self._indexes)})
        return SimpleNamespace(raise_for_status=lambda: None)

    def create_secret(self, name: str, data: bytes, labels: dict[str, str]) -> dict[str, str]:
        return self._create("secret", name, data, labels)

    def create_config(self, name: str, data: bytes, labels: dict[str, str]) -> dict[str, str]:
        return self._create("config", name, data, labels)

    def remove_service(self, name: str) -> None:
        self._remove("service", name)

    def remove_secret(self, key: str) -> None:
        self._remove("secret", key)

    def remove_config(self, key: str) -> None:
        self._remove("config", key)

    def remove_volume(self, name: str) -> None:
        self._remove("volume", name)

    def remove_network(self, name: str) -> None:
        if self.busy:
            self.busy -= 1
            raise refusal(f"network {name} is in use by task x")
        self._remove("network", name)

    def _create(self, kind: str, name: str, data: bytes, labels: dict[str, str]) -> dict[str, str]:
        if name in self.stores[kind]:
            raise refusal(f"rpc error: code = AlreadyExists desc = {kind} {name} already exists", 409)
        self.calls.append(f"create {kind} {name}")
        index = next(self._indexes)
        self.stores[kind][name] = {
            "ID": f"{kind}{index}",
            "Version": {"Index": index},
            "CreatedAt": "2026-11-23T19:00:00Z",
            "Spec": {"Name": name, "Labels": labels, "Data": base64.b64encode(data).decode()},
        }
        return {"ID": f"{kind}{index}"}

    def _name_of(self, kind: str, key: str) -> str:
        for name, item in self.stores[kind].items():
            if key == item.get("ID", name):
                return name
        raise refusal(f"{kind} {key} not found", 404)

    def _remove(self, kind: str, key: str) -> None:
        name = self._name_of(kind, key)
        self.calls.append(f"remove {kind} {name}")
        del self.stores[kind][name]

    def deploy(self, stack: str, file: dict[str, Any], prune: bool) -> None:
        """What ``docker stack deploy`` does."""
        labels = {NAMESPACE: stack}
        for key in file.get("networks", {}):
            name = f"{stack}_{key}"
            self.stores["network"][name] = {"Id": name, "Name": name, "Labels": labels, "Scope": "swarm"}
        for key in file.get("volumes", {}):
            self.stores["volume"][f"{stack}_{key}"] = {}
        names: dict[str, dict[str, str]] = {}
        for kind in ("secret", "config"):
            declared = file.get(f"{kind}s", {})
            names[kind] = {key: item["name"] for key, item in declared.items()}
            for item in declared.values():
                if "file" in item and item["name"] not in self.stores[kind]:
                    self._create(kind, item["name"], Path(item["file"]).read_bytes(), labels)
        wanted = {f"{stack}_{name}": service for name, service in file["services"].items()}
        for name in [item["Spec"]["Name"] for item in self.services({"label": f"{NAMESPACE}={stack}"})]:
            if prune and name not in wanted:
                del self.stores["service"][name]
        for name, service in wanted.items():
            self._run(name, service, labels, names)

    def _run(
        self, name: str, service: dict[str, Any], labels: dict[str, str], names: dict[str, dict[str, str]]
    ) -> None:
        image = service["image"]
        before = self.stores["service"].get(name, {}).get("Spec")
        if before and (before["Labels"].get(IMAGE_LABEL) == image or self.keeps_images):
            image = before["TaskTemplate"]["ContainerSpec"]["Image"]
        container = {
            "Image": image,
            "Env": service.get("environment"),
            "Secrets": [names["secret"][item["source"]] for item in service.get("secrets", [])],
            "Configs": [names["config"][item["source"]] for item in service.get("configs", [])],
        }
        labels = {**labels, IMAGE_LABEL: service["image"]}
        ports = [
            {"PublishedPort": port["published"], "PublishMode": port.get("mode", "ingress")}
            for port in service.get("ports", [])
        ]
        spec = {
            "Name": name,
            "Labels": labels,
            "TaskTemplate": {"ContainerSpec": container},
            "EndpointSpec": {"Ports": ports},
        }
        mode = {"Mode": {"Replicated": {"Replicas": 1}}}
        self.stores["service"][name] = {"ID": name, "Spec": {**spec, **mode}}
        self.made_tasks = [task for task in self.made_tasks if task["ServiceID"] != name]
        end = self.ends.get(image, "running")
        for number in range(1 if end == "running" else 3):
            self.made_tasks.append(
                {
                    "ID": f"{name}-{len(self.calls)}-{number}",
                    "CreatedAt": f"2026-11-23T19:00:0{number}Z",
                    "ServiceID": name,
                    "Slot": 1,
                    "NodeID": "m1",
                    "Spec": {"ContainerSpec": container},
                    "Status": {"State": end, "Err": "" if end == "running" else f"No such image: {image}"},
                    "DesiredState": "running",
                }
            )


class FakeCLI:
    """The command line on a manager of ``swarm``.

    variables, directory: those of the last ``stack_config``. logs: the last lines of every task. breaks: deploying ends
    half-way with these words.
    """

    def __init__(self, swarm: FakeSwarm) -> None:
        self.swarm = swarm
        self.variables: dict[str, str] = {}
        self.directory = ""
        self.logs: list[str] = []
        self.breaks = ""

    def stack_config(self, texts: list[str], variables: dict[str, str], directory: str) -> dict[str, Any]:
        self.variables, self.directory = variables, directory
        file: dict[str, Any] = {}
        for text in texts:
            merge(file, yaml.safe_load(text))
        return file

    def stack_deploy(self, stack: str, text: str, prune: bool, registry_auth: bool, done: list[str]) -> None:
        self.swarm.calls.append(f"deploy {stack}" + (" prune" if prune else "") + (" auth" if registry_auth else ""))
        done.append(f"Updating service {stack}")
        if self.breaks:
            raise EngineError(self.breaks)
        self.swarm.deploy(stack, json.loads(text.replace("$$", "$")), prune)

    def forget_image(self, service: str) -> None:
        self.swarm.calls.append(f"forget the image of {service}")
        del self.swarm.stores["service"][service]["Spec"]["Labels"][IMAGE_LABEL]

    def task_logs(self, task: str, lines: int) -> list[str]:
        return [*self.logs, f"last words of {task}"][:lines]


def merge(file: dict[str, Any], other: dict[str, Any]) -> None:
    """Lay another file over one, in place."""
    for key, value in other.items():
        if isinstance(value, dict) and isinstance(file.get(key), dict):
            merge(file[key], value)
        else:
            file[key] = value
