"""The index of a patient's home: entries of documents that another network keeps, gathered there and entered here.

An entry keeps its identity: the same document_id, uniqueId, chain and dates as where it is kept; `origin` names the
network, and there is no content. A bundle is one statement on either side. Sources: DESIGN §5; IHE XDS (an entry is
registered where it is looked for, and stays in its repository).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CTE,
    JSON,
    BigInteger,
    ColumnElement,
    Select,
    Text,
    case,
    cast,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import array
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import federated_chains, federated_columns, federated_withholdings, handing_over, marks, twins
from passerelle.dossier.events import ORIGIN, DocumentPublished
from passerelle.dossier.federated_bundles import APPLIED, LATER
from passerelle.dossier.federated_columns import Columns
from passerelle.dossier.tables import (
    document,
    document_author,
    document_key,
    document_mark,
    document_twin,
    document_version,
    dossier,
    submission_set,
)
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run
from passerelle_policies.vocabulary import DossierState

#: The uniqueId names another content here, or a document of another patient.
TAKEN: Final = "FEDERATION_UNIQUE_ID_TAKEN"
#: The document is another network's than the one that speaks of it, or another patient's.
ANOTHERS: Final = "FEDERATION_DOCUMENT_OF_ANOTHER"
_NEW, _MOVED, _CHANGED, _TWIN = "new", "moved", "changed", "twin"

#: What an entry has here as it has it where it is kept.
_CARRIED: Final = (
    "entry_uuid", "unique_id", "set_id", "version_number", "chain_id", "chain_position", "replaces", "superseded_by",
    "class_code", "class_label", "type_code", "type_label", "format_code", "mime_type", "confidentiality", "title",
    "language", "authors", "author_ids", "structure_id", "facility_type", "practice_setting", "event_codes",
    "creation_time", "service_start", "service_stop", "service_from", "service_to", "created_from", "created_to",
    "act_at", "by_patient", "filed_at", "filed_by", "size", "sha256", "submission_set_id",
)  # fmt: skip
_LOT: Final = ("unique_id", "source_id", "submitted_at", "title", "content_type", "author")
_TEXTS: Final = ARRAY(Text())


async def gather(connection: AsyncConnection, document_ids: Sequence[UUID], versions: Sequence[int]) -> bytes:
    """In columns: of each document that is kept here, its entry and the register of this side.

    What is kept elsewhere, was purged or is not there says `gone`: home has nothing to enter.
    """
    return await federated_columns.gather(connection, _GATHERED, bundles.owed_values(document_ids, versions))


@dataclass(frozen=True, slots=True)
class Applied:
    """By document what became of it, and whose it is if it is an entry here."""

    answers: Mapping[UUID, str]
    whose: Mapping[UUID, UUID]


async def apply(act: Act, from_tenant: str, items: bytes) -> Applied:
    """Enter, or change, what another network gathered; by document what became of it.

    `later` while the patient or his record is not known here; TAKEN; ANOTHERS. The same content under the same uniqueId
    is one document: what was here stays, and that is `applied`.
    """
    # A statement of its own: what a mask that it waited for decided is not in the snapshot of one that waits.
    said = Columns.read(items)
    await marks.lock(act, said.by_name.get("id", []))
    people = zip(said.texts("ins_oid"), said.texts("ins_value"), strict=True)
    named = {(oid, value) for oid, value in people if oid is not None and value is not None}
    values = said.values(_TYPES) | bundles.values_for(act, from_tenant, named)
    rows = await run(act.connection, _APPLIED, values)
    await marks.settle(act, [each.id for each in rows if each.is_marked])
    await federated_withholdings.merge_columns(act, said)
    await federated_chains.join(act, [each.id for each in rows if each.is_version])
    for each in rows:
        if each.twin_of is not None:
            await twins.tell(act, each.patient_id, each.twin_of)
    await handing_over.hold(act, [each.id for each in rows if each.is_awaited])
    return Applied(
        {each.id: each.answer for each in rows}, {each.id: each.patient_id for each in rows if each.is_entry}
    )


def _gathered() -> Statement:
    owed, person, lot, register = bundles.owed(), patients.identity(), submission_set, document_mark
    key = person.c.person_key
    # Of a document that the patient, or who represents him, added: pseudonyms of persons stay here.
    own = case((document.c.author_ids == array([key]), f"{{{bundles.SELF}}}"), else_="{}")
    authors = case((document.c.by_patient, cast(own, _TEXTS)), else_=document.c.author_ids)
    replaced = {"author_ids": authors, "filed_by": bundles.sent(document.c.filed_by, key)}
    is_register = register.c.version.is_not(None)
    is_kept = (document.c.document_id.is_not(None)) & (dossier.c.state != DossierState.PURGED.value)
    return federated_columns.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((is_kept, None), else_=True).label("gone"),
            person.c.ins_oid,
            person.c.ins_value,
            *(replaced.get(name, document.c[name]).label(name) for name in _CARRIED),
            *(case((is_register, register.c[name]), else_=document.c[name]).label(name) for name in marks.MARKS),
            func.coalesce(register.c.version, document.c.metadata_version).label("register_version"),
            *(lot.c[name].label(f"lot_{name}") for name in _LOT),
            federated_withholdings.withheld(document.c.patient_id, document.c.document_id, key).label("withheld"),
        )
        .select_from(owed)
        .outerjoin(document, (document.c.document_id == owed.c.id) & document.c.origin.is_(None))
        .outerjoin(dossier, dossier.c.patient_id == document.c.patient_id)
        .outerjoin(person, person.c.patient_id == document.c.patient_id)
        .outerjoin(
            lot,
            (lot.c.patient_id == document.c.patient_id) & (lot.c.submission_set_id == document.c.submission_set_id),
        )
        .outerjoin(register, marks.is_of(register, document) & (register.c.side == marks.ORIGIN)),
        _TYPES | {"withheld": JSON()},
    )


def _types() -> dict[str, TypeEngine[Any]]:
    entry = {name: document.c[name].type for name in (*_CARRIED, *marks.MARKS)}
    lot = {f"lot_{name}": submission_set.c[name].type for name in _LOT}
    return bundles.SAID | entry | lot | {"register_version": BigInteger()}


def _placed() -> CTE:
    """Each object of a bundle beside what is here: whose it is, what holds its id and its uniqueId, what to answer."""
    given, people, its = federated_columns.given(_TYPES), bundles.people(), bundles.its
    record = its(dossier, dossier.c.patient_id == people.c.patient_id)
    entry, other, later = (document.alias(name) for name in ("held", "keyed", "later"))
    held = its(entry, entry.c.document_id == given.c.id)
    register = its(document_mark, marks.is_of(document_mark, held) & (document_mark.c.side == marks.ORIGIN))
    key = its(document_key, document_key.c.unique_id == given.c.unique_id)
    keyed = its(other, (other.c.document_id == key.c.document_id) & (other.c.patient_id == key.c.patient_id))
    is_another = or_(
        held.c.origin.is_distinct_from(bundles.FROM_TENANT), held.c.patient_id.is_distinct_from(people.c.patient_id)
    )
    is_moved = keyed.c.origin.is_not_distinct_from(bundles.FROM_TENANT)
    answer = case(
        (given.c.gone, APPLIED),
        (record.c.state.is_(None), LATER),
        (record.c.state == DossierState.PURGED.value, APPLIED),
        (held.c.document_id.is_not(None), case((is_another, ANOTHERS), else_=_CHANGED)),
        (key.c.unique_id.is_(None), _NEW),
        (key.c.sha256 != given.c.sha256, TAKEN),
        (is_moved, _MOVED),
        (key.c.patient_id != people.c.patient_id, TAKEN),
        else_=_TWIN,
    )
    follower = (
        select(later.c.document_id)
        .where(
            later.c.patient_id == people.c.patient_id,
            later.c.chain_id == given.c.chain_id,
            later.c.chain_position > given.c.chain_position,
        )
        .order_by(later.c.chain_position)
        .limit(1)
        .scalar_subquery()
    )
    return (
        select(
            *(each for each in given.c if each.name != "superseded_by"),
            people.c.patient_id,
            people.c.person_key,
            answer.label("answer"),
            func.coalesce(given.c.superseded_by, follower).label("superseded_by"),
            func.coalesce(register.c.version, held.c.metadata_version).label("known_version"),
            key.c.document_id.label("known_as"),
        )
        .select_from(given)
        .outerjoin(people, bundles.is_said_of(given, people))
        .outerjoin(record, true())
        .outerjoin(held, true())
        .outerjoin(register, true())
        .outerjoin(key, true())
        .outerjoin(keyed, true())
        .cte("placed")
        .prefix_with("materialized", dialect="postgresql")
    )


def _applied() -> Select[Any]:
    placed = _placed()
    named = (
        upsert(document_key)
        .from_select(
            ["unique_id", "structure_id", "sha256", "patient_id", "document_id"],
            select(
                placed.c.unique_id,
                func.coalesce(placed.c.structure_id, ""),
                placed.c.sha256,
                placed.c.patient_id,
                placed.c.id,
            ).where(placed.c.answer == _NEW),
        )
        .on_conflict_do_nothing()
        .returning(document_key.c.document_id)
        .cte("named")
    )
    renamed = (
        update(document_key)
        .values(patient_id=placed.c.patient_id, document_id=placed.c.id)
        .where(
            document_key.c.unique_id == placed.c.unique_id,
            placed.c.answer == _MOVED,
            _is_one_of(document_key.c.unique_id, select(placed.c.unique_id).where(placed.c.answer == _MOVED)),
        )
        .returning(document_key.c.document_id)
        .cte("renamed")
    )
    # Only who won the uniqueId enters: what another network filed under it in the same instant stands.
    claimed = select(named.c.document_id).union_all(select(renamed.c.document_id)).cte("claimed")
    entering = select(placed).where(placed.c.id.in_(select(claimed.c.document_id))).cte("entering")
    is_newer = (placed.c.answer == _CHANGED) & (placed.c.register_version > placed.c.known_version)
    answer = case(
        (placed.c.answer.in_([_CHANGED, _TWIN]), APPLIED),
        (placed.c.answer.in_([_NEW, _MOVED]), case((claimed.c.document_id.is_(None), LATER), else_=APPLIED)),
        else_=placed.c.answer,
    )
    decided = document_mark.alias("awaited")
    is_his = (decided.c.patient_id == placed.c.patient_id) & (decided.c.document_id == placed.c.id)
    awaited = bundles.its(decided, is_his & (decided.c.side == marks.HOME))
    is_entry = (claimed.c.document_id.is_not(None)) | (placed.c.answer == _CHANGED)
    return (
        select(
            placed.c.id,
            answer.label("answer"),
            is_newer.label("is_marked"),
            (claimed.c.document_id.is_not(None) & placed.c.replaces.is_not(None)).label("is_version"),
            case((placed.c.answer == _TWIN, placed.c.known_as)).label("twin_of"),
            is_entry.label("is_entry"),
            (is_entry & awaited.c.document_id.is_not(None)).label("is_awaited"),
            placed.c.patient_id,
        )
        .select_from(placed.outerjoin(claimed, claimed.c.document_id == placed.c.id).outerjoin(awaited, true()))
        .add_cte(*_entered(entering), _registered(placed, is_newer), _superseded(placed), _twinned(placed))
    )


def _entered(entering: CTE) -> tuple[CTE, ...]:
    """The rows of entries that are new here: their lots, themselves, their authors, the beginning of their history."""
    lots = (
        upsert(submission_set)
        .from_select(
            ["patient_id", "submission_set_id", *_LOT],
            select(entering.c.patient_id, entering.c.submission_set_id, *(entering.c[f"lot_{name}"] for name in _LOT)),
        )
        .on_conflict_do_nothing()
        .cte("lots")
    )
    authors = func.array_replace(entering.c.author_ids, bundles.SELF, entering.c.person_key)
    read = {
        "patient_id": entering.c.patient_id,
        "document_id": entering.c.id,
        **{name: entering.c[name] for name in (*_CARRIED, *marks.MARKS)},
        "metadata_version": entering.c.register_version,
        "author_ids": case((entering.c.by_patient, authors), else_=entering.c.author_ids),
        "filed_by": bundles.received(entering.c.filed_by, entering.c.person_key),
        "content_name": literal(""),
        "origin": bundles.FROM_TENANT,
    }
    entries = insert(document).from_select(list(read), select(*read.values())).cte("entries")
    wrote = (
        select(entering.c.patient_id, func.unnest(read["author_ids"]).label("author_id"), entering.c.id)
        .distinct()
        .subquery()
    )
    authored = (
        insert(document_author).from_select(["patient_id", "author_id", "document_id"], select(wrote)).cte("authored")
    )
    first = {
        "patient_id": entering.c.patient_id,
        "document_id": entering.c.id,
        "metadata_version": entering.c.register_version,
        "entry_uuid": entering.c.entry_uuid,
        "act": literal("publish"),
        "at": bundles.NOW,
        "actor_kind": bundles.ACTOR_KIND,
        "actor_id": bundles.ACTOR_ID,
        "changed": marks.as_told(entering),
    }
    begun = insert(document_version).from_select(list(first), select(*first.values())).cte("begun")
    payload = {"document_id": entering.c.id, "replaces": entering.c.replaces, ORIGIN: bundles.FROM_TENANT}
    told = outbox.published_by(
        DocumentPublished,
        select(
            entering.c.patient_id,
            func.jsonb_build_object(*(part for pair in payload.items() for part in pair)).label("payload"),
        ),
        at=bundles.NOW,
        is_addressed=True,
    )
    return lots, entries, authored, begun, told


def _registered(placed: CTE, is_newer: ColumnElement[bool]) -> CTE:
    """The origin's register of an entry that was here: it says more than its row, which follows of both sides."""
    written = {
        "patient_id": placed.c.patient_id,
        "document_id": placed.c.id,
        "side": literal(marks.ORIGIN),
        "version": placed.c.register_version,
        "seen": literal(0),
        **{name: placed.c[name] for name in marks.MARKS},
        "at": bundles.NOW,
    }
    said = upsert(document_mark).from_select(list(written), select(*written.values()).where(is_newer))
    return said.on_conflict_do_update(
        index_elements=["patient_id", "document_id", "side"],
        set_={name: said.excluded[name] for name in ("version", *marks.MARKS, "at")},
    ).cte("registered")


