# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The project that a token stands for: tables of records, kept in memory and written through to the store."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from lab.api.errors import not_found, uniqueness_error, unknown_reference
from lab.api.models.action import Action
from lab.api.models.base import Named, Record, Renaming
from lab.api.models.certificate import Certificate
from lab.api.models.firewall import Firewall
from lab.api.models.floating_ip import FloatingIp
from lab.api.models.image import Image
from lab.api.models.load_balancer import LoadBalancer
from lab.api.models.network import Network
from lab.api.models.placement_group import PlacementGroup
from lab.api.models.primary_ip import PrimaryIp
from lab.api.models.server import Server
from lab.api.models.ssh_key import SshKey
from lab.api.models.volume import Volume
from lab.api.store import Store

R = TypeVar("R", bound=Record)
N = TypeVar("N", bound=Named)


def now() -> str:
    """This moment as the API writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class Table(Generic[R]):
    """Records of one kind by id. ``label`` is the kind's name in messages."""

    def __init__(self, store: Store, label: str, record: type[R]) -> None:
        self.label = label
        self._store = store
        loaded = (record.model_validate_json(body) for body in store.load(label))
        self._records: dict[int, R] = {item.id: item for item in loaded}

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._records.values()))

    def __len__(self) -> int:
        return len(self._records)

    def get(self, record_id: int) -> R | None:
        return self._records.get(record_id)

    def require(self, record_id: int) -> R:
        """The record, or the error 404 of a request that names it in its path."""
        record = self._records.get(record_id)
        if record is None:
            raise not_found(f"{self.label} with ID '{record_id}'")
        return record

    def referenced(self, record_id: int, field: str) -> R:
        """The record, or the error 422 of a request that names it in its body."""
        record = self._records.get(record_id)
        if record is None:
            raise unknown_reference(self.label, record_id, field)
        return record

    def put(self, record: R) -> R:
        self._store.put(self.label, record.id, record.model_dump_json())
        self._records[record.id] = record
        return record

    def update(self, record_id: int, **changes: Any) -> R:
        """Change fields of an existing record; KeyError where it is gone."""
        return self.put(self._records[record_id].model_copy(update=changes))

    def amended(self, record_id: int, changes: dict[str, Any]) -> R:
        """An existing record as it will be with fields given as plain data; KeyError where it is gone."""
        record = self._records[record_id]
        return type(record).model_validate(record.model_dump() | changes)

    def amend(self, record_id: int, changes: dict[str, Any]) -> R:
        """Change fields given as plain data, as an action keeps them."""
        return self.put(self.amended(record_id, changes))

    def remove(self, record_id: int) -> None:
        self._store.remove(self.label, record_id)
        self._records.pop(record_id, None)


class NamedTable(Table[N]):
    def named(self, id_or_name: str, field: str) -> N:
        """The record that a body names by id or by name."""
        found = self.get(int(id_or_name)) if id_or_name.isdecimal() else None
        found = found or next((record for record in self if record.name == id_or_name), None)
        if found is None:
            raise unknown_reference(self.label, id_or_name, field)
        return found

    def require_free(self, name: str, owner: int | None = None) -> None:
        """Refuse a name that another record than ``owner`` has."""
        if any(record.name == name and record.id != owner for record in self):
            raise uniqueness_error(self.label, "name")

    def rename(self, record_id: int, body: Renaming) -> N:
        """Update a record by what its body gives; the name must stay unique."""
        record = self.require(record_id)
        if body.name is not None:
            self.require_free(body.name, owner=record.id)
        return self.update(record_id, **body.model_dump(exclude_none=True))


class Project:
    """All state. Only one event loop may touch it; between two awaits nothing else changes it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.together = store.together
        self.close = store.close
        self.actions = Table(store, "action", Action)
        self.floating_ips = NamedTable(store, "floating ip", FloatingIp)
        self.images = Table(store, "image", Image)
        self.servers = NamedTable(store, "server", Server)
        self.volumes = NamedTable(store, "volume", Volume)
        self.networks = NamedTable(store, "network", Network)
        self.firewalls = NamedTable(store, "firewall", Firewall)
        self.placement_groups = NamedTable(store, "placement group", PlacementGroup)
        self.primary_ips = NamedTable(store, "primary ip", PrimaryIp)
        self.ssh_keys = NamedTable(store, "SSH key", SshKey)
        self.load_balancers = NamedTable(store, "load balancer", LoadBalancer)
        self.certificates = NamedTable(store, "certificate", Certificate)

    def new_id(self) -> int:
        """An id that no resource has or had."""
        return self._store.next("resource")

    def new_mac(self) -> str:
        """A MAC address that no private interface has or had."""
        suffix = self._store.next("mac").to_bytes(4, "big")
        return "86:00:" + ":".join(f"{byte:02x}" for byte in suffix)

    def members(self, placement_group: int) -> list[int]:
        return [server.id for server in self.servers if server.placement_group == placement_group]

    def attached_volumes(self, server: int) -> list[int]:
        return [volume.id for volume in self.volumes if volume.server == server]

    def public_ips(self, server: int) -> dict[str, PrimaryIp]:
        """A server's primary IPs by type."""
        return {ip.type: ip for ip in self.primary_ips if ip.assignee_id == server}

    def users_of(self, certificate: int) -> list[LoadBalancer]:
        """Load balancers that serve with a certificate."""
        return [lb for lb in self.load_balancers if any(certificate in service.certificates for service in lb.services)]
