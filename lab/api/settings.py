# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a person may set about the API, and the faults that tests put into it."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, IPvAnyAddress, SecretStr, model_validator


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Fault(BaseModel):
    """One rule of things going wrong.

    on: "request" matches HTTP requests by ``method`` and ``path`` (below /v1, without the query); "action" matches
        asynchronous actions by ``command``; "interface" matches private interfaces that are plugged in.
    nth: only the nth match counts (1 is the first); None: every match.
    times: stop after so many effects; None: never.
    delay: seconds before going on; an interface appears so much later than the action has told.
    status, code, message: the error answered, or the error the action ends in.
    drop: the connection of the request ends without an answer; the interface never appears.
    when: "before" does nothing of what was asked; "after" does the work, and then loses the answer.
    Without ``code`` and ``drop`` the rule only delays.
    """

    model_config = ConfigDict(extra="forbid")

    on: Literal["request", "action", "interface"] = "request"
    method: Pattern = ".*"
    path: Pattern = ".*"
    command: Pattern = ".*"
    nth: int | None = Field(default=None, ge=1)
    times: int | None = Field(default=None, ge=1)
    delay: float = Field(default=0.0, ge=0)
    status: int = Field(default=500, ge=400, le=599)
    code: str | None = None
    message: str = "fault injected by the lab"
    drop: bool = False
    when: Literal["before", "after"] = "before"

    @model_validator(mode="after")
    def _has_one_end(self) -> Fault:
        if self.drop and (self.code is not None or self.on == "action"):
            raise ValueError(
                "drop: only a request or an interface can be dropped, and what is dropped is not answered with a code"
            )
        if self.on == "interface" and self.code is not None:
            raise ValueError("code: an interface comes late (delay) or never (drop); let an action fail instead")
        return self


class Settings(BaseModel):
    """How the API is served and what it pretends.

    state_file: SQLite file that the project's state lives in; None keeps it in memory.
    public_ipv4: addresses of servers come from here, lowest first; the first and the last usable one are the lab's own.
    public_ipv6: every server gets a /64 out of it; the first is the lab's own.
    latencies: seconds an action takes before its work begins, by command ("create_server"); "*" for all others.
    out_of_stock: "TYPE@LOCATION" pairs that exist but cannot be placed ("cx23@fsn1").
    root_server_ips: addresses of dedicated servers that the project owns; load balancers take them as IP targets.
    rate_limit: requests an hour; refilled evenly.
    """

    model_config = ConfigDict(extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=8451, ge=0, le=65535)
    token: SecretStr = Field(min_length=1)
    state_file: Path | None = None
    public_ipv4: IPv4Network = IPv4Network("198.51.100.0/24")
    public_ipv6: IPv6Network = IPv6Network("2001:db8:51ab::/48")
    latencies: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    out_of_stock: frozenset[str] = frozenset()
    root_server_ips: frozenset[IPvAnyAddress] = frozenset()
    faults: tuple[Fault, ...] = ()
    rate_limit: int = Field(default=3600, ge=1)
    server_limit: int = Field(default=250, ge=1)

    @model_validator(mode="after")
    def _ranges_hold_servers(self) -> Settings:
        if self.public_ipv4.prefixlen > 29:
            raise ValueError(f"public_ipv4: {self.public_ipv4} is too small, give a /29 or larger")
        if self.public_ipv6.prefixlen > 60:
            raise ValueError(f"public_ipv6: {self.public_ipv6} is too small, give a /60 or larger")
        return self

    def latency(self, command: str) -> float:
        """Seconds that an action of this command takes before its work begins."""
        return self.latencies.get(command, self.latencies.get("*", 0.0))
