"""Telling the patient of who reads his record: someone new, or the regulation centre (R.1111-48).

Worked out afterwards from the sealed journal, so that no reading waits for it. Readings of a document that is hidden
from the patient count for nothing while it is: a notice must not tell what the journal does not show him.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Subquery,
    and_,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
)

from passerelle.audit.journal import Outcome
from passerelle.audit.sealed import last_leaf, sealed_lines
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access, emergencies, visits
from passerelle.dossier.recipients import people_of
from passerelle.dossier.tables import document
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.notices import watermarks
from passerelle.notices.posting import NoticeKind, post
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode, Relation

AT_ONCE = 1_000
WATERMARK = "newcomers"
_READINGS = (Kind.DOSSIER.value, Kind.DOCUMENT.value, "content")


async def tell_of_readers(context: Context) -> int:
    """Follow the journal to its last sealed line; how many notices were posted. For a task of ours."""
    posted = 0
    while True:
        async with transaction(context) as act:
            start = await watermarks.reached(act, WATERMARK)
            end = min(start + AT_ONCE, await last_leaf(act.connection))
            for row in await _newcomers(act, start, end):
                posted += await _tell_of_newcomer(act, row)
            for row in await _regulators(act, start, end):
                await _tell_of_regulator(act, row)
            if end > start:
                await watermarks.reach(act, WATERMARK, end)
        if end - start < AT_ONCE:
            return posted


async def _newcomers(act: Act, start: int, end: int) -> Sequence[Row[Any]]:
    """The readings after which nobody is new any more: no such reading of the same person came shortly before."""
    line, before = sealed_lines("line"), sealed_lines("before")
    days = timedelta(days=access.number(act.context, "notices.newcomer_days"))
    came_before = exists().where(
        before.c.patient_id == line.c.patient_id,
        before.c.actor_id == line.c.actor_id,
        before.c.leaf_index < line.c.leaf_index,
        before.c.at > line.c.at - days,
        _is_reading(act, before),
    )
    found = (
        select(line, _is_kept_from_representatives(line).label("is_kept"))
        .where(
            line.c.leaf_index > start,
            line.c.leaf_index <= end,
            line.c.mode == Mode.NORMAL.value,
            not_(func.coalesce(line.c.facts["relations"].has_key(Relation.ATTENDING_PHYSICIAN.value), False)),
            _is_reading(act, line),
            ~came_before,
        )
        .order_by(line.c.leaf_index)
    )
    return (await act.connection.execute(found)).all()


async def _regulators(act: Act, start: int, end: int) -> Sequence[Row[Any]]:
    line = sealed_lines("line")
    found = select(line).where(
        line.c.leaf_index > start,
        line.c.leaf_index <= end,
        line.c.mode == Mode.REGULATION_CENTRE.value,
        _is_reading(act, line),
    )
    return (await act.connection.execute(found.order_by(line.c.leaf_index))).all()


def _is_reading(act: Act, line: Subquery) -> ColumnElement[bool]:
    """An allowed reading by a professional, of nothing that is hidden from the patient now."""
    hidden = exists().where(
        document.c.patient_id == line.c.patient_id,
        document.c.document_id == line.c.document_id,
        access.is_hidden_from_patient(document, literal(act.now)),
    )
    return and_(
        line.c.actor_kind == ActorKind.PROFESSIONAL.value,
        line.c.action == Action.READ.value,
        line.c.outcome == Outcome.ALLOWED.value,
        line.c.kind.in_(_READINGS),
        or_(line.c.document_id.is_(None), ~hidden),
    )


def _is_kept_from_representatives(line: Subquery) -> ColumnElement[bool]:
    hidden = exists().where(
        document.c.patient_id == line.c.patient_id,
        document.c.document_id == line.c.document_id,
        document.c.hidden_from_representatives,
    )
    visit = visits.out_of_sight(line.c.patient_id).subquery().lateral()
    is_visit = (
        select(literal(1))
        .select_from(visit)
        .where(visit.c.actor_id == line.c.actor_id, line.c.at >= visit.c.since, line.c.at < visit.c.until)
        .exists()
    )
    return or_(hidden, is_visit)


async def _tell_of_newcomer(act: Act, row: Row[Any]) -> int:
    key = f"newcomer:{row.actor_id}:{row.patient_id}:{row.leaf_index}"
    posted = 0
    for recipient in await people_of(act, row.patient_id, representatives=not row.is_kept):
        posted += await post(
            act,
            recipient=recipient,
            key=key,
            kind=NoticeKind.NEWCOMER,
            patient_id=row.patient_id,
            about={"name": row.actor_name},
        )
    return posted


async def _tell_of_regulator(act: Act, row: Row[Any]) -> None:
    """Once a day for each who regulated."""
    await emergencies.tell(
        act,
        row.patient_id,
        key=f"regulation-centre:{row.actor_id}:{row.patient_id}:{row.at.astimezone(PARIS):%Y-%m-%d}",
        kind=NoticeKind.REGULATION_CENTRE,
        about=emergencies.came(row.actor_name, row.actor_profession, row.actor_establishment),
        but=f"{row.actor_kind}:{row.actor_id}",
    )
