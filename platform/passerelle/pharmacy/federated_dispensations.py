"""What pharmacies of another network dispensed to a patient, entered in his pharmacy record at home.

Each version of a dispensation is a state of its own: what it was of never changes, whether it stands does. It is read
and checked like those of here, within the same windows and while the record is open; only its network changes it. What
is past its storage by the rules of home is not entered. Sources: CSP L.1111-23, R.1111-20-4; decision 0135.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    ColumnElement,
    Date,
    Select,
    Text,
    and_,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier.federated_bundles import APPLIED, LATER
from passerelle.identities import patients
from passerelle.kernel.clock import legal_day
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle.pharmacy import storage
from passerelle.pharmacy.tables import dispensation, dispensation_line, pharmacy_record
from passerelle_policies.vocabulary import PharmacyRecordState

#: Its number names something else here: the pharmacy belongs to both networks and said two things under one number.
NUMBER_TAKEN: Final = "FEDERATION_DISPENSATION_NUMBER_TAKEN"
#: It is another network's than the one that speaks of it, or another patient's.
ANOTHERS: Final = "FEDERATION_DISPENSATION_OF_ANOTHER"
_NEW, _CHANGED = "new", "changed"
_CANCELLED, _CORRECTED = "cancelled", "corrected"
#: He wants none here: nothing of it is entered.
_UNWANTED: Final = (PharmacyRecordState.OBJECTED.value, PharmacyRecordState.CLOSED.value)

_END: Final = ("status", "ended_at", "ended_by", "end_reason")
_CARRIED: Final = (
    "pharmacy", "pharmacy_number", "version", "dispensed_at", "dispensed_by", "prescriber_rpps", "prescriber_name",
    "prescribed_on", "prescription_number", "document_version", "fingerprint", "recorded_at", *_END,
)  # fmt: skip
_OF_LINE: Final = tuple(each.name for each in dispensation_line.c if each.name not in ("patient_id", "dispensation_id"))


async def gather(connection: AsyncConnection, dispensation_ids: Sequence[UUID], versions: Sequence[int]) -> str:
    """JSON text: of each version of a dispensation that was recorded here, itself and its lines; `gone` once erased."""
    return await bundles.gather(connection, _GATHERED, bundles.owed_values(dispensation_ids, versions))


async def apply(act: Act, from_tenant: str, items: str) -> Mapping[UUID, str]:
    """Enter, end or let stand what another network gathered; by dispensation what became of it.

    `later` while the patient is not known here; NUMBER_TAKEN; ANOTHERS. What says the same under the same number is one
    dispensation: what was here stays, and that is `applied`, as it is of one who objected to his record or closed it.
    """
    today = legal_day(act.context.clock)
    gone = storage.past(today)
    given = bundles.values(act, from_tenant, items) | {
        "past_classes": [each.product_class.value for each in gone],
        "past_since": [each.since for each in gone],
        "past_until": [each.until for each in gone],
    }
    rows = await run(act.connection, _APPLIED, given)
    return {each.id: each.answer for each in rows}


async def whose(act: Act, dispensation_ids: Sequence[UUID]) -> Mapping[UUID, list[UUID]]:
    """By patient, those of these dispensations that another network recorded."""
    found = select(dispensation.c.patient_id, dispensation.c.dispensation_id).where(
        dispensation.c.dispensation_id.in_(dispensation_ids), dispensation.c.origin.is_not(None)
    )
    theirs: dict[UUID, list[UUID]] = {}
    for row in await act.connection.execute(found):
        theirs.setdefault(row.patient_id, []).append(row.dispensation_id)
    return theirs


async def withdraw(act: Act, patient_id: UUID, dispensation_ids: Sequence[UUID] | None = None) -> None:
    """Show no more what other networks dispensed, all or these: home is elsewhere, and keeps it up to date. What their
    networks send next says anew whether it stands."""
    elsewhere = [dispensation.c.patient_id == patient_id, dispensation.c.origin.is_not(None)]
    if dispensation_ids is not None:
        elsewhere.append(dispensation.c.dispensation_id.in_(dispensation_ids))
    ended = {"status": _CANCELLED, "ended_at": act.now, "ended_by": act.context.actor.subject, "end_reason": None}
    await act.connection.execute(update(dispensation).where(*elsewhere).values(**ended))


def kept_here(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The dispensations of a patient that pharmacies of this network recorded (`object_id`)."""
    return select(dispensation.c.dispensation_id.label("object_id")).where(
        dispensation.c.patient_id == patient_id, dispensation.c.origin.is_(None)
    )


