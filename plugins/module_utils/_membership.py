# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_member: how one engine comes into a swarm, or out of it.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from ipaddress import ip_address
from typing import Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils import _quorum
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step
from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Swarm, check_health, host_of

ELECTION = 30
"""Seconds to give an election at least; one try takes 10 to 19 unless the engines are set otherwise."""


@dataclass(frozen=True)
class Wanted:
    """The membership asked for, option by option as swarm_member documents them."""

    state: str = "present"
    role: str = "worker"
    initialize: bool = False
    force: bool = False
    force_new_cluster: bool = False
    advertise_addr: str | None = None
    listen_addr: str = "0.0.0.0:2377"
    data_path_addr: str | None = None
    default_addr_pool: tuple[str, ...] = ()
    subnet_size: int | None = None
    join_token: str | None = None
    unlock_key: str | None = None
    remote_addrs: tuple[str, ...] = ()
    cluster_id: str | None = None
    wait_timeout: int = 120

    @classmethod
    def from_options(cls, options: dict[str, Any]) -> Wanted:
        """From a module's parameters; lists become tuples."""
        values: dict[str, Any] = {
            field.name: tuple(value) if isinstance(value := options[field.name], list) else value
            for field in fields(cls)
        }
        return cls(**values)

    @property
    def other_managers(self) -> tuple[str, ...]:
        """remote_addrs without this node itself, which cannot let itself in."""
        own = host_of(self.advertise_addr or "")
        return tuple(address for address in self.remote_addrs if host_of(address) != own)


def plan(wanted: Wanted, swarm: Swarm, encrypted: bool = False) -> list[Step]:
    """The steps from what the engine is to what is wanted. Verbs: initialise, join, demote, leave, unlock, recover.

    What a locked engine is a member of cannot be seen: after the step unlock, which then stands alone, plan anew.
    encrypted: whether the node's own key on disk is, as autolock leaves it; only for force_new_cluster.
    Raises Refused where a step would split, mix or break a swarm; the message names the option and the way out.
    """
    if wanted.force_new_cluster:
        _check_recovery_asked(wanted, swarm)
    if swarm.state == "locked" and wanted.unlock_key:
        states, payload = ({"state": "locked"}, {"state": "active"}), {"key": wanted.unlock_key}
        return [Step("unlock", "swarm", f"of {swarm.node_name}", *states, payload=payload)]
    if wanted.state == "absent":
        return _leave(wanted, swarm)
    if swarm.state == "inactive":
        return [_enter(wanted, swarm)]
    if not swarm.admitted:
        return [_give_up(swarm), _enter(wanted, swarm)]
    recovers = wanted.force_new_cluster and swarm.without_leader
    if not recovers:
        check_health(swarm)
    _check_member(wanted, swarm)
    return [_recovery(wanted, swarm, encrypted)] if recovers else []


def remarks(wanted: Wanted, swarm: Swarm) -> list[str]:
    """What a member of a swarm cannot be given any more, to be told as warnings."""
    if wanted.state == "absent" or swarm.state != "active" or not swarm.default_addr_pool:
        return []
    found = []
    if wanted.default_addr_pool and set(wanted.default_addr_pool) != set(swarm.default_addr_pool):
        found.append(("default_addr_pool", ", ".join(wanted.default_addr_pool), ", ".join(swarm.default_addr_pool)))
    if wanted.subnet_size not in (None, swarm.subnet_size):
        found.append(("subnet_size", str(wanted.subnet_size), str(swarm.subnet_size)))
    return [
        f"{option} is {asked}, but this swarm was initialised with {given}; it is fixed for the life of a swarm."
        for option, asked, given in found
    ]


