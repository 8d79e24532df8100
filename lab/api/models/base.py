# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all records and bodies share."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from lab.api.selectors import check_labels


class Record(BaseModel):
    """Something stored. Frozen: it changes only through its table, which writes it down."""

    model_config = ConfigDict(frozen=True)

    id: int


class Named(Record):
    name: str
    labels: dict[str, str] = Field(default_factory=dict)
    created: str


class Body(BaseModel):
    """A request's body. Unknown keys are ignored and null is as good as absent, as in the cloud."""

    model_config = ConfigDict(extra="ignore")

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, data: Any) -> Any:
        return {key: value for key, value in data.items() if value is not None} if isinstance(data, dict) else data


def _labels(labels: dict[str, str]) -> dict[str, str]:
    if problems := check_labels(labels):
        raise ValueError("; ".join(problems))
    return labels


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise ValueError(f"not an IPv4 range in CIDR notation: {error}") from error


def _address(text: str) -> IPv4Address:
    try:
        return IPv4Address(text)
    except ValueError as error:
        raise ValueError(f"not an IPv4 address: {error}") from error


Labels = Annotated[dict[str, str], AfterValidator(_labels)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
IdOrName = Annotated[str, Field(coerce_numbers_to_str=True, min_length=1)]
Network4 = Annotated[IPv4Network, BeforeValidator(lambda value: _network(str(value)))]
Address4 = Annotated[IPv4Address, BeforeValidator(lambda value: _address(str(value)))]


class Protection(BaseModel):
    delete: bool = False


class Renaming(Body):
    """Body of an update: what is absent stays."""

    name: Name | None = None
    labels: Labels | None = None