def _gathered() -> Select[Any]:
    owed, person = bundles.owed(), patients.identity()
    line = select(*(dispensation_line.c[name] for name in _OF_LINE)).where(
        dispensation_line.c.patient_id == dispensation.c.patient_id,
        dispensation_line.c.dispensation_id == dispensation.c.dispensation_id,
    )
    part = line.correlate(dispensation).subquery("line")
    is_gone = or_(dispensation.c.dispensation_id.is_(None), person.c.person_key.is_(None))
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((is_gone, True)).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            *(dispensation.c[name].label(_said(name)) for name in _CARRIED),
            select(func.json_agg(func.row_to_json(part.table_valued()))).scalar_subquery().label("lines"),
        )
        .select_from(owed)
        .outerjoin(dispensation, (dispensation.c.dispensation_id == owed.c.id) & dispensation.c.origin.is_(None))
        .outerjoin(person, person.c.patient_id == dispensation.c.patient_id)
    )


def _types() -> dict[str, TypeEngine[Any]]:
    carried = {_said(name): _plain(dispensation.c[name].type) for name in _CARRIED}
    return carried | {"lines": JSON()}


def _plain(type_: TypeEngine[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(type_, Text) else type_


def _said(name: str) -> str:
    return "number_version" if name == "version" else name  # beside the version of the state


def _said_lines(lines: ColumnElement[Any]) -> Any:
    return (
        func.json_to_recordset(lines)
        .table_valued(*(column(name, _plain(dispensation_line.c[name].type)) for name in _OF_LINE))
        .render_derived(name="said_line", with_types=True)
        .lateral()
    )


def _is_stored(line: Any) -> ColumnElement[bool]:
    """SQL condition: its storage is not over by the rules of here."""
    given = (
        func.unnest(
            bindparam("past_classes", type_=ARRAY(Text())),
            bindparam("past_since", type_=ARRAY(Date())),
            bindparam("past_until", type_=ARRAY(Date())),
        )
        .table_valued(column("product_class", Text()), column("since", Date()), column("until", Date()))
        .render_derived(name="past")
    )
    return not_(
        select(literal(1))
        .select_from(given)
        .where(
            line.c.product_class == given.c.product_class,
            line.c.dispensed_on >= given.c.since,
            line.c.dispensed_on < given.c.until,
        )
        .exists()
    )


def _products(line: Any) -> ColumnElement[Any]:
    of_one = func.concat_ws("|", line.c.number, line.c.cip13, line.c.label, func.trim_scale(line.c.quantity))
    return func.array_agg(aggregate_order_by(of_one, line.c.number))


def _says_the_same(given: CTE, numbered: Any) -> ColumnElement[bool]:
    """SQL condition: what is under this number here was dispensed at that instant, product for product."""
    here = dispensation_line.alias("here")
    kept = select(_products(here)).where(
        here.c.patient_id == numbered.c.patient_id, here.c.dispensation_id == numbered.c.dispensation_id
    )
    said = select(_products(_said_lines(given.c.lines)))
    return and_(numbered.c.dispensed_at == given.c.dispensed_at, kept.scalar_subquery() == said.scalar_subquery())


def _placed() -> CTE:
    """Each dispensation of a bundle beside what is here, and what to answer."""
    given, people = bundles.given(_types()), bundles.people()
    held, numbered = dispensation.alias("held"), dispensation.alias("numbered")
    line = _said_lines(given.c.lines)
    is_another = or_(
        held.c.origin.is_distinct_from(bundles.FROM_TENANT), held.c.patient_id.is_distinct_from(people.c.patient_id)
    )
    is_same = and_(numbered.c.patient_id == people.c.patient_id, _says_the_same(given, numbered))
    answer = case(
        (given.c.gone, APPLIED),
        (people.c.patient_id.is_(None), LATER),
        (held.c.dispensation_id.is_not(None), case((is_another, ANOTHERS), else_=_CHANGED)),
        (numbered.c.dispensation_id.is_not(None), case((is_same, APPLIED), else_=NUMBER_TAKEN)),
        (pharmacy_record.c.state.in_(_UNWANTED), APPLIED),
        (not_(select(literal(1)).select_from(line).where(_is_stored(line)).exists()), APPLIED),
        else_=_NEW,
    )
    is_of_number = and_(
        numbered.c.pharmacy == given.c.pharmacy,
        numbered.c.pharmacy_number == given.c.pharmacy_number,
        numbered.c.version == given.c.number_version,
    )
    return (
        select(*given.c, people.c.patient_id, answer.label("answer"))
        .select_from(given)
        .outerjoin(people, bundles.is_said_of(given, people))
        .outerjoin(pharmacy_record, pharmacy_record.c.patient_id == people.c.patient_id)
        .outerjoin(held, held.c.dispensation_id == given.c.id)
        .outerjoin(numbered, is_of_number)
        .cte("placed")
        .prefix_with("materialized", dialect="postgresql")
    )


def _applied() -> Select[Any]:
    placed = _placed()
    row = {
        "patient_id": placed.c.patient_id,
        "dispensation_id": placed.c.id,
        **{name: placed.c[_said(name)] for name in _CARRIED},
        "origin": bundles.FROM_TENANT,
    }
    # Only who won the number enters: what a pharmacy of here recorded under it in the same instant stands.
    entered = (
        upsert(dispensation)
        .from_select(list(row), select(*row.values()).where(placed.c.answer == _NEW))
        .on_conflict_do_nothing()
        .returning(dispensation.c.dispensation_id)
        .cte("entered")
    )
    is_entered = placed.c.id.in_(select(entered.c.dispensation_id))
    line = _said_lines(placed.c.lines)
    lines = insert(dispensation_line).from_select(
        ["patient_id", "dispensation_id", *_OF_LINE],
        select(placed.c.patient_id, placed.c.id, *(line.c[name] for name in _OF_LINE))
        .select_from(placed.join(line, true()))
        .where(is_entered, _is_stored(line)),
    )
    changed = (
        update(dispensation)
        .values(**{name: placed.c[name] for name in _END})
        .where(
            dispensation.c.patient_id == placed.c.patient_id,
            dispensation.c.dispensation_id == placed.c.id,
            placed.c.answer == _CHANGED,
        )
    )
    return select(
        placed.c.id,
        placed.c.patient_id,
        case(
            (placed.c.answer == _CHANGED, APPLIED),
            (placed.c.answer == _NEW, case((is_entered, APPLIED), else_=LATER)),
            else_=placed.c.answer,
        ).label("answer"),
    ).add_cte(lines.cte("lines"), changed.cte("changed"), _superseded(placed, is_entered).cte("superseded"))


def _superseded(placed: CTE, is_entered: ColumnElement[bool]) -> Any:
    """End what a correction takes the place of, should that arrive first."""
    said = select(placed.c.id)
    return (
        update(dispensation)
        .values(status=_CORRECTED, ended_at=placed.c.recorded_at, ended_by=placed.c.dispensed_by)
        .where(
            is_entered,
            dispensation.c.patient_id == placed.c.patient_id,
            dispensation.c.pharmacy == placed.c.pharmacy,
            dispensation.c.pharmacy_number == placed.c.pharmacy_number,
            dispensation.c.version < placed.c.number_version,
            dispensation.c.origin == bundles.FROM_TENANT,
            dispensation.c.status == "current",
            dispensation.c.dispensation_id.not_in(said),
        )
    )


_GATHERED: Final = Statement(_gathered())
_APPLIED: Final = Statement(_applied())