def check_joined(wanted: Wanted, swarm: Swarm) -> None:
    """Refuse the result of a join that led elsewhere than asked: another cluster, or the other token's role."""
    if wanted.cluster_id and swarm.cluster_id and wanted.cluster_id != swarm.cluster_id:
        raise Refused(
            f"{swarm.node_name} has joined cluster {swarm.cluster_id}, but cluster_id asks for {wanted.cluster_id}: "
            "remote_addrs and join_token belong to another swarm. Let the node leave (state absent) and correct them."
        )
    if swarm.role != wanted.role:
        raise Refused(
            f"{swarm.node_name} has joined as {swarm.role}, but role asks for {wanted.role}: join_token is the "
            f"{swarm.role}s' token. Change it with swarm_nodes on a manager, or leave and join with the other one."
        )


def check_recovered(cluster_id: str | None, swarm: Swarm) -> None:
    """Refuse a recovery that led into another cluster than the one, if known, that was to be rebuilt."""
    if cluster_id not in (None, swarm.cluster_id):
        raise Refused(
            f"{swarm.node_name} is in cluster {swarm.cluster_id} after the recovery of {cluster_id}. Let no other node "
            "join it: see the engine's log, and restore its folder swarm (below its data root) from a backup."
        )


def _enter(wanted: Wanted, swarm: Swarm) -> Step:
    """The step that brings an engine without a swarm into one: join wherever one is named, else initialise."""
    after = {"state": "active", "role": wanted.role}
    after.update({"advertise_addr": wanted.advertise_addr} if wanted.advertise_addr else {})
    if wanted.other_managers:
        note = f"as {wanted.role}, through {', '.join(wanted.other_managers)}"
        after.update({"cluster_id": wanted.cluster_id} if wanted.cluster_id else {})
        return Step("join", "swarm", wanted.cluster_id or "of remote_addrs", {"state": swarm.state}, after, note)
    if not wanted.initialize:
        raise Refused(
            f"{swarm.node_name} is in no swarm, and nothing says which one it belongs to: set remote_addrs (other than "
            "this node) and join_token to join one, or initialize: true to create one."
        )
    if wanted.cluster_id:
        raise Refused(
            f"cluster_id says that the cluster {wanted.cluster_id} exists: initialising on {swarm.node_name} would "
            "make a second one. Set remote_addrs and join_token to join it."
        )
    if wanted.role != "manager":
        raise Refused(
            "The node that initialises a swarm is its first manager: set role: manager with initialize: true."
        )
    if wanted.default_addr_pool:
        after["default_addr_pool"] = ", ".join(wanted.default_addr_pool)
    note = f"on {wanted.advertise_addr}" if wanted.advertise_addr else ""
    return Step("initialise", "swarm", f"of {swarm.node_name}", {"state": swarm.state}, after, note)


def _check_recovery_asked(wanted: Wanted, swarm: Swarm) -> None:
    """Refuse force_new_cluster where it cannot mean what it says."""
    if wanted.state == "absent":
        raise Refused("force_new_cluster rebuilds a swarm and state absent leaves it: set one of them only.")
    if swarm.state == "inactive" or swarm.role == "worker" or not swarm.admitted:
        raise Refused(
            f"{swarm.node_name} is {'a worker' if swarm.role == 'worker' else 'in no swarm'} and holds nothing that "
            "force_new_cluster could rebuild a swarm from: set it on a manager that is left."
        )
    if wanted.wait_timeout < ELECTION:
        raise Refused(
            f"wait_timeout is {wanted.wait_timeout} and must be at least {ELECTION} with force_new_cluster, because "
            "managers without a leader may be about to elect one."
        )


def _check_member(wanted: Wanted, swarm: Swarm) -> None:
    """Refuse a member of another cluster, role or address than asked for."""
    _check_cluster(wanted, swarm)
    role = "manager" if swarm.manager else swarm.role
    if role != wanted.role:
        raise Refused(
            f"{swarm.node_name} is a {role} of its swarm and the option role asks for {wanted.role}: "
            "roles are changed by swarm_nodes, on a manager."
        )
    if _is_address(wanted.advertise_addr) and swarm.node_address != host_of(wanted.advertise_addr or ""):
        raise Refused(
            f"{swarm.node_name} advertises {swarm.node_address} and advertise_addr asks for {wanted.advertise_addr}; a "
            "member cannot change it. Correct advertise_addr, or let the node leave (state absent) and join again."
        )


