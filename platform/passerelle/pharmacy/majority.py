"""Whoever comes of age is told anew of the pharmacy record that others decided for him (CSP R.1111-20-1)."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from sqlalchemy import literal, not_, select

from passerelle.audit.transactions import transaction
from passerelle.dossier import access
from passerelle.identities import civil_status
from passerelle.kernel.context import Context
from passerelle.notices.kinds import NoticeKind
from passerelle.notices.posting import is_posted, post
from passerelle.pharmacy.tables import pharmacy_record
from passerelle_policies.vocabulary import ActorKind

_AT_ONCE: Final = 100
_KEY: Final = NoticeKind.PHARMACY_RECORD_MAJORITY.value


async def inform_anew(context: Context) -> int:
    """Tell those who came of age and have a pharmacy record in any state, each once and however late; how many. For a
    task of ours."""
    told, after = 0, None
    while batch := await _next(context, after):
        told, after = told + len(batch), batch[-1]
    return told


async def _next(context: Context, after: UUID | None) -> list[UUID]:
    """Tell the next ones in the order of their ids; who they are."""
    grown = civil_status.grown_up(access.of_age_born_by(context), access.number(context, "majority.years")).subquery()
    wanted = (
        select(pharmacy_record.c.patient_id, grown.c.person_key)
        .join(grown, grown.c.patient_id == pharmacy_record.c.patient_id)
        .where(not_(is_posted(pharmacy_record.c.patient_id, literal(_KEY))))
    )
    if after is not None:
        wanted = wanted.where(pharmacy_record.c.patient_id > after)
    async with transaction(context) as act:
        found = await act.connection.execute(
            wanted.order_by(pharmacy_record.c.patient_id)
            .limit(_AT_ONCE)
            .with_for_update(of=pharmacy_record, skip_locked=True)
        )
        rows = found.all()
        for row in rows:
            await post(
                act,
                recipient=f"{ActorKind.PERSON}:{row.person_key}",
                key=_KEY,
                kind=NoticeKind.PHARMACY_RECORD_MAJORITY,
                patient_id=row.patient_id,
            )
    return [row.patient_id for row in rows]
