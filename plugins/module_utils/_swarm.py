# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an engine knows of its swarm, read once and without guessing.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._docker import EngineError, engine_errors, plain_words
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._ingress import ENCRYPTED, MTU
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from docker import APIClient

UPDATE_ATTEMPTS = 5
"""How often a node's update is tried when others write to the same node at the same time."""

DEFAULT_POOLS = ("10.0.0.0/8",)
"""What a swarm takes its networks' subnets from where it was given nothing; the engine does not tell it then."""

DOWN_AFTER_HEARTBEATS = 7
"""Heartbeats until a silent node is declared down at the latest: 3, or 6 after a change of leader; one to spare."""


@dataclass(frozen=True)
class Node:
    """A node as a manager lists it.

    role is what is wanted of it (Spec.Role); reachability is None for a node that is no member of the managers' Raft
    group, so a node just promoted or demoted shows by the two differing. version and spec are what an update needs.
    """

    id: str
    name: str
    role: str
    availability: str
    status: str
    address: str
    labels: Mapping[str, str]
    leader: bool
    reachability: str | None
    engine_version: str
    version: int
    spec: Mapping[str, Any]

    @classmethod
    def from_api(cls, item: Mapping[str, Any]) -> Node:
        spec, status, manager = item["Spec"], item["Status"], item.get("ManagerStatus") or {}
        return cls(
            id=item["ID"],
            name=item["Description"].get("Hostname", ""),
            role=spec["Role"],
            availability=spec["Availability"],
            status=status["State"],
            address=host_of(manager.get("Addr", "")) or status.get("Addr", ""),
            labels=spec.get("Labels") or {},
            leader=bool(manager.get("Leader")),
            reachability=manager.get("Reachability", "unknown") if manager else None,
            engine_version=item["Description"].get("Engine", {}).get("EngineVersion", ""),
            version=item["Version"]["Index"],
            spec=spec,
        )

    @property
    def votes(self) -> bool:
        """Whether the node is a member of the managers' Raft group, dead or alive."""
        return self.reachability is not None

    @property
    def reachable(self) -> bool:
        """Whether its vote can be had. A dead member seems reachable when a rebuilt machine answers at its address."""
        return self.reachability == "reachable" and self.status != "down"

    def report(self) -> dict[str, Any]:
        """The node as modules return it."""
        manager = {"leader": self.leader, "reachability": self.reachability} if self.votes else None
        return {
            "id": self.id,
            "name": self.name,
            "role": self.role,
            "availability": self.availability,
            "status": self.status,
            "address": self.address,
            "labels": dict(self.labels),
            "manager": manager,
            "engine_version": self.engine_version,
        }


@dataclass(frozen=True)
class Swarm:
    """An engine's membership.

    state: inactive, pending, active, error or locked, as the engine says. error: the engine's reason; on an active
    manager it means that the managers have no leader, and then nodes is empty. cluster_id is None where it cannot be
    known. remote_managers: "host:port". subnet_size: prefix length. down_after: seconds. admitted is False where it is
    sure that no swarm ever let this engine in, as after an attempt to join that failed. autolock is None where it
    cannot be known.
    """

    engine_version: str
    api_version: str
    state: str
    error: str
    node_id: str
    node_name: str
    node_address: str
    manager: bool
    cluster_id: str | None
    remote_managers: tuple[str, ...]
    default_addr_pool: tuple[str, ...]
    subnet_size: int | None
    down_after: float
    admitted: bool
    nodes: tuple[Node, ...]
    autolock: bool | None = None

    @property
    def role(self) -> str | None:
        if self.state != "active":
            return None
        return "manager" if self.manager else "worker"

    @property
    def leaderless(self) -> bool:
        """An active manager that cannot speak for the swarm: an election goes on, or the quorum is lost."""
        return self.state == "active" and self.manager and bool(self.error)

    @property
    def without_leader(self) -> bool:
        """Whether a manager has none, be it active or, since its engine restarted, on its way to be."""
        return self.leaderless or (self.state == "pending" and self.manager and bool(self.error))

    @property
    def this_node(self) -> Node:
        """This engine's own entry in the list of nodes. Only for a manager that is not leaderless."""
        return next(node for node in self.nodes if node.id == self.node_id)

    def report(self) -> dict[str, Any]:
        """The membership as modules return it, without tokens."""
        return {
            "engine": {"version": self.engine_version, "api_version": self.api_version},
            "state": self.state,
            "error": self.error,
            "node_id": self.node_id or None,
            "node_name": self.node_name,
            "node_address": self.node_address or None,
            "role": self.role,
            "cluster_id": self.cluster_id,
            "remote_managers": list(self.remote_managers),
            "managers": managers_report(self.nodes) if self.nodes else None,
            "nodes": [node.report() for node in self.nodes],
            "default_addr_pool": list(self.default_addr_pool),
            "subnet_size": self.subnet_size,
            "autolock": self.autolock,
        }


