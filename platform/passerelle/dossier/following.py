"""Following a record while connected: what arrives in it, and who reads it (L.1111-17, L.1111-19).

Who begins to follow opens the record, or its journal: that is decided and journalled once. Then each thing is decided
anew at the instant when it is told, by what decides everywhere; a document that is told of is a reading of its own.
What this reader may not know of leaves no trace, not even in the journal: he did not ask for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Select, Text, Uuid, bindparam, cast, func, literal, not_, select

from passerelle.audit import journal
from passerelle.audit.feed import Fresh, FreshLines
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, reach, reading, refusals, traces, visits
from passerelle.dossier.events import DocumentMetadataChanged, DocumentMoved, DocumentPublished
from passerelle.dossier.tables import document
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Refused
from passerelle_policies.decision import Facts, decide
from passerelle_policies.vocabulary import Action, ActorKind, Kind


class Arrival(StrEnum):
    """How a document came before this reader."""

    FILED = "filed"
    MOVED = "moved"
    SHOWN = "shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A document that arrived, as this reader sees it; `document` has the names in `reading.SHOWN`."""

    how: Arrival
    document: dict[str, Any]


#: To whom an act upon an entry shows what he may not have known of.
_SHOWN_TO: Final = {
    Action.UNMASK.value: ActorKind.PROFESSIONAL,
    Action.SHOW_TO_PATIENT.value: ActorKind.PERSON,
    Action.SHOW_TO_REPRESENTATIVES.value: ActorKind.PERSON,
}


async def begin(context: Context, patient_id: UUID, kind: Kind) -> None:
    """Open a record (DOSSIER) or its journal (JOURNAL) to follow it; journalled. Refused as opening it."""
    async with transaction(context) as act:
        await access.require(act, patient_id, kind, Action.READ)


async def must_still(context: Context, patient_id: UUID, kind: Kind) -> None:
    """Refused, with the same codes, once the right to it has ended. Nothing is journalled: nothing is read."""
    row = (await context.tenant.database.fetch(_STANDING, _about(context, patient_id)))[0]
    _decide(context, access.facts_from(context, dict(zip(_STANDING.columns, row, strict=True))), kind)


async def arrival(context: Context, patient_id: UUID, fresh: Fresh) -> Arrived | None:
    """The document that an event brings to this reader, journalled as a reading of it; none when it brings him none."""
    how, document_id = _arrival(context, patient_id, fresh)
    if how is None:
        return None
    parameters = {
        **_about(context, patient_id),
        **reach.reach_parameters(context, Kind.DOCUMENT, Action.READ),
        **reach.verdict_parameters(context),
        **journal.parameters(context),
        "document_id": document_id,
    }
    row = (await context.tenant.database.fetch(_ARRIVED, parameters))[0]
    said = dict(zip(_ARRIVED.columns, row, strict=True))
    return Arrived(how=how, document=said["document"]) if said["allowed"] else None


async def lines(context: Context, patient_id: UUID, line_ids: Sequence[int]) -> list[dict[str, Any]]:
    """Those lines of a journal that its reader is shown, oldest first, as `traces.read_traces` gives them.

    Reading on is not journalled again. Refused: ACCESS_REFUSED.
    """
    async with context.tenant.database.transaction() as connection:
        act = Act(context, connection, context.clock.now())
        standing = await access.standing_of(context, connection, patient_id)
        _decide(context, standing.facts, Kind.JOURNAL)
        found = await journal.page(
            connection,
            patient_id,
            first=len(line_ids),
            but_about=reading.out_of_sight(act, patient_id, standing),
            but_visits=visits.for_reader(standing, patient_id),
            but_kinds=traces.kinds_kept_from(standing),
            chosen=FreshLines(line_ids=line_ids),
        )
    return [traces.told(each, context.tenant.parameters) for each in reversed(found)]


def _arrival(context: Context, patient_id: UUID, fresh: Fresh) -> tuple[Arrival | None, UUID | None]:
    said = fresh.payload
    if fresh.name == DocumentPublished.name:
        return Arrival.FILED, UUID(said["document_id"])
    if fresh.name == DocumentMoved.name and said["to_patient_id"] == str(patient_id):
        return Arrival.MOVED, UUID(said["to_document_id"])
    if fresh.name == DocumentMetadataChanged.name and _SHOWN_TO.get(said["act"]) is context.actor.kind:
        return Arrival.SHOWN, UUID(said["document_id"])
    return None, None


def _about(context: Context, patient_id: UUID) -> dict[str, Any]:
    return {**access.facts_parameters(context), "access_patient_id": patient_id}


def _decide(context: Context, facts: Facts, kind: Kind) -> None:
    decision = decide(facts, kind, Action.READ, overrides=context.tenant.parameters)
    if not decision.allowed:
        raise Refused(refusals.code_told(decision, facts, kind, Action.READ))


_PATIENT = bindparam("access_patient_id", type_=Uuid())
_STANDING = Statement(access.facts_row(_PATIENT))


def _arrived() -> Select[Any]:
    """Facts, verdict on one document of a record, and, only when it may be read, its row and a journal line."""
    document_id = bindparam("document_id", type_=Uuid())
    facts = access.facts_row(_PATIENT).cte("facts")
    reaching = reach.reach_lines(facts)
    entry, it = document.alias("entry"), document.alias("it")
    found = (
        select(*reading.shown_of(entry, facts, reaching), reach.rule_showing(entry, reaching).label("rule"))
        .where(
            entry.c.patient_id == _PATIENT,
            entry.c.document_id == document_id,
            reach.visible(entry, facts, reaching),
        )
        .cte("found")
    )
    asked = (
        select(*reach.document_facts(it, facts))
        .where(it.c.patient_id == _PATIENT, it.c.document_id == document_id)
        .cte("asked")
    )
    verdict = reach.document_verdict(facts, asked, select(found.c.rule).scalar_subquery())
    journal_line = journal.written_by(
        verdict,
        unless=not_(verdict.c.allowed),
        returning=(),
        patient_id=verdict.c.patient_id,
        kind=literal(Kind.DOCUMENT.value, Text()),
        action=literal(Action.READ.value, Text()),
        document_id=cast(document_id, Uuid()),
        **reach.verdict_columns(verdict, reach.in_journal(asked)),
    )
    shown = select(*(each for each in found.c if each.name != "rule")).subquery("shown")
    return select(
        verdict.c.allowed,
        select(func.row_to_json(shown.table_valued())).scalar_subquery().label("document"),
        select(journal_line.c.line_id).scalar_subquery().label("line_id"),
    ).select_from(verdict)


_ARRIVED = Statement(_arrived())
