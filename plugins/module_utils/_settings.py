# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Planner of swarm_settings: what is wanted of a swarm's own settings against what a manager tells of them.

Note that this is private to the collection: other collections must not import it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ansible_collections.triad.hetzner_swarm.plugins.module_utils._plan import Refused, Step

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ansible_collections.triad.hetzner_swarm.plugins.module_utils._swarm import Node

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
"""In nanoseconds, as the engine counts."""


@dataclass(frozen=True)
class Number:
    """A setting that is a number: where the Spec has it, how much the Spec counts for 1 of it, and its least value."""

    section: str
    key: str
    unit: int
    floor: int
    reason: str

    def read(self, spec: Mapping[str, Any]) -> float:
        """A fraction only where the Spec holds one. The engine leaves a 0 out."""
        whole, rest = divmod(_get(spec, self.section, self.key) or 0, self.unit)
        return whole + rest / self.unit if rest else int(whole)


NUMBERS = {
    "dispatcher_heartbeat": Number("Dispatcher", "HeartbeatPeriod", SECOND, 1, "managers shift it by up to 0.5 s"),
    "task_history_limit": Number(
        "Orchestration", "TaskHistoryRetentionLimit", 1, 0, "below that no old task would ever be forgotten"
    ),
    "snapshot_interval": Number("Raft", "SnapshotInterval", 1, 1, "without snapshots the Raft log grows for ever"),
    "keep_old_snapshots": Number("Raft", "KeepOldSnapshots", 1, 0, "it is a number of snapshots"),
    "log_entries_for_slow_followers": Number(
        "Raft", "LogEntriesForSlowFollowers", 1, 0, "it is a number of entries of the Raft log"
    ),
    "node_cert_expiry": Number("CAConfig", "NodeCertExpiry", HOUR, 1, "the engine issues none for less than an hour"),
}
"""By option."""

AUTOLOCK = ("EncryptionConfig", "AutoLockManagers")
FORCE_ROTATE = ("CAConfig", "ForceRotate")
"""Where the Spec has them: whether managers are locked, and the count whose change makes a new root certificate."""

ROTATIONS = {
    "worker_join_token": ("join token", "of the workers", ""),
    "manager_join_token": ("join token", "of the managers", ""),
    "unlock_key": ("unlock key", "of the managers", "a manager that is down still needs the present one"),
    "ca_certificate": ("root certificate", "of the swarm", "every node gets a new certificate, and both join tokens"),
}
"""What can be replaced by a new one: its kind and name for people, and what that entails."""


@dataclass(frozen=True)
class Wish:
    """What is wanted of a swarm. settings: only those that are set, by option. rotate: keys of ROTATIONS."""

    settings: Mapping[str, Any]
    rotate: tuple[str, ...] = ()

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Wish:
        """From a module's parameters. Raises Refused for a value that no swarm can work with."""
        settings = {option: options[option] for option in (*NUMBERS, "autolock") if options[option] is not None}
        for option, number in NUMBERS.items():
            if settings.get(option, number.floor) < number.floor:
                raise Refused(
                    f"{option} is {settings[option]} and must be at least {number.floor}, because {number.reason}."
                )
        return cls(settings, tuple(dict.fromkeys(options["rotate"])))

    def locks(self, cluster: Cluster) -> bool:
        """Whether managers are locked once the cluster is as wanted."""
        return bool(self.settings.get("autolock", cluster.autolock))


@dataclass(frozen=True)
class Cluster:
    """A swarm as a manager tells of it.

    version and spec are what an update needs. rotating: whether nodes still get certificates of a new root. issuer: the
    public key of the root that they shall be from.
    """

    id: str
    version: int
    spec: Mapping[str, Any]
    rotating: bool
    issuer: str

    @classmethod
    def from_api(cls, item: Mapping[str, Any]) -> Cluster:
        return cls(
            id=item["ID"],
            version=item["Version"]["Index"],
            spec=item["Spec"],
            rotating=bool(item.get("RootRotationInProgress")),
            issuer=(item.get("TLSInfo") or {}).get("CertIssuerPublicKey", ""),
        )

    @property
    def autolock(self) -> bool:
        return bool(_get(self.spec, *AUTOLOCK))

    @property
    def settings(self) -> dict[str, Any]:
        """By option, in the options' units."""
        return {**{option: number.read(self.spec) for option, number in NUMBERS.items()}, "autolock": self.autolock}


def plan(wish: Wish, cluster: Cluster, nodes: Iterable[Node]) -> list[Step]:
    """The steps to what is wanted; the engine takes them all in one request. Verbs: update, rotate.

    Raises Refused, naming the setting and the way out, where a rotation cannot do what it is asked for.
    """
    if "unlock_key" in wish.rotate and not wish.locks(cluster):
        raise Refused(
            "rotate names unlock_key, but without autolock there is no such key: set autolock to true, which makes "
            "one, or take unlock_key out of rotate."
        )
    down = sorted(node.name for node in nodes if node.status == "down")
    if "ca_certificate" in wish.rotate and down:
        raise Refused(
            f"rotate names ca_certificate, but {', '.join(down)} {'is' if len(down) == 1 else 'are'} down and could "
            "not get a new certificate, so that the rotation would not end. Bring back what shall stay and remove the "
            "rest (swarm_nodes with state absent), then run this again."
        )
    return _update(wish, cluster) + [_rotation(name) for name in wish.rotate]


def makes_key(wish: Wish, cluster: Cluster) -> bool:
    """Whether what is wanted makes an unlock key that nobody knows yet."""
    return "unlock_key" in wish.rotate or (wish.locks(cluster) and not cluster.autolock)


def granted(wish: Wish, spec: Mapping[str, Any]) -> dict[str, Any]:
    """The Spec with what is wanted in it, and everything else as it is."""
    wanted = [
        (number.section, number.key, wish.settings[option] * number.unit)
        for option, number in NUMBERS.items()
        if option in wish.settings
    ]
    wanted += [(*AUTOLOCK, wish.settings["autolock"])] if "autolock" in wish.settings else []
    wanted += [(*FORCE_ROTATE, (_get(spec, *FORCE_ROTATE) or 0) + 1)] if "ca_certificate" in wish.rotate else []
    new = dict(spec)
    for section, key, value in wanted:
        new[section] = {**(new.get(section) or {}), key: value}
    return new


def behind(cluster: Cluster, items: Iterable[Mapping[str, Any]]) -> list[str]:
    """Names of the nodes, of those that a manager lists, whose certificate is not from the present root."""
    return sorted(
        description.get("Hostname", "")
        for description in (item["Description"] for item in items)
        if (description.get("TLSInfo") or {}).get("CertIssuerPublicKey") != cluster.issuer
    )


def _update(wish: Wish, cluster: Cluster) -> list[Step]:
    """One step for all settings that are not as wanted, or none."""
    present = cluster.settings
    after = {option: value for option, value in wish.settings.items() if value != present[option]}
    if not after:
        return []
    before = {option: present[option] for option in after}
    note = "; ".join(f"{option} {str(value).lower()}" for option, value in after.items())
    return [Step("update", "swarm", cluster.id, before, after, note)]


def _rotation(name: str) -> Step:
    kind, whose, note = ROTATIONS[name]
    return Step("rotate", kind, whose, {name: "the present one"}, {name: "a new one"}, note)


def _get(spec: Mapping[str, Any], section: str, key: str) -> Any:
    return (spec.get(section) or {}).get(key)
