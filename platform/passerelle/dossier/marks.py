"""What two networks decided of one document, and what follows of both: the rule, and the two registers behind it.

The network that keeps a document and the patient's home each write their own register, and nobody else's. While there
is none of home, the document's row is the origin's register and its version is the row's. What home decided counts
once it was decided in sight of the origin's newest version; until then the strictest of both does. What home never
touched (null in its register) is the origin's to decide. Deleted at the origin is deleted (docs/decisions/0131).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Row,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.sql.selectable import NamedFromClause

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.events import DocumentMetadataChanged
from passerelle.dossier.tables import document, document_mark, document_version, document_withholding
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import Conflict
from passerelle.kernel.pipeline_values import Binary
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import Action, DocumentStatus, Relation

ORIGIN, HOME = "origin", "home"
#: What the registers hold, by what is decided together.
GROUPS: Final = {
    "masked": ("masked",),
    "hidden_from_patient": ("hidden_from_patient", "hidden_since", "hidden_until"),
    "hidden_from_representatives": ("hidden_from_representatives",),
    "status": ("status",),
}
MARKS: Final = tuple(name for names in GROUPS.values() for name in names)
_Register: TypeAlias = NamedFromClause[Any]
_ENDS = frozenset({Action.DELETE.value, "move"})


def following(origin: _Register, home: _Register) -> dict[str, ColumnElement[Any]]:
    """The marks of a document as its two registers have it (`home` joined from the left), column by column."""
    is_decided = home.c.seen >= origin.c.version

    def decided(group: str, ours: ColumnElement[Any], theirs: ColumnElement[Any], both: Any) -> ColumnElement[Any]:
        return case((home.c[group].is_(None), ours), (is_decided, theirs), else_=both)

    def flag(name: str) -> ColumnElement[Any]:
        return decided(name, origin.c[name], home.c[name], or_(origin.c[name], home.c[name]))

    def term(name: str, of_both: ColumnElement[Any]) -> ColumnElement[Any]:
        both = case(
            (and_(origin.c.hidden_from_patient, home.c.hidden_from_patient), of_both),
            (origin.c.hidden_from_patient, origin.c[name]),
            (home.c.hidden_from_patient, home.c[name]),
            else_=func.greatest(origin.c[name], home.c[name]),
        )
        return decided("hidden_from_patient", origin.c[name], home.c[name], both)

    ours, theirs = origin.c.hidden_until, home.c.hidden_until
    later = case((or_(ours.is_(None), theirs.is_(None)), null()), else_=func.greatest(ours, theirs))
    deleted, archived = DocumentStatus.DELETED.value, DocumentStatus.ARCHIVED.value
    either = case(
        (or_(origin.c.status == archived, home.c.status == archived), archived), else_=DocumentStatus.CURRENT.value
    )
    return {
        "masked": flag("masked"),
        "hidden_from_patient": flag("hidden_from_patient"),
        "hidden_since": term("hidden_since", func.least(origin.c.hidden_since, home.c.hidden_since)),
        "hidden_until": term("hidden_until", later),
        "hidden_from_representatives": flag("hidden_from_representatives"),
        "status": case(
            (or_(origin.c.status == deleted, home.c.status == deleted), deleted),
            else_=decided("status", origin.c.status, home.c.status, either),
        ),
    }


async def decided(act: Act, row: Row[Any], what: str, changes: Mapping[str, Any]) -> None:
    """Enter a change of the actor's into the register of this side; nothing where there is one side only.

    Refused: DOCUMENT_KEPT_ELSEWHERE to end a document that another network keeps; MASK_DECIDED_AT_HOME to loosen,
    where it is kept, what the patient's home decided.
    """
    if row.origin is not None and what in _ENDS:
        raise Conflict("DOCUMENT_KEPT_ELSEWHERE", network=row.origin)
    held = {each.side: each for each in await act.connection.execute(_registers(row))}
    home = held.get(HOME)
    if row.origin is None and home is None:
        return
    after = {name: changes.get(name, getattr(row, name)) for name in MARKS}
    if row.origin is None and home is not None:
        await _write(act, row, ORIGIN, version=row.metadata_version + 1, seen=home.version, values=after)
        if (await act.connection.execute(_followed(row, after))).first() is None:
            raise Conflict("MASK_DECIDED_AT_HOME")
        return
    origin = held.get(ORIGIN)
    if origin is None:
        now = {name: getattr(row, name) for name in MARKS}
        await _write(act, row, ORIGIN, version=row.metadata_version, seen=0, values=now)
    were_decided = {group for group in GROUPS if home is not None and getattr(home, group) is not None}
    chosen = {
        name: after[name] if group in were_decided or not changes.keys().isdisjoint(names) else None
        for group, names in GROUPS.items()
        for name in names
    }
    version = (home.version if home is not None else 0) + 1
    seen = origin.version if origin is not None else row.metadata_version
    await _write(act, row, HOME, version=version, seen=seen, values=chosen)


async def may_follow(act: Act, row: Row[Any]) -> bool:
    """Whether the actor is told where what was decided of a document is still on its way: he is the patient, or
    decided it last; of whom it is kept from, whoever keeps it."""
    facts = await access.facts_of(act.context, act.connection, row.patient_id)
    if Relation.PATIENT in facts.relations:
        return True
    actor, version, withheld = act.context.actor, document_version, document_withholding
    last = (
        select(version.c.actor_kind, version.c.actor_id)
        .where(version.c.patient_id == row.patient_id, version.c.document_id == row.document_id)
        .order_by(version.c.metadata_version.desc())
        .limit(1)
    )
    decided = (await act.connection.execute(last)).one_or_none()
    if decided is not None and tuple(decided) == (actor.kind.value, actor.id):
        return True
    kept = select(literal(1)).where(
        withheld.c.patient_id == row.patient_id,
        withheld.c.document_id == row.document_id,
        or_(withheld.c.recorded_by == actor.subject, withheld.c.lifted_by == actor.subject),
    )
    return (await act.connection.execute(kept.limit(1))).first() is not None


async def take_over(act: Act, row: Row[Any], before: Row[Any]) -> bool:
    """Let what home keeps from somebody of the version before (its register) hold for a version that is new here; says
    whether anything does."""
    kept = {group for group in GROUPS.keys() - {"status"} if getattr(before, group) and not getattr(row, group)}
    if not kept:
        return False
    now = {name: getattr(row, name) for name in MARKS}
    values = {
        name: getattr(before, name) if group in kept else None for group, names in GROUPS.items() for name in names
    }
    await _write(act, row, ORIGIN, version=row.metadata_version, seen=0, values=now)
    await _write(act, row, HOME, version=1, seen=row.metadata_version, values=values)
    return True


def is_of(register: _Register | Table, entry: _Register | Table) -> ColumnElement[bool]:
    """SQL condition: a register is of this document."""
    return and_(register.c.patient_id == entry.c.patient_id, register.c.document_id == entry.c.document_id)


def _registers(row: Row[Any]) -> Any:
    return select(document_mark).where(
        document_mark.c.patient_id == row.patient_id, document_mark.c.document_id == row.document_id
    )


def _followed(row: Row[Any], after: Mapping[str, Any]) -> Any:
    """One row when what follows of the registers is what the actor wants."""
    origin, home = document_mark.alias("origin"), document_mark.alias("home")
    rule = following(origin, home)
    return (
        select(literal(1))
        .select_from(origin.join(home, _beside(origin, home)))
        .where(
            origin.c.patient_id == row.patient_id,
            origin.c.document_id == row.document_id,
            origin.c.side == ORIGIN,
            *(rule[name].is_not_distinct_from(literal(after[name], document.c[name].type)) for name in MARKS),
        )
    )


def _beside(origin: _Register, home: _Register) -> ColumnElement[bool]:
    return and_(is_of(home, origin), home.c.side == HOME)


async def _write(act: Act, row: Row[Any], side: str, *, version: int, seen: int, values: Mapping[str, Any]) -> None:
    told = {"version": version, "seen": seen, "at": act.now, **values}
    await act.connection.execute(
        upsert(document_mark)
        .values(patient_id=row.patient_id, document_id=row.document_id, side=side, **told)
        .on_conflict_do_update(index_elements=["patient_id", "document_id", "side"], set_=told)
    )


async def lock(act: Act, document_ids: Sequence[UUID | str] | Binary) -> None:
    """Lock documents in the order that whoever locks several keeps."""
    await run(act.connection, _LOCKED, {"ids": document_ids})


async def settle(act: Act, document_ids: Sequence[UUID]) -> int:
    """Give documents the marks that follow of their registers; says how many changed.

    A change is a new metadata version, and an event for those who follow it here: no other network hears of it by that,
    the registers go by themselves. Documents without a register of the origin stay as they are.
    """
    if not document_ids:
        return 0
    changed = await run(act.connection, _SETTLED, {**_by(act), "ids": list(document_ids)})
    events = [
        DocumentMetadataChanged(
            patient_id=each.patient_id,
            document_id=each.document_id,
            act=each.act,
            metadata_version=each.metadata_version,
        )
        for each in changed
    ]
    await outbox.publish_all(act, events, is_addressed=True)
    return len(changed)


def _by(act: Act) -> dict[str, Any]:
    return {"at": act.now, "actor_kind": act.context.actor.kind.value, "actor_id": act.context.actor.id}


def as_told(entry: Any) -> ColumnElement[Any]:
    """SQL value: the marks of an entry as the history of a document has them."""

    def flag(name: str) -> ColumnElement[str]:
        return case((entry.c[name], "True"), else_="False")

    return func.jsonb_build_object(
        "status",
        entry.c.status,
        "masked",
        flag("masked"),
        "hidden_from_patient",
        flag("hidden_from_patient"),
        "hidden_until",
        cast(entry.c.hidden_until, Text()),
        "hidden_from_representatives",
        flag("hidden_from_representatives"),
    )


def _settled() -> Select[Any]:
    origin, home = document_mark.alias("origin"), document_mark.alias("home")
    rule = following(origin, home)
    ids = bindparam("ids", type_=ARRAY(Uuid()))
    ruled = (
        select(
            document.c.patient_id,
            document.c.document_id,
            *(document.c[name].label(f"was_{name}") for name in GROUPS),
            *(value.label(name) for name, value in rule.items()),
        )
        .select_from(
            document.join(
                origin,
                and_(is_of(origin, document), origin.c.side == ORIGIN),
            ).outerjoin(home, _beside(origin, home))
        )
        .where(document.c.document_id == any_(ids))
        .cte("ruled")
    )
    acts = case(
        *(
            (ruled.c[name].is_distinct_from(ruled.c[f"was_{name}"]), case((ruled.c[name], on), else_=off))
            for name, on, off in _ACTS
        ),
        (ruled.c.status == DocumentStatus.DELETED.value, Action.DELETE.value),
        (ruled.c.status == DocumentStatus.ARCHIVED.value, Action.ARCHIVE.value),
        else_=Action.UNARCHIVE.value,
    )
    changed = (
        update(document)
        .values(
            **{name: ruled.c[name] for name in MARKS},
            metadata_version=document.c.metadata_version + 1,
            entry_uuid=func.gen_random_uuid(),
        )
        .where(
            document.c.patient_id == ruled.c.patient_id,
            document.c.document_id == ruled.c.document_id,
            or_(*(document.c[name].is_distinct_from(ruled.c[name]) for name in MARKS)),
        )
        .returning(document, acts.label("act"))
        .cte("changed")
    )
    told = (
        insert(document_version)
        .from_select(
            [
                *("patient_id", "document_id", "metadata_version", "entry_uuid", "act", "at"),
                *("actor_kind", "actor_id", "changed"),
            ],
            select(
                changed.c.patient_id,
                changed.c.document_id,
                changed.c.metadata_version,
                changed.c.entry_uuid,
                changed.c.act,
                bindparam("at", type_=DateTime(timezone=True)),
                bindparam("actor_kind", type_=Text()),
                bindparam("actor_id", type_=Text()),
                as_told(changed),
            ),
        )
        .cte("told")
    )
    return select(changed.c.patient_id, changed.c.document_id, changed.c.metadata_version, changed.c.act).add_cte(told)


#: What a change of a mark is called, on and off; the first that changed names the version.
_ACTS = (
    ("masked", Action.MASK.value, Action.UNMASK.value),
    ("hidden_from_patient", Action.HIDE_FROM_PATIENT.value, Action.SHOW_TO_PATIENT.value),
    ("hidden_from_representatives", Action.HIDE_FROM_REPRESENTATIVES.value, Action.SHOW_TO_REPRESENTATIVES.value),
)
_SETTLED: Final = Statement(_settled())
_LOCKED: Final = Statement(
    select(document.c.document_id)
    .where(document.c.document_id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .order_by(document.c.document_id)
    .with_for_update()
)