def _recovery(wanted: Wanted, swarm: Swarm, encrypted: bool) -> Step:
    """The step that makes a manager without a leader the only one of its swarm."""
    if not _is_address(wanted.advertise_addr):
        raise Refused(
            f"force_new_cluster needs advertise_addr as an IP address, because the swarm only comes back at the one "
            f"that it knows: set it to {swarm.node_address}, if that is still this node's."
        )
    if encrypted:
        raise Refused(
            f"The swarm on {swarm.node_name} has autolock on, and Docker cannot rebuild such a swarm: the engine would "
            "drop out of it (https://github.com/moby/moby/issues/36852). Bring enough managers back for a majority. "
            "Where they are gone for good, begin a new swarm (swarm_member with state absent and force: true, then "
            "initialize: true) and deploy the stacks and their data again."
        )
    before = {"leader": None, "error": swarm.error}
    after = {"leader": swarm.node_name, "managers": 1}
    note = f"from {swarm.node_name} alone, on {wanted.advertise_addr}"
    return Step("recover", "swarm", swarm.cluster_id or f"of {swarm.node_name}", before, after, note)


def _check_cluster(wanted: Wanted, swarm: Swarm) -> None:
    """Refuse a node of another cluster: by its ID, or where that is not known by the managers' addresses."""
    if wanted.cluster_id and swarm.cluster_id:
        if wanted.cluster_id != swarm.cluster_id:
            raise Refused(
                f"{swarm.node_name} is in cluster {swarm.cluster_id}, not {wanted.cluster_id} as cluster_id asks. "
                "It is left alone: let it leave first (state absent) if it shall move, or correct the inventory."
            )
        return
    asked = {host_of(address) for address in wanted.other_managers}
    known = {host_of(address) for address in swarm.remote_managers}
    if asked and known and all(map(_is_address, asked)) and not asked & known:
        raise Refused(
            f"{swarm.node_name} is in a swarm managed from {', '.join(sorted(known))}, and remote_addrs names only "
            f"{', '.join(sorted(asked))}: this looks like another cluster. Let it leave first (state absent) if it "
            "shall move, or set cluster_id to the ID that swarm_info reports if it is the right one."
        )


def _leave(wanted: Wanted, swarm: Swarm) -> list[Step]:
    """Out of the swarm; a manager hands in its vote first, because leaving by force keeps it counted for the quorum."""
    if swarm.state == "inactive":
        return []
    if not swarm.admitted:
        return [_give_up(swarm)]
    before = {"state": swarm.state, "role": swarm.role, "cluster_id": swarm.cluster_id}
    name = swarm.cluster_id or f"of {swarm.node_name}"
    leave = Step("leave", "swarm", name, before, {"state": "inactive"}, payload={"force": wanted.force})
    if swarm.role == "worker":
        return [leave]
    try:
        check_health(swarm)
        _quorum.check_demotion(swarm.nodes, swarm.this_node)
    except Refused as reason:
        if wanted.force:
            return [Step("leave", "swarm", name, before, {"state": "inactive"}, "by force", {"force": True})]
        raise Refused(f"{reason} To leave all the same and lose what depends on it, set force: true.") from None
    rest = _quorum.spare(sum(node.votes for node in swarm.nodes) - 1)
    roles = {"role": "manager"}, {"role": "worker"}
    return [Step("demote", "node", swarm.node_name, *roles, rest, {"id": swarm.node_id}), leave]


def _give_up(swarm: Swarm) -> Step:
    """The step that ends an attempt to join which led nowhere; no manager counts on this node."""
    before, after = {"state": swarm.state, "error": swarm.error}, {"state": "inactive"}
    return Step("leave", "swarm", f"of {swarm.node_name}", before, after, "it was never let in", {"force": True})


def _is_address(text: str | None) -> bool:
    """Whether the host in it is an IP address: names and interfaces cannot be compared with what an engine reports."""
    try:
        ip_address(host_of(text or ""))
    except ValueError:
        return False
    return True
