"""Visits of a minor that his representatives are not to learn of (CSP R.1111-50): what hides a document hides them.

A professional's lines in the journal on the legal day on which he filed a document that is hidden from the
representatives, or wrote one about an act of that day, tell of the visit as the document would. They come back when it
is shown. An emergency is told of all the same (R.1111-48), without the reason in the professional's own words.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, and_, func, literal, not_, select, union_all

from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.tables import document, document_author, emergency_access
from passerelle.kernel.clock import PARIS
from passerelle_policies.vocabulary import ActorKind, Relation

_PROFESSIONAL = f"{ActorKind.PROFESSIONAL}:"


def out_of_sight(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The visits to keep from representatives: `actor_id`, from `since` until `until`, excluded."""
    hidden = and_(document.c.patient_id == patient_id, document.c.hidden_from_representatives)
    filed = select(
        func.substr(document.c.filed_by, len(_PROFESSIONAL) + 1).label("actor_id"), *_day(document.c.filed_at)
    )
    of_his_act = select(document_author.c.author_id, *_day(document.c.act_at)).join(
        document,
        and_(
            document.c.patient_id == document_author.c.patient_id,
            document.c.document_id == document_author.c.document_id,
        ),
    )
    visits = union_all(
        filed.where(hidden, document.c.filed_by.startswith(_PROFESSIONAL, autoescape=True)).correlate_except(document),
        of_his_act.where(hidden).correlate_except(document, document_author),
    ).subquery("visit")
    return select(visits)


def for_reader(standing: access.Standing, patient_id: UUID) -> Select[Any] | None:
    """`out_of_sight` for whoever reads as a representative; nothing for anybody else."""
    held = standing.facts.relations
    if Relation.REPRESENTATIVE not in held or Relation.PATIENT in held:
        return None
    return out_of_sight(literal(patient_id))


async def emergencies_without_reason(act: Act, patient_id: UUID) -> frozenset[UUID]:
    """The emergency accesses whose reason this reader is not shown."""
    visits = for_reader(await access.standing_of(act.context, act.connection, patient_id), patient_id)
    if visits is None:
        return frozenset()
    found = select(emergency_access.c.access_id).where(
        emergency_access.c.patient_id == patient_id, was_on(visits, emergency_access)
    )
    return frozenset((await act.connection.execute(found)).scalars())


def is_kept_from(facts: CTE, patient_id: ColumnElement[UUID], entry: Any) -> ColumnElement[bool]:
    """SQL condition: this reader is not shown the reason of a row of `emergency_access`; `for_reader`, in SQL."""
    held = [access.holds(facts, each) for each in (Relation.REPRESENTATIVE, Relation.PATIENT)]
    return and_(held[0], not_(held[1]), was_on(out_of_sight(patient_id), entry))


def was_on(visits: Select[Any], entry: Any) -> ColumnElement[bool]:
    """SQL condition: a row of `emergency_access` began on one of these visits."""
    visit = visits.subquery()
    return (
        select(literal(1))
        .where(
            entry.c.subject == _PROFESSIONAL + visit.c.actor_id,
            entry.c.valid_from >= visit.c.since,
            entry.c.valid_from < visit.c.until,
        )
        .exists()
    )


def _day(instant: ColumnElement[Any]) -> tuple[ColumnElement[Any], ColumnElement[Any]]:
    """The legal day of an instant: its beginning and the next one's."""
    begins = func.date_trunc("day", func.timezone(str(PARIS), instant))
    return (
        func.timezone(str(PARIS), begins).label("since"),
        func.timezone(str(PARIS), begins + timedelta(days=1)).label("until"),
    )
