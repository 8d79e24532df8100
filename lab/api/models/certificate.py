# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID
from pydantic import BaseModel, Field, model_validator

from lab.api.models.base import Body, Labels, Name, Named


class IssuanceError(BaseModel):
    code: str
    message: str


class IssuanceStatus(BaseModel):
    issuance: Literal["pending", "completed", "failed"]
    renewal: Literal["scheduled", "pending", "failed", "unavailable"] = "unavailable"
    error: IssuanceError | None = None


class Certificate(Named):
    """status: None for an uploaded one. private_key: PEM, told to nobody."""

    type: Literal["uploaded", "managed"]
    certificate: str | None = None
    private_key: str = Field(default="", repr=False)
    domain_names: list[str]
    fingerprint: str | None = None
    not_valid_before: str | None = None
    not_valid_after: str | None = None
    status: IssuanceStatus | None = None


class CreateCertificate(Body):
    name: Name
    labels: Labels = Field(default_factory=dict)
    type: Literal["uploaded", "managed"] = "uploaded"
    certificate: str | None = None
    private_key: str | None = None
    domain_names: list[Annotated[str, Field(min_length=1, max_length=253)]] = Field(default_factory=list)

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> CreateCertificate:
        if self.type == "managed" and not self.domain_names:
            raise ValueError("type 'managed' needs domain_names")
        if self.type == "uploaded":
            if not self.certificate or not self.private_key:
                raise ValueError("type 'uploaded' needs certificate and private_key")
            self.facts()
        return self

    def facts(self) -> dict[str, Any]:
        """What an uploaded certificate says of itself; ValueError where it cannot be read or has another key."""
        chain = _chain(self.certificate or "")
        leaf = chain[0]
        if _public(leaf.public_key()) != _public(_key(self.private_key or "").public_key()):
            raise ValueError("private_key is not the key of certificate")
        for lower, upper in pairwise(chain):
            if lower.issuer != upper.subject:
                raise ValueError("certificate: each of the chain must be issued by the next")
        return {
            "domain_names": _domain_names(leaf),
            "fingerprint": leaf.fingerprint(hashes.SHA256()).hex(":"),
            "not_valid_before": leaf.not_valid_before_utc.isoformat().replace("+00:00", "Z"),
            "not_valid_after": leaf.not_valid_after_utc.isoformat().replace("+00:00", "Z"),
        }


def _chain(pem: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise ValueError(f"certificate is not PEM: {error}") from error


def _key(pem: str) -> Any:
    try:
        return serialization.load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError("private_key is not an unencrypted key in PEM") from error


def _public(key: Any) -> bytes:
    der: bytes = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return der


def _domain_names(certificate: x509.Certificate) -> list[str]:
    """The DNS names it is for; its common name where it lists none."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return [str(entry.value) for entry in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    return names.get_values_for_type(x509.DNSName)
