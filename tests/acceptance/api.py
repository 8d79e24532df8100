# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lab's API as an observer asks it: what there is, what was asked of it, and which faults it is to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

KINDS = ("servers", "networks", "firewalls", "ssh_keys", "placement_groups", "primary_ips")


@dataclass(frozen=True)
class Requests:
    """Requests that reached the API: how many read and wrote, and each of them by (method, endpoint).

    statuses: with which the latest thousand were answered.
    """

    reads: int
    writes: int
    endpoints: Mapping[tuple[str, str], int]
    statuses: frozenset[int]


class Api:
    """endpoint: where it is, as HCLOUD_ENDPOINT has it. Every method raises ``httpx.HTTPError`` where it denies."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint
        self.token = token
        # No connection outlives its question: the API is killed and started again under its observers.
        self._client = httpx.Client(
            headers={"Authorization": f"Bearer {token}"},
            limits=httpx.Limits(max_keepalive_connections=0),
            trust_env=False,
        )

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer of the cloud's API (/v1/...) or of the lab's own endpoints (/_lab/...); None without a body."""
        answer = self._client.request(method, self.endpoint.removesuffix("/v1") + path, json=body)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def all(self, kind: str) -> list[dict[str, Any]]:
        """All resources of a kind, over all pages."""
        found: list[dict[str, Any]] = []
        page: int | None = 1
        while page is not None:
            answer = self.ask("GET", f"/v1/{kind}?per_page=50&page={page}")
            found += answer[kind]
            page = answer["meta"]["pagination"]["next_page"]
        return found

    def answers(self) -> bool:
        """Whether it is there."""
        try:
            self.ask("GET", "/_lab/health")
        except httpx.HTTPError:
            return False
        return True

    def forget_requests(self) -> None:
        """Begin to count requests anew."""
        self.ask("DELETE", "/_lab/requests")

    def requests(self) -> Requests:
        """What was asked since requests were last forgotten."""
        told = self.ask("GET", "/_lab/requests")
        endpoints = {(one["method"], one["endpoint"]): one["count"] for one in told["endpoints"]}
        statuses = frozenset(one["status"] for one in told["log"])
        return Requests(told["reads"], told["writes"], endpoints, statuses)

    def spend_quota(self) -> None:
        """Ask until the rate limit denies."""
        while self._client.get(f"{self.endpoint}/locations").status_code != httpx.codes.TOO_MANY_REQUESTS:
            pass

    def put_faults(self, faults: Sequence[Mapping[str, Any]]) -> None:
        """These faults and no others."""
        self.ask("PUT", "/_lab/faults", faults)

    def fault_effects(self) -> list[int]:
        """How often each of the faults has taken effect."""
        return [fault["effects"] for fault in self.ask("GET", "/_lab/faults")["faults"]]
