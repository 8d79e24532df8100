# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Settings of one lab: where it keeps its state, which addresses and ports it takes, what its machines run on.

Every setting is an environment variable ``LAB_<FIELD>``; the defaults suit a single lab. A second lab beside it needs a
name, a state folder, public networks and a port of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PROJECT = Path(__file__).resolve().parent.parent


class SettingsError(Exception):
    """A setting that cannot be used; the message names it and says what would do."""


def _default_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triad-lab"


class Settings(BaseModel):
    """name: part of every container, namespace and interface name. state: folder of this lab alone.
    cache: folder shared by all labs of a user (images, engine). public_network, public_network6: the addresses the
    cloud gives out. machines: what servers are; containers unless set, ``auto`` for virtual machines where KVM works.
    node_base: what servers are built on; ``auto`` pulls Ubuntu where a registry answers.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{0,10}$")] = "lab"
    state: Path = PROJECT / ".lab"
    cache: Path = Field(default_factory=_default_cache)
    machines: Literal["auto", "container", "none", "vm"] | None = None
    node_base: Literal["auto", "ubuntu", "debian"] = "auto"
    public_network: Annotated[IPv4Network, Field(description="at least /28")] = IPv4Network("198.51.100.0/24")
    public_network6: Annotated[IPv6Network, Field(description="at least /60")] = IPv6Network("2001:db8:51ab::/48")
    api_host: str = "127.0.0.1"
    api_port: Annotated[int, Field(ge=1, le=65535)] = 8451
    token: Annotated[str, Field(repr=False, max_length=64)] = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Settings from ``LAB_*`` variables; unset and empty ones take their defaults."""
        values: dict[str, Any] = {
            field: environ[f"LAB_{field.upper()}"] for field in cls.model_fields if environ.get(f"LAB_{field.upper()}")
        }
        return cls._checked(values)

    def changed(self, values: Mapping[str, Any]) -> Settings:
        """The same settings but for these; they may still be text, as a command line has them."""
        return self._checked({**self.model_dump(), **values})

    @classmethod
    def _checked(cls, values: Mapping[str, Any]) -> Settings:
        try:
            settings = cls.model_validate(values)
        except ValidationError as error:
            problems = (f"LAB_{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
            raise SettingsError("; ".join(problems)) from None
        if settings.public_network.prefixlen > 28:
            raise SettingsError(f"LAB_PUBLIC_NETWORK: {settings.public_network} is too small, take a /28 or larger")
        if settings.public_network6.prefixlen > 60:
            raise SettingsError(f"LAB_PUBLIC_NETWORK6: {settings.public_network6} is too small, take a /60 or larger")
        return settings.model_copy(update={"state": settings.state.absolute(), "cache": settings.cache.absolute()})

    def with_token(self) -> Settings:
        """The same settings with a token: the given one, else the one kept in the state folder, made when missing."""
        if self.token:
            return self
        kept = self.state / "token"
        if not kept.exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.touch(mode=0o600)
            kept.write_text(secrets.token_hex(32), encoding="ascii")
        return self.model_copy(update={"token": kept.read_text(encoding="ascii").strip()})

    @property
    def endpoint(self) -> str:
        """What HCLOUD_ENDPOINT is set to."""
        return f"http://{self.api_host}:{self.api_port}/v1"

    @property
    def ssh(self) -> Path:
        """Folder of the key and the host keys that playbooks use for this lab's servers."""
        return self.state / "ssh"

    @property
    def router_address(self) -> IPv4Address:
        """First public address: the lab's router; its registry listens there."""
        return self.public_network[1]

    @property
    def host_address(self) -> IPv4Address:
        """Last public address: this host, as machines see it. Servers take addresses between the two."""
        return self.public_network[-2]

    @property
    def host_address6(self) -> IPv6Address:
        """This host in IPv6, out of the first /64; servers take the /64s after it."""
        return self.public_network6[0xFFFE]

    @property
    def registry(self) -> str:
        """Name of the lab's registry in image references."""
        return f"{self.router_address}:5000"