def _twinned(placed: CTE) -> CTE:
    """The same content under the same uniqueId is one document here."""
    known = {
        "patient_id": placed.c.patient_id,
        "document_id": placed.c.known_as,
        "network": bundles.FROM_TENANT,
        "held_as": placed.c.id,
    }
    twins = select(*known.values()).where(placed.c.answer == _TWIN)
    return upsert(document_twin).from_select(list(known), twins).on_conflict_do_nothing().cte("twinned")


def _superseded(placed: CTE) -> CTE:
    is_meant = (placed.c.answer == _CHANGED) & placed.c.superseded_by.is_not(None)
    return (
        update(document)
        .values(superseded_by=placed.c.superseded_by)
        .where(
            is_meant,
            document.c.patient_id == placed.c.patient_id,
            document.c.document_id == placed.c.id,
            document.c.superseded_by.is_(None),
            _is_one_of(document.c.document_id, select(placed.c.id).where(is_meant)),
        )
        .cte("superseded")
    )


def _is_one_of(value: ColumnElement[Any], values: Select[Any]) -> ColumnElement[bool]:
    """SQL condition that has the rows of a table found by index, whatever they are joined with."""
    return value == func.any(func.array(values.scalar_subquery()))


_TYPES: Final = _types()
_GATHERED: Final = _gathered()
_APPLIED: Final = Statement(_applied())
