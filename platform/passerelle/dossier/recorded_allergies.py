"""The allergies that documents of a record tell, out of those that the actor may read, without showing any.

Sources: CI-SIS, section 48765-2 of structured documents; CSP L.1111-17. A document that he may not know of counts as
one that does not exist. Each document that is opened has its line in the journal, as a reading of its content.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum, auto
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    DateTime,
    Integer,
    Select,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    func,
    literal,
    null,
    select,
    true,
)

from passerelle.audit import journal
from passerelle.dossier import access, reach
from passerelle.dossier.contents import content_binding
from passerelle.dossier.documents import CONTENT
from passerelle.dossier.formats.allergies import Allergy, allergies
from passerelle.dossier.tables import document, dossier
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import BrokenIntegrity, InvalidInput, TryLater
from passerelle.kernel.keys import DossierKey
from passerelle_policies.vocabulary import Action, DocumentStatus, Kind

_STRUCTURED = "text/xml"


@dataclass(frozen=True, slots=True)
class ToldAllergy:
    """One allergy, and the legal day of the document that tells it."""

    allergy: Allergy
    told_on: date


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAllergies:
    """What the documents tell, each allergy by its newest document; those that no longer hold are left out.

    `is_reachable`: some rule lets the actor read documents of this record. `documents` were to be opened, `unreadable`
    of them could not be read, and `away` could not be fetched for now.
    """

    is_reachable: bool
    documents: int
    unreadable: int
    away: int
    told: tuple[ToldAllergy, ...]


def _sources() -> Select[Any]:
    patient_id = bindparam("access_patient_id", type_=Uuid())
    facts = access.facts_row(patient_id).cte("facts").prefix_with("materialized", dialect="postgresql")
    lines = reach.reach_lines(facts)
    kept = {each.name: each for each in reach.document_facts(document, facts) if each.name != "is_deleted"}
    about = func.jsonb_build_object(*(part for name, each in kept.items() for part in (literal(name, Text()), each)))
    source = (
        select(
            facts,
            document.c.document_id,
            document.c.content_name,
            document.c.act_at,
            true().label("allowed"),
            null().label("code"),
            reach.rule_showing(document, lines).label("rule"),
            about.label("about"),
        )
        .select_from(facts)
        .join(document, document.c.patient_id == facts.c.patient_id)
        .where(
            document.c.type_code == any_(bindparam("allergy_types", type_=ARRAY(Text()))),
            document.c.mime_type == _STRUCTURED,
            reach.visible(document, facts, lines),
            reach.shown_status(document, facts, lines) == DocumentStatus.CURRENT.value,
        )
        .order_by(document.c.act_at.desc(), document.c.document_id.desc())
        .limit(bindparam("allergy_documents", type_=Integer()))
        .cte("source")
    )
    since = bindparam("same_reading_since", type_=DateTime(timezone=True))
    journal_line = journal.written_by(
        source,
        unless=journal.has_line_since(source.c.patient_id, source.c.document_id, literal(CONTENT), since),
        returning=(),
        patient_id=source.c.patient_id,
        kind=literal(CONTENT),
        action=literal(Action.READ.value),
        document_id=source.c.document_id,
        **reach.verdict_columns(source, source.c.about),
    )
    listed = func.json_agg(func.json_build_array(source.c.document_id, source.c.content_name, source.c.act_at))
    opened = select(listed).select_from(source).scalar_subquery()
    by_relation = select(literal(1)).select_from(lines).where(lines.c.by_relation).exists()
    return (
        select(
            and_(reach.serves(facts), by_relation).label("is_reachable"),
            opened.label("sources"),
            select(case((opened.is_not(None), dossier.c.wrapped_key)))
            .where(dossier.c.patient_id == facts.c.patient_id)
            .scalar_subquery()
            .label("wrapped_key"),
        )
        .select_from(facts)
        .add_cte(journal_line)
    )


_SOURCES = Statement(_sources())


async def recorded_allergies(context: Context, patient_id: UUID) -> RecordedAllergies:
    """The allergies that the newest documents tell which this actor may read; nothing of any other."""
    pack, overrides = access.pack_in(context), context.tenant.parameters
    same_reading = timedelta(minutes=access.number(context, "journal.same_reading_minutes"))
    parameters = {
        **access.facts_parameters(context),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **reach.verdict_parameters(context),
        **journal.parameters(context),
        "access_patient_id": patient_id,
        "allergy_types": str(pack.parameter("allergies.document_types", overrides)).split(),
        "allergy_documents": access.number(context, "allergies.documents_max"),
        "same_reading_since": context.clock.now() - same_reading,
    }
    row = (await context.tenant.database.fetch(_SOURCES, parameters))[0]
    said = dict(zip(_SOURCES.columns, row, strict=True))
    sources = said["sources"] or []
    if not sources:
        return RecordedAllergies(is_reachable=said["is_reachable"], documents=0, unreadable=0, away=0, told=())
    key = context.tenant.keys.dossier_key(context.tenant.id, patient_id, bytes(said["wrapped_key"]))
    read = await asyncio.gather(*(_told(context, key, UUID(name), content) for name, content, _ in sources))
    told: dict[tuple[str | None, str], ToldAllergy] = {}
    for found, (_, _, act_at) in zip(read, sources, strict=True):
        day = datetime.fromisoformat(act_at).astimezone(PARIS).date()
        for each in found if isinstance(found, list) else ():
            told.setdefault((each.code, each.label), ToldAllergy(each, day))
    return RecordedAllergies(
        is_reachable=said["is_reachable"],
        documents=len(sources),
        unreadable=read.count(_Unread.UNREADABLE),
        away=read.count(_Unread.AWAY),
        told=tuple(each for each in told.values() if each.allergy.status != "inactive"),
    )


class _Unread(Enum):
    """Why a document told nothing."""

    UNREADABLE = auto()
    AWAY = auto()


async def _told(context: Context, key: DossierKey, document_id: UUID, content: str) -> list[Allergy] | _Unread:
    """What one document tells, when its content is there, whole, and a structured document that we read."""
    if not content:  # kept by another network
        return _Unread.AWAY
    tenant = context.tenant
    binding = content_binding(tenant.id, document_id)
    try:
        octets = b"".join([piece async for piece in tenant.contents.read(content, key, binding)])
        return await asyncio.to_thread(allergies, octets)
    except TryLater:
        return _Unread.AWAY
    except (BrokenIntegrity, InvalidInput):
        return _Unread.UNREADABLE
