# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Engines and the swarms they form, in memory, with the methods of the SDK's APIClient that the modules call.

What takes time in a real swarm takes a look or two here: a change shows after the engine was asked for its state
``delay`` more times.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

from docker.errors import APIError

if TYPE_CHECKING:
    from collections.abc import Callable

SPEC: dict[str, Any] = {
    "Name": "default",
    "Labels": {},
    "Orchestration": {"TaskHistoryRetentionLimit": 5},
    "Raft": {
        "SnapshotInterval": 10000,
        "KeepOldSnapshots": 0,
        "LogEntriesForSlowFollowers": 500,
        "ElectionTick": 10,
        "HeartbeatTick": 1,
    },
    "Dispatcher": {"HeartbeatPeriod": 5_000_000_000},
    "CAConfig": {"NodeCertExpiry": 7_776_000_000_000_000},
    "TaskDefaults": {},
    "EncryptionConfig": {"AutoLockManagers": False},
}
"""Of a new swarm."""

ADDRESSES = {"server-1": "10.0.0.2", "server-2": "10.0.0.3", "server-3": "10.0.0.4"}


class Answer:
    """The part of an HTTP response that the SDK's errors look at."""

    def __init__(self, status_code: int) -> None:
        self.status_code = status_code
        self.reason = ""
        self.url = ""


def refusal(explanation: str, status_code: int = 500) -> APIError:
    return APIError("refused", response=Answer(status_code), explanation=explanation)


def network(name: str, options: dict[str, str] | None = None, **over: Any) -> dict[str, Any]:
    """An overlay network as the API lists it once Swarm has allocated it, an ingress network unless told otherwise."""
    options = {"com.docker.network.driver.overlay.vxlanid_list": "4096", **(options or {})}
    given = {"Id": f"id-{name}", "Name": name, "Scope": "swarm", "Driver": "overlay", "Ingress": True, "Labels": {}}
    return {**given, "Options": options, **over}


class Cluster:
    """A swarm: its nodes and networks as the API lists them, and the changes still under way.

    torn_down: networks that the swarm has no more and its engines still list.
    """

    def __init__(self, cluster_id: str = "C1") -> None:
        self.id = cluster_id
        self.nodes: dict[str, dict[str, Any]] = {}
        self.tasks: list[dict[str, Any]] = []
        self.services: list[dict[str, Any]] = []
        self.networks = [network("app", Ingress=False), network("ingress")]
        self.torn_down: list[dict[str, Any]] = []
        self.error = ""
        self.pool = ["10.0.0.0/8"]
        self.subnet_size = 24
        self.spec = copy.deepcopy(SPEC)
        self.version = 20
        self.rotating = False
        self.issuer = "root-0"
        self.unlock_key = ""
        self.delay = 2
        self.conflicts = 0
        self.later: list[tuple[int, Callable[[], None]]] = []

    def add(self, name: str, role: str = "worker", node_id: str | None = None, **over: Any) -> str:
        node_id = node_id or f"id-{name}"
        spec = {"Role": role, "Availability": "active", "Labels": {}, **over.pop("spec", {})}
        leads = not any((node.get("ManagerStatus") or {}).get("Leader") for node in self.nodes.values())
        address = ADDRESSES.get(name, "10.0.0.99")
        self.nodes[node_id] = {
            "ID": node_id,
            "Version": {"Index": 10},
            "Spec": spec,
            "Description": {"Hostname": name, "Engine": {"EngineVersion": "26.1.5"}},
            "Status": {"State": "ready", "Addr": address},
        }
        if role == "manager":
            self.vote(node_id, Leader=leads)
        for key, value in over.items():
            self.nodes[node_id][key] = {**self.nodes[node_id].get(key, {}), **value}
        return node_id

    def vote(self, node_id: str, **over: Any) -> None:
        address = self.nodes[node_id]["Status"]["Addr"]
        self.nodes[node_id]["ManagerStatus"] = {"Reachability": "reachable", "Addr": f"{address}:2377", **over}

    def happen_later(self, change: Callable[[], None]) -> None:
        self.later.append((self.delay, change))

    def look(self) -> None:
        waiting, self.later = self.later, []
        for looks, change in waiting:
            if looks > 0:
                self.later.append((looks - 1, change))
            else:
                change()


