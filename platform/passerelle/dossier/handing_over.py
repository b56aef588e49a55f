"""Home moves from one network to another: what the one decided goes over, and its index of what others keep ends.

Registers (`marks`) are the whole of what home decided. What the new home keeps itself has one side from then on; the
entries of the one that he leaves are withdrawn until a network sends them anew, as if home had come back to it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    ScalarSelect,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit.transactions import Act
from passerelle.dossier import marks
from passerelle.dossier.marks import GROUPS, HOME, MARKS, ORIGIN
from passerelle.dossier.tables import document, document_mark
from passerelle_policies.vocabulary import DocumentStatus

_SAID: Final = ("document_id", "version", "seen", *MARKS, "at")
_PLACE: Final = ("patient_id", "document_id", "side")
_FLAGS: Final = ("masked", "hidden_from_patient", "hidden_from_representatives")


def decided_here(patient_id: ColumnElement[UUID]) -> ScalarSelect[Any]:
    """SQL value (JSON): what was decided here, as home, of each document of a patient."""
    register = document_mark
    said = func.json_build_object(*(part for name in _SAID for part in (name, register.c[name])))
    return (
        select(func.coalesce(func.json_agg(said), cast(literal("[]"), JSON)))
        .where(register.c.patient_id == patient_id, register.c.side == HOME)
        .scalar_subquery()
    )


async def take(act: Act, patient_id: UUID, decisions: str) -> None:
    """Become home: decide from where the network that he leaves had come to (`decided_here`, JSON text).

    What was decided here when it was home before counts no more: it was handed over then.
    """
    await act.connection.execute(
        update(document_mark)
        .where(document_mark.c.patient_id == patient_id, document_mark.c.side == HOME)
        .values(**{name: null() for name in MARKS})
    )
    await act.connection.execute(_taken(), {"patient": patient_id, "decisions": decisions})
    await _follow(act, patient_id)


async def take_late(act: Act, patient_id: UUID, decisions: str) -> None:
    """What the former home still decided while it was handing over; where something was decided here since, it only
    narrows."""
    await act.connection.execute(_taken_late(), {"patient": patient_id, "decisions": decisions})
    await _follow(act, patient_id)


async def withdraw(act: Act, patient_id: UUID, document_ids: Collection[UUID] | None = None) -> None:
    """Show no more the entries of what other networks keep, all or these: they are kept up to date elsewhere.

    Whatever their network sends next is newer than the register that is left of them.
    """
    kept_elsewhere = [document.c.patient_id == patient_id, document.c.origin.is_not(None)]
    if document_ids is not None:
        kept_elsewhere.append(document.c.document_id.in_(document_ids))
    # Locked first: what somebody decides of one at this moment is entered before.
    held = select(document.c.document_id).where(*kept_elsewhere).order_by(document.c.document_id)
    ids = list(await act.connection.scalars(held.with_for_update()))
    values: dict[str, Any] = {name: document.c[name] for name in MARKS}
    values |= {"version": literal(0), "seen": literal(0), "status": literal(DocumentStatus.DELETED.value)}
    await _register_origin(act, document.c.document_id.in_(ids), values, anew=True)
    await marks.settle(act, ids)


async def hold(act: Act, document_ids: Sequence[UUID]) -> None:
    """Let what was handed over of entries before they came be in force."""
    if document_ids:
        await _register_origin(act, document.c.document_id.in_(document_ids), _as_it_is())
        await marks.settle(act, document_ids)


async def decided_since(act: Act, patient_id: UUID, at: Any) -> bool:
    """Whether anything was decided here, as home, at or after an instant."""
    found = select(literal(1)).where(
        document_mark.c.patient_id == patient_id, document_mark.c.side == HOME, document_mark.c.at >= at
    )
    return (await act.connection.execute(found.limit(1))).first() is not None


async def _follow(act: Act, patient_id: UUID) -> None:
    """Have the documents follow of their registers; then what is kept here has one side again."""
    register = document_mark
    touched = select(register.c.document_id).where(
        register.c.patient_id == patient_id,
        register.c.side == HOME,
        or_(*(register.c[name].is_not(None) for name in GROUPS)),
    )
    ids = list(await act.connection.scalars(touched))
    await _register_origin(act, document.c.document_id.in_(ids), _as_it_is())
    await marks.settle(act, ids)
    ours = and_(document.c.patient_id == patient_id, document.c.origin.is_(None), document.c.document_id.in_(ids))
    await _register_origin(act, ours, _as_it_is(), anew=True)
    await act.connection.execute(
        update(register)
        .where(
            register.c.patient_id == patient_id,
            register.c.side == HOME,
            register.c.document_id.in_(select(document.c.document_id).where(ours)),
        )
        .values(**{name: null() for name in MARKS})
    )


def _as_it_is() -> dict[str, Any]:
    values: dict[str, Any] = {name: document.c[name] for name in MARKS}
    return values | {"version": document.c.metadata_version, "seen": literal(0)}


async def _register_origin(act: Act, which: ColumnElement[bool], values: dict[str, Any], *, anew: bool = False) -> None:
    """Write the origin's register of documents out of their rows, where there is none or `anew`."""
    row = {
        "patient_id": document.c.patient_id,
        "document_id": document.c.document_id,
        "side": literal(ORIGIN),
        **values,
        "at": literal(act.now, DateTime(timezone=True)),
    }
    new = upsert(document_mark).from_select(list(row), select(*row.values()).where(which))
    if anew:
        said = {name: new.excluded[name] for name in row if name not in _PLACE}
        await act.connection.execute(new.on_conflict_do_update(index_elements=list(_PLACE), set_=said))
    else:
        await act.connection.execute(new.on_conflict_do_nothing())


def _given() -> Any:
    types = {name: document_mark.c[name].type for name in _SAID} | {"document_id": Uuid(), "version": BigInteger()}
    said = (
        func.json_to_recordset(cast(bindparam("decisions", type_=Text()), JSON))
        .table_valued(*(column(name, of_type) for name, of_type in types.items()))
        .render_derived(name="said", with_types=True)
    )
    row: dict[str, Any] = {"patient_id": bindparam("patient", type_=Uuid()), "side": literal(HOME)}
    row |= {name: said.c[name] for name in _SAID}
    return upsert(document_mark).from_select(list(row), select(*row.values()))


def _taken() -> Any:
    new = _given()
    said = {name: new.excluded[name] for name in _SAID if name != "document_id"}
    return new.on_conflict_do_update(index_elements=list(_PLACE), set_=said)


def _taken_late() -> Any:
    new = _given()
    is_newer = new.excluded.version > document_mark.c.version

    def of(name: str) -> Any:
        given, held = new.excluded[name], document_mark.c[name]
        if name in _FLAGS:
            return case((is_newer, given), (given.is_(None), held), else_=or_(func.coalesce(held, False), given))
        if name == "version":
            return func.greatest(given, held)
        return case((is_newer, given), else_=func.coalesce(held, given))

    said = {name: of(name) for name in _SAID if name != "document_id"}
    is_other = new.excluded.version >= document_mark.c.version
    return new.on_conflict_do_update(index_elements=list(_PLACE), set_=said, where=is_other)
