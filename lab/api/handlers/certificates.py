# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Actions that issue certificates, and why they cannot."""

from __future__ import annotations

from lab.api.actions import FailedActionError
from lab.api.cloud import Cloud
from lab.api.models.action import Action
from lab.api.models.certificate import IssuanceError, IssuanceStatus

_CODE = "dns_zone_not_found"


def register_certificates(cloud: Cloud) -> None:
    certificates = cloud.project.certificates

    async def issue(action: Action) -> None:
        raise FailedActionError(_CODE, reason(action))

    async def fail(action: Action) -> None:
        if certificates.get(action.first("certificate")) is not None:
            error = IssuanceError(code=_CODE, message=reason(action))
            certificates.update(action.first("certificate"), status=IssuanceStatus(issuance="failed", error=error))

    def reason(action: Action) -> str:
        certificate = certificates.get(action.first("certificate"))
        names = ", ".join(certificate.domain_names) if certificate else "nothing"
        return f"DNS zone not found for {names}: the lab has no DNS, and nobody issues certificates; upload one instead"

    for command in ("create_certificate", "issue_certificate"):
        cloud.actions.handle("certificate", command, issue, fail)
