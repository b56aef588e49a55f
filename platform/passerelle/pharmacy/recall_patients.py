"""Whom a pharmacy gave what is recalled: its own patients, out of its own dispensing alone (decision 0113).

Each is decided upon by himself: one whose pharmacy record is not open, or who closed it to this professional, is left
out, and so is one who died. Each who is shown reads of it in his journal.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.identities import civil_status, patients
from passerelle.identities.patients import Patient
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict
from passerelle.pharmacy import windows
from passerelle.pharmacy.access import facts_of
from passerelle.pharmacy.recalls import concerns, pharmacy_of
from passerelle.pharmacy.tables import dispensation, dispensation_line, recall, recall_delivery
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """What was handed over. Without a batch, it may be of those recalled or not."""

    dispensed_on: date
    label: str
    batch: str | None
    pharmacy_number: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Concerned:
    """A patient, and what he was given."""

    patient: Patient
    handed: tuple[Handed, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcernedPage:
    patients: tuple[Concerned, ...]
    has_next: bool


async def concerned_patients(act: Act, recall_id: UUID, *, first: int, after: UUID | None = None) -> ConcernedPage:
    """The patients of the actor's pharmacy whom a recall concerns, in the order of their ids, `after` one of them.

    Refused: PLACE_MISSING; ACCESS_REFUSED but to a pharmacist; RECALL_UNKNOWN as `recalls.acknowledge`.
    """
    pharmacy = pharmacy_of(act.context)
    await access.require(act, journal.NOBODY, Kind.RECALL, Action.READ)
    if not (await act.connection.execute(select(is_received(literal(recall_id), literal(pharmacy))))).scalar_one():
        raise Conflict("RECALL_UNKNOWN")
    shown: list[Concerned] = []
    async for row in _candidates(act, recall_id, pharmacy, after, at_once=first + 1):
        facts = await facts_of(act, row.patient_id, Kind.RECALL)
        decision = decide(facts, Kind.RECALL, Action.FIND, overrides=act.context.tenant.parameters)
        if not decision.allowed:
            continue
        if len(shown) == first:
            return ConcernedPage(patients=tuple(shown), has_next=True)
        said = access.line(decision, Kind.RECALL, Action.FIND, row.patient_id, facts)
        await journal.append(act.connection, act.context, said)
        known = await patients.by_id(act, row.patient_id)
        if known is not None:
            shown.append(Concerned(patient=known, handed=tuple(_handed(each) for each in row.handed)))
    return ConcernedPage(patients=tuple(shown), has_next=False)


def is_received(recall_id: ColumnElement[UUID], pharmacy: ColumnElement[str]) -> ColumnElement[bool]:
    """SQL condition: a recall has come to a pharmacy."""
    return (
        select(literal(1))
        .where(
            recall_delivery.c.recall_id == recall_id,
            recall_delivery.c.pharmacy == pharmacy,
            recall_delivery.c.delivered_at.is_not(None),
        )
        .exists()
    )


async def _candidates(
    act: Act, recall_id: UUID, pharmacy: str, after: UUID | None, *, at_once: int
) -> AsyncIterator[Row[Any]]:
    """Those to decide upon, in order, with what each was given."""
    today = legal_day(act.context.clock)
    while True:
        asked = given_to(literal(recall_id), literal(pharmacy), literal(after or journal.NOBODY), literal(today))
        rows = (await act.connection.execute(asked.limit(at_once), windows.parameters(today))).all()
        for row in rows:
            yield row
        if len(rows) < at_once:
            return
        after = rows[-1].patient_id


def given_to(
    recall_id: ColumnElement[UUID], pharmacy: ColumnElement[str], after: ColumnElement[UUID], today: ColumnElement[date]
) -> Select[Any]:
    """The living patients whom a pharmacy gave what is recalled, in order and past `after`, with what each was given;
    bind values of `windows.parameters`."""
    own = and_(
        dispensation.c.patient_id == dispensation_line.c.patient_id,
        dispensation.c.dispensation_id == dispensation_line.c.dispensation_id,
        dispensation.c.pharmacy == pharmacy,
        dispensation.c.status == "current",
    )
    handed = func.jsonb_build_array(
        dispensation_line.c.dispensed_on,
        dispensation_line.c.label,
        dispensation_line.c.batch,
        dispensation.c.pharmacy_number,
    )
    patient_id = dispensation_line.c.patient_id
    return (
        select(
            patient_id,
            func.jsonb_agg(
                aggregate_order_by(handed, dispensation_line.c.dispensed_on.desc(), dispensation_line.c.number)
            ).label("handed"),
        )
        .select_from(dispensation_line.join(recall, concerns(dispensation_line)).join(dispensation, own))
        .where(recall.c.recall_id == recall_id, patient_id > after, civil_status.is_alive(patient_id, today))
        .group_by(patient_id)
        .order_by(patient_id)
    )


def _handed(said: list[str]) -> Handed:
    day, label, batch, number = said
    return Handed(dispensed_on=date.fromisoformat(day), label=label, batch=batch, pharmacy_number=number)