class Engine:
    """One engine, as the SDK's client shows it."""

    api_version = "1.45"

    def __init__(self, name: str, cluster: Cluster | None = None, state: str = "inactive") -> None:
        self.name = name
        self.cluster = cluster
        self.state = "active" if cluster else state
        self.error = ""
        self.known: dict[str, Cluster] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.asked: list[str] = []

    @property
    def id(self) -> str:
        return f"id-{self.name}"

    def info(self) -> dict[str, Any]:
        local: dict[str, Any] = {"NodeID": "", "NodeAddr": "", "LocalNodeState": self.state, "Error": self.error}
        if self.cluster and self.state in ("active", "pending"):
            self.cluster.look()
            managers = [node for node in self.cluster.nodes.values() if node.get("ManagerStatus")]
            local["NodeID"], local["NodeAddr"] = self.id, ADDRESSES[self.name]
            local["RemoteManagers"] = [{"NodeID": n["ID"], "Addr": n["ManagerStatus"]["Addr"]} for n in managers]
            local["ControlAvailable"] = "ManagerStatus" in self.cluster.nodes.get(self.id, {})
            if local["ControlAvailable"]:
                local["Error"] = self.cluster.error
                local["Cluster"] = {
                    "ID": self.cluster.id,
                    "Spec": copy.deepcopy(self.cluster.spec),
                    "DefaultAddrPool": self.cluster.pool,
                    "SubnetSize": self.cluster.subnet_size,
                }
        return {"Name": self.name, "ServerVersion": "26.1.5", "DockerRootDir": "/nonexistent", "Swarm": local}

    def member(self) -> Cluster:
        assert self.cluster is not None
        return self.cluster

    def nodes(self) -> list[dict[str, Any]]:
        return copy.deepcopy(list(self.member().nodes.values()))

    def inspect_node(self, node_id: str) -> dict[str, Any]:
        return copy.deepcopy(self.member().nodes[node_id])

    def inspect_swarm(self) -> dict[str, Any]:
        cluster = self.member()
        cluster.look()
        return {
            "ID": cluster.id,
            "Version": {"Index": cluster.version},
            "Spec": copy.deepcopy(cluster.spec),
            "RootRotationInProgress": cluster.rotating,
            "TLSInfo": {"CertIssuerPublicKey": cluster.issuer},
            "JoinTokens": {"Manager": "token-manager", "Worker": "token-worker"},
        }

    def update_swarm(self, version: int, swarm_spec: dict[str, Any], **rotate: bool) -> bool:
        self.calls.append(("update_swarm", {"spec": swarm_spec, **rotate}))
        cluster = self.member()
        if cluster.conflicts:
            cluster.conflicts -= 1
            cluster.version += 1
        if version != cluster.version:
            raise refusal("rpc error: code = Unknown desc = update out of sequence")
        cluster.version += 1
        before, cluster.spec = cluster.spec, copy.deepcopy(swarm_spec)
        if before["CAConfig"].get("ForceRotate") != swarm_spec["CAConfig"].get("ForceRotate"):
            cluster.rotating, cluster.issuer = True, f"root-{cluster.version}"
            cluster.happen_later(lambda: setattr(cluster, "rotating", False))
        if not swarm_spec["EncryptionConfig"]["AutoLockManagers"]:
            cluster.unlock_key = ""
        elif not cluster.unlock_key or rotate["rotate_manager_unlock_key"]:
            cluster.unlock_key = f"SWMKEY-1-{cluster.version}"
        return True

    def get_unlock_key(self) -> dict[str, str]:
        self.asked.append("unlock_key")
        return {"UnlockKey": self.member().unlock_key}

    def unlock_swarm(self, key: str) -> bool:
        self.calls.append(("unlock_swarm", {"key": key}))
        if key != self.member().unlock_key:
            raise refusal("swarm could not be unlocked: invalid key provided", 401)
        self.state = "active"
        return True

    def init_swarm(self, force_new_cluster: bool = False, **options: Any) -> str:
        if force_new_cluster:
            self.calls.append(("init_swarm", {"force_new_cluster": True, **options}))
            return self.rebuild()
        self.calls.append(("init_swarm", options))
        self.cluster, self.state = Cluster("C-new"), "active"
        self.cluster.pool = options["default_addr_pool"] or self.cluster.pool
        return self.cluster.add(self.name, "manager")

    def rebuild(self) -> str:
        """The swarm as this manager knows it, without the others' votes."""
        cluster, self.state = self.member(), "active"
        cluster.error = ""
        for node in cluster.nodes.values():
            node.pop("ManagerStatus", None)
            node["Status"]["State"] = "ready" if node["ID"] == self.id else "down"
        cluster.vote(self.id)
        cluster.happen_later(lambda: cluster.vote(self.id, Leader=True))
        return self.id

    def join_swarm(self, **options: Any) -> bool:
        self.calls.append(("join_swarm", options))
        role = options["join_token"].rpartition("-")[2]
        if role not in ("manager", "worker"):
            raise refusal("rpc error: code = Unknown desc = invalid join token")
        cluster = self.known[options["remote_addrs"][0]]
        self.cluster, self.state = cluster, "active"
        cluster.add(self.name, role, Status={"State": "unknown"})
        cluster.happen_later(lambda: cluster.nodes[self.id]["Status"].update(State="ready"))
        return True

    def leave_swarm(self, force: bool = False) -> bool:
        self.calls.append(("leave_swarm", {"force": force}))
        if self.cluster and self.cluster.nodes[self.id].get("ManagerStatus") and not force:
            raise refusal("You are attempting to leave the swarm on a node that is participating as a manager", 503)
        self.cluster, self.state, self.error = None, "inactive", ""
        return True

    def update_node(self, node_id: str, version: int, node_spec: dict[str, Any]) -> bool:
        self.calls.append(("update_node", {"id": node_id, **node_spec}))
        cluster, node = self.member(), self.member().nodes[node_id]
        if cluster.conflicts:
            cluster.conflicts -= 1
            node["Version"]["Index"] += 1
        if version != node["Version"]["Index"]:
            raise refusal("rpc error: code = Unknown desc = update out of sequence")
        node["Version"]["Index"] += 1
        before, node["Spec"] = node["Spec"]["Role"], copy.deepcopy(node_spec)
        if before != node_spec["Role"]:
            becomes = node_spec["Role"] == "manager"
            cluster.happen_later(lambda: cluster.vote(node_id) if becomes else node.pop("ManagerStatus", None))
        return True

    def remove_node(self, node_id: str) -> bool:
        self.calls.append(("remove_node", {"id": node_id}))
        node = self.member().nodes[node_id]
        if node["Status"]["State"] == "ready" or node["Spec"]["Role"] == "manager":
            raise refusal(f"node {node_id} is not down or is a manager", 400)
        del self.member().nodes[node_id]
        return True

    def tasks(self, filters: dict[str, list[str]] | None = None) -> list[dict[str, Any]]:
        self.asked.append("tasks")
        self.member().look()
        keys = {"node": "NodeID", "service": "ServiceID"}
        return [
            copy.deepcopy(task)
            for task in self.member().tasks
            if all(task.get(keys[name]) in wanted for name, wanted in (filters or {}).items())
        ]

    def services(self) -> list[dict[str, Any]]:
        self.asked.append("services")
        return copy.deepcopy(self.member().services)

    def networks(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        self.asked.append("networks")
        cluster = self.member()
        cluster.look()
        listed = [*cluster.networks, *cluster.torn_down]
        return [copy.deepcopy(item) for item in listed if item["Scope"] == filters["scope"]]

    def remove_network(self, net_id: str) -> None:
        self.calls.append(("remove_network", {"id": net_id}))
        cluster = self.member()
        gone = [item for item in cluster.networks if item["Id"] == net_id]
        if not gone:
            raise refusal(f"network {net_id} not found", 404)
        cluster.networks.remove(gone[0])
        cluster.torn_down += gone
        cluster.happen_later(cluster.torn_down.clear)

    def create_network(self, name: str, **options: Any) -> dict[str, Any]:
        self.calls.append(("create_network", {"name": name, **options}))
        cluster = self.member()
        cluster.look()
        if any(item["Name"] == name for item in cluster.torn_down):
            raise refusal(f"network with name {name} already exists", 409)
        if any(item["Ingress"] for item in cluster.networks):
            raise refusal("rpc error: code = AlreadyExists desc = ingress network (id-ingress) is already present")
        made = network(name, options["options"], Id=f"id-{name}-new", Labels=options["labels"] or {})
        cluster.networks.append({**made, "Driver": "", "Options": None})
        cluster.happen_later(lambda: cluster.networks[-1].update(made))
        return {"Id": made["Id"], "Warning": ""}
