# SPDX-FileCopyrightText: 2026 Triad contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificates."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse

from lab.api.cloud import CloudDep, PathId
from lab.api.errors import refused
from lab.api.models.action import Ref
from lab.api.models.base import Renaming
from lab.api.models.certificate import Certificate, CreateCertificate, IssuanceStatus
from lab.api.pagination import listing
from lab.api.project import now
from lab.api.views import certificate_view

router = APIRouter(prefix="/certificates")


@router.get("")
async def list_all(request: Request, cloud: CloudDep) -> JSONResponse:
    views = [certificate_view(cloud, certificate) for certificate in cloud.project.certificates]
    return listing(request, "certificates", views, filters=("name", "type"))


@router.get("/{id:int}")
async def get(cloud: CloudDep, certificate_id: PathId) -> dict[str, Any]:
    return {"certificate": certificate_view(cloud, cloud.project.certificates.require(certificate_id))}


@router.post("", status_code=201)
async def create(cloud: CloudDep, body: CreateCertificate) -> dict[str, Any]:
    project = cloud.project
    project.certificates.require_free(body.name)
    common = {"id": project.new_id(), "name": body.name, "labels": body.labels, "created": now(), "type": body.type}
    if body.type == "uploaded":
        kept = body.model_dump(include={"certificate", "private_key"})
        certificate = project.certificates.put(Certificate.model_validate(common | kept | body.facts()))
        return {"certificate": certificate_view(cloud, certificate), "action": None}
    pending = {"domain_names": body.domain_names, "status": IssuanceStatus(issuance="pending")}
    with project.together():
        certificate = project.certificates.put(Certificate.model_validate(common | pending))
        action = cloud.actions.begin("create_certificate", [Ref("certificate", certificate.id)])
    return {"certificate": certificate_view(cloud, certificate), "action": action.view()}


@router.put("/{id:int}")
async def update(cloud: CloudDep, certificate_id: PathId, body: Renaming) -> dict[str, Any]:
    return {"certificate": certificate_view(cloud, cloud.project.certificates.rename(certificate_id, body))}


@router.delete("/{id:int}", status_code=204)
async def delete(cloud: CloudDep, certificate_id: PathId) -> None:
    certificate = cloud.project.certificates.require(certificate_id)
    if cloud.project.users_of(certificate_id):
        raise refused("resource_in_use", f"certificate '{certificate.name}' is still used by a load balancer")
    cloud.project.certificates.remove(certificate_id)


@router.post("/{id:int}/actions/retry", status_code=201)
async def retry(cloud: CloudDep, certificate_id: PathId) -> dict[str, Any]:
    certificate = cloud.project.certificates.require(certificate_id)
    if certificate.status is None or certificate.status.issuance != "failed":
        raise refused("invalid_input", f"certificate '{certificate.name}' is not a managed one whose issuance failed")
    with cloud.project.together():
        cloud.project.certificates.update(certificate_id, status=IssuanceStatus(issuance="pending"))
        action = cloud.actions.begin("issue_certificate", [Ref("certificate", certificate_id)])
    return {"action": action.view()}
