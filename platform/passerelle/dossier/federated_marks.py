"""What a patient's home decided of documents that another network keeps: gathered at home, applied where they are kept.

The two registers of a document, and the rule that makes its marks of them, are `marks`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, Select, Text, Uuid, bindparam, case, func, literal, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import federated_withholdings, marks
from passerelle.dossier.federated_bundles import APPLIED, LATER, DecidedBy
from passerelle.dossier.tables import document, document_mark, document_twin
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run


async def gather(
    connection: AsyncConnection, to_tenant: str, document_ids: Sequence[UUID], versions: Sequence[int]
) -> str:
    """JSON text: of each document, home's register if it decided anything, and whom it is kept from.

    To a network that was fed the same document as is here (`twins`): what it is here, decided in sight of nothing.
    """
    owed = bundles.owed_values(document_ids, versions) | {"to_tenant": to_tenant}
    return await bundles.gather(connection, _GATHERED, owed)


async def apply(act: Act, from_tenant: str, items: str, decided_by: DecidedBy) -> Mapping[UUID, str]:
    """Let what home decided be in force here; by document what became of it. `later` while it is not known here, or the
    sender is not known to be the patient's home: the caller undoes what was written of it.

    A network that has just become the patient's home takes its registers over from the one before.
    """
    # A statement of its own: what an act that it waited for decided is not in the snapshot of one that waits.
    await marks.lock(act, bundles.ids_in(items))
    rows = await run(act.connection, _APPLIED, bundles.values(act, from_tenant, items))
    await marks.settle(act, [each.document_id for each in rows if each.document_id is not None])
    await federated_withholdings.merge(act, from_tenant, items)
    his = await decided_by(act.connection, {each.patient_id for each in rows if each.patient_id is not None})
    return {each.id: each.answer if each.patient_id is None or each.patient_id in his else LATER for each in rows}


def _gathered() -> Select[Any]:
    owed, home, person = bundles.owed(), document_mark, patients.identity()
    twin, is_twin = document_twin, document_twin.c.held_as.is_not(None)
    # Each of the two networks ends its own.
    kept = {name: document.c[name] for name in marks.MARKS if name != "status"}
    return bundles.gathered(
        select(
            owed.c.id,
            owed.c.version,
            case((document.c.document_id.is_(None), True)).label("gone"),
            twin.c.held_as,
            case((is_twin, document.c.metadata_version), else_=home.c.version).label("register_version"),
            case((is_twin, 0), else_=home.c.seen).label("seen"),
            *(case((is_twin, kept.get(name)), else_=home.c[name]).label(name) for name in marks.MARKS),
            federated_withholdings.withheld(document.c.patient_id, document.c.document_id, person.c.person_key).label(
                "withheld"
            ),
        )
        .select_from(owed)
        .outerjoin(document, document.c.document_id == owed.c.id)
        .outerjoin(person, person.c.patient_id == document.c.patient_id)
        .outerjoin(twin, marks.is_of(twin, document) & (twin.c.network == bindparam("to_tenant", type_=Text())))
        .outerjoin(home, marks.is_of(home, document) & (home.c.side == marks.HOME))
    )


def _applied() -> Select[Any]:
    types = {name: document_mark.c[name].type for name in marks.MARKS}
    given = bundles.given({"register_version": BigInteger(), "seen": BigInteger(), "held_as": Uuid(), **types})
    here = (
        select(given, document.c.document_id, document.c.patient_id, document.c.metadata_version, *_as_row())
        .outerjoin_from(given, document, document.c.document_id == func.coalesce(given.c.held_as, given.c.id))
        .cte("here")
        .prefix_with("materialized", dialect="postgresql")
    )
    is_said = here.c.patient_id.is_not(None) & here.c.register_version.is_not(None)
    own = {
        "patient_id": here.c.patient_id,
        "document_id": here.c.document_id,
        "side": literal(marks.ORIGIN),
        "version": here.c.metadata_version,
        "seen": literal(0),
        **{name: here.c[f"row_{name}"] for name in marks.MARKS},
        "at": bundles.NOW,
    }
    kept = (
        upsert(document_mark)
        .from_select(list(own), select(*own.values()).where(is_said))
        .on_conflict_do_nothing()
        .cte("kept")
    )
    decided = own | {
        "side": literal(marks.HOME),
        "version": here.c.register_version,
        "seen": here.c.seen,
        **{name: here.c[name] for name in marks.MARKS},
    }
    said = upsert(document_mark).from_select(list(decided), select(*decided.values()).where(is_said))
    registered = said.on_conflict_do_update(
        index_elements=["patient_id", "document_id", "side"],
        set_={name: said.excluded[name] for name in ("version", "seen", *marks.MARKS, "at")},
        where=document_mark.c.version < said.excluded.version,
    ).cte("registered")
    answer = case((func.coalesce(here.c.gone, False) | here.c.patient_id.is_not(None), APPLIED), else_=LATER)
    shown = (here.c.id, here.c.document_id, here.c.patient_id, answer.label("answer"))
    return select(*shown).add_cte(kept, registered)


def _as_row() -> list[Any]:
    return [document.c[name].label(f"row_{name}") for name in marks.MARKS]


_GATHERED: Final = Statement(_gathered())
_APPLIED: Final = Statement(_applied())