def read(api: APIClient) -> Swarm:
    """The engine's membership: one request, and a second one on a manager for the nodes. Raises EngineError."""
    return from_info(api, read_info(api))


def read_info(api: APIClient) -> dict[str, Any]:
    """What the engine tells of itself. Raises EngineError."""
    with engine_errors("read the state of the Docker Engine"):
        info: dict[str, Any] = api.info()
    return info


def from_info(api: APIClient, info: Mapping[str, Any]) -> Swarm:
    """The membership that ``info`` tells of, with the nodes that a manager is asked for. Raises EngineError."""
    local = info["Swarm"]
    cluster = local.get("Cluster") or {}
    manager, error = bool(local.get("ControlAvailable")), plain_words(local.get("Error") or "")
    nodes: tuple[Node, ...] = ()
    if manager and not error:
        try:
            nodes = _nodes(api)
        except EngineError as refusal:
            # Managers without a leader refuse to list: a state of the swarm, not of the connection.
            if refusal.status is None:
                raise
            error = refusal.reason
    spec = cluster.get("Spec", {})
    heartbeat = spec.get("Dispatcher", {}).get("HeartbeatPeriod") or 5_000_000_000
    files = Path(info.get("DockerRootDir", "/var/lib/docker")) / "swarm"
    certificate = files / "certificates/swarm-node.crt"
    return Swarm(
        engine_version=info.get("ServerVersion", ""),
        api_version=api.api_version,
        state=local["LocalNodeState"],
        error=error,
        node_id=local.get("NodeID", ""),
        node_name=info.get("Name", ""),
        node_address=local.get("NodeAddr", ""),
        manager=manager,
        cluster_id=cluster.get("ID") or _cluster_of(certificate, local.get("NodeID", "")),
        remote_managers=tuple(sorted(peer["Addr"] for peer in local.get("RemoteManagers") or ())),
        default_addr_pool=tuple(cluster.get("DefaultAddrPool") or (DEFAULT_POOLS if cluster.get("ID") else ())),
        subnet_size=cluster.get("SubnetSize") or None,
        down_after=DOWN_AFTER_HEARTBEATS * heartbeat / 1e9,
        admitted=local["LocalNodeState"] not in ("pending", "error") or _visible(certificate) or not _visible(files),
        nodes=nodes,
        autolock=spec.get("EncryptionConfig", {}).get("AutoLockManagers"),
    )


def overlay_networks(api: APIClient) -> list[dict[str, Any]]:
    """The swarm's overlay networks as modules return them, by name. Only on a manager. Raises EngineError."""
    with engine_errors("list the networks of the swarm"):
        items = api.networks(filters={"scope": "swarm"})
    # Until Swarm has allocated a network, its driver does not show.
    overlays = [_network_report(item) for item in items if item.get("Driver") == "overlay"]
    return sorted(overlays, key=lambda network: str(network["name"]))


def _network_report(item: Mapping[str, Any]) -> dict[str, Any]:
    options = item.get("Options") or {}
    mtu = options.get(MTU, "")
    return {
        "name": item["Name"],
        "ingress": bool(item.get("Ingress")),
        "mtu": int(mtu) if mtu.isdecimal() else None,
        "encrypted": ENCRYPTED in options,
        "subnets": [part["Subnet"] for part in (item.get("IPAM") or {}).get("Config") or () if part.get("Subnet")],
    }


