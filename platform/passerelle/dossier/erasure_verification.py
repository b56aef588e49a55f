"""Are the erasures what their certificates say. Made for whoever runs the exchange: records by their ids alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from passerelle.audit.successions import Signers, signers
from passerelle.audit.verification import Finding
from passerelle.dossier.erasure_certificate import verify
from passerelle.dossier.tables import dossier, erasure_certificate
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import BrokenIntegrity
from passerelle_policies.vocabulary import DossierState


async def verify_erasures(tenant: Tenant) -> tuple[int, list[Finding]]:
    """How many certificates there are, and what is wrong.

    Finds CERTIFICATE_ALTERED (not what this network signed), CERTIFICATE_UNTRUE (of another record, or of one that
    still has its key), CERTIFICATE_MISSING (an erased record without one: the next turn issues it).
    """
    erased = dossier.c.state == DossierState.PURGED.value
    wanted = (
        select(
            dossier.c.patient_id,
            dossier.c.state,
            dossier.c.wrapped_key,
            erasure_certificate.c.statement,
            erasure_certificate.c.signature,
            erasure_certificate.c.key_id,
        )
        .select_from(dossier.outerjoin(erasure_certificate))
        .where(erased | erasure_certificate.c.certificate_id.is_not(None))
        .order_by(dossier.c.patient_id)
    )
    count, findings = 0, []
    async with tenant.database.transaction() as connection:
        by = await signers(connection, tenant)
        async with connection.stream(wanted) as rows:
            async for row in rows:
                count += row.statement is not None
                code = _fault(tenant, by, row)
                if code is not None:
                    findings.append(Finding(code=code, about=str(row.patient_id)))
    return count, findings


def _fault(tenant: Tenant, by: Signers, row: Any) -> str | None:
    if row.statement is None:
        return "CERTIFICATE_MISSING"
    try:
        said = verify(row.statement, bytes(row.signature), by.named(row.key_id))
    except BrokenIntegrity as broken:
        return broken.code
    is_erased = row.state == DossierState.PURGED.value and row.wrapped_key is None
    is_of_this = (said.get("tenant"), said.get("record")) == (tenant.id, str(row.patient_id))
    return None if is_erased and is_of_this else "CERTIFICATE_UNTRUE"
