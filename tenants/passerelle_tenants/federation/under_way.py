"""Where what was decided of a document is still on its way: for the patient and for whoever decided it, nobody else.

Until the network that keeps a document has acknowledged, it may still show there what was masked here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from passerelle.audit import outbox
from passerelle.audit.transactions import transaction
from passerelle.dossier import access, marks
from passerelle.kernel.context import Context
from passerelle_policies.vocabulary import Action
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.tables import federation_out, federation_peer


@dataclass(frozen=True, slots=True, kw_only=True)
class UnderWay:
    """A network that has not yet acknowledged what was decided here, and since when it is owed."""

    network: str
    name: str
    since: datetime


async def under_way(context: Context, document_id: UUID) -> list[UnderWay]:
    """The networks that a decision about a document has not reached; a reading of it, journalled as such.

    None for who is neither the patient nor decided it last: as if nothing were on its way. Refused: DOCUMENT_UNKNOWN.
    """
    async with transaction(context) as act:
        row = await access.require_document(act, document_id, Action.READ)
        if not await marks.may_follow(act, row):
            return []
        owed = select(federation_out.c.to_tenant, federation_out.c.since).where(
            federation_out.c.kind == DocumentMarks.kind,
            federation_out.c.object_id == document_id,
            federation_out.c.acked_version < federation_out.c.version,
        )
        since = {each.to_tenant: each.since for each in await act.connection.execute(owed)}
        # What nobody looked at yet since it was decided: seconds at most.
        fresh = outbox.unaddressed_about(row.patient_id, "document_id", str(document_id))
        for each in await act.connection.execute(fresh):
            if (origin := each.payload.get("origin")) is not None:
                since[origin] = min(each.at, since.get(origin, each.at))
        names = select(federation_peer.c.tenant_id, federation_peer.c.name)
        known = {each.tenant_id: each.name for each in await act.connection.execute(names)}
    return [
        UnderWay(network=network, name=known.get(network, network), since=at) for network, at in sorted(since.items())
    ]