def _nodes(api: APIClient) -> tuple[Node, ...]:
    """All nodes, by name."""
    with engine_errors("list the nodes of the swarm"):
        items = api.nodes()
    return tuple(sorted((Node.from_api(item) for item in items), key=lambda node: (node.name, node.id)))


def change_node(api: APIClient, node: Node, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Give a node the spec that ``change`` makes of its present one.

    A node changes under our hands (its heartbeat does not count, a manager's decision does): when the engine says that
    the version is out of sequence, the node is read again and ``change`` applied to what is there now.
    """
    version, spec = node.version, node.spec
    for _attempt in range(UPDATE_ATTEMPTS):
        if _update(api, node, version, change(dict(spec))):
            return
        with engine_errors(f"read the node {node.name} again"):
            item = api.inspect_node(node.id)
        version, spec = item["Version"]["Index"], item["Spec"]
    raise EngineError(f"Cannot update the node {node.name}: something else keeps changing it; run this again.")


def _update(api: APIClient, node: Node, version: int, spec: Any) -> bool:
    """Whether the update was taken; False where another writer was faster."""
    try:
        with engine_errors(f"update the node {node.name}"):
            api.update_node(node.id, version, spec)
    except EngineError as error:
        if "out of sequence" in error.reason:
            return False
        raise
    return True


def check_health(swarm: Swarm) -> None:
    """Refuse to reason about a swarm that this engine, a member of it, cannot speak for."""
    if swarm.state == "locked":
        raise Refused(
            f"The swarm on {swarm.node_name} is locked since its engine restarted: set unlock_key to the swarm's "
            "unlock key (an option of swarm_member), which a manager that is not locked tells (swarm_info with "
            "include_unlock_key, or docker swarm unlock-key), then run this again."
        )
    if swarm.state != "active" and not swarm.without_leader:
        raise Refused(
            f"The swarm on {swarm.node_name} is in state {swarm.state}: {swarm.error or 'the engine gives no reason'}. "
            "It is a member that cannot take part, not a node without a swarm: see the engine's log; where it cannot "
            "be mended, let it leave (swarm_member with state absent and force: true), remove its old entry on a "
            "manager, and join it again."
        )
    if swarm.without_leader:
        raise Refused(
            f"The managers have no leader, as seen from {swarm.node_name}: {swarm.error}. Bring enough managers back "
            "for a majority, or, if they are gone for good, rebuild the swarm from a survivor with the playbook "
            "recover.yml (swarm_member with force_new_cluster)."
        )


def majority(managers: int) -> int:
    """How many of so many managers must reach each other for the swarm to decide anything."""
    return managers // 2 + 1


def managers_report(nodes: tuple[Node, ...]) -> dict[str, Any]:
    """The managers in numbers; ``leader`` is the leader's name, None during an election."""
    voters = [node for node in nodes if node.votes]
    return {
        "total": len(voters),
        "reachable": sum(node.reachable for node in voters),
        "quorum": majority(len(voters)),
        "leader": next((node.name for node in voters if node.leader), None),
    }


def host_of(address: str) -> str:
    """The host of "host", "host:port", "[ipv6]:port" or a bare IPv6 address."""
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address if address.count(":") > 1 else address.partition(":")[0]


def _visible(path: Path) -> bool:
    """Whether the path exists and may be seen; the engine may also run elsewhere, or the module without its rights."""
    try:
        return path.exists()
    except OSError:
        return False


def _cluster_of(certificate: Path, node_id: str) -> str | None:
    """The cluster that issued the node's certificate; None unless the file is readable and names this node.

    A worker's API does not tell the cluster's ID, its certificate does: subject CN is the node's ID, O the cluster's.
    """
    try:
        pem = certificate.read_text(encoding="ascii")
        der = base64.b64decode(pem.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0])
    except (OSError, ValueError, binascii.Error):
        return None
    # Attributes of a name are OID 2.5.4.x with a short UTF8String or PrintableString; the subject follows the issuer.
    found = {
        der[match.end() - 3]: der[match.end() : match.end() + der[match.end() - 1]].decode(errors="replace")
        for match in re.finditer(rb"\x06\x03\x55\x04[\x03\x0a][\x0c\x13].", der, re.DOTALL)
    }
    return found.get(0x0A) if node_id and found.get(0x03) == node_id else None
