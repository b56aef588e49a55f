"""Documents that the patient keeps from one professional, in the two networks that have the document.

Either side may begin or end one, and each is a row of its own that only ever ends sooner: whatever the order in which
the two hear of each other, they end with the same rows.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import CTE, JSON, ColumnElement, Uuid, column, func, select, true
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import TypeEngine

from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import federated_columns
from passerelle.dossier.federated_columns import Columns
from passerelle.dossier.tables import document, document_withholding
from passerelle.identities import patients
from passerelle.kernel.database import Statement
from passerelle.kernel.prepared import run

_SAYS: Final = re.compile(r'"withheld"\s*:\s*\[')
_OWN: Final = ("withholding_id", "subject", "valid_from", "valid_until", "recorded_by", "lifted_by")


def withheld(
    patient_id: ColumnElement[Any], document_id: ColumnElement[Any], person_key: ColumnElement[Any]
) -> ColumnElement[Any]:
    """SQL value to send: the rows of a document, ended ones too, as JSON; null where there is none."""
    own = {name: document_withholding.c[name] for name in _OWN} | {
        name: bundles.sent(document_withholding.c[name], person_key) for name in ("recorded_by", "lifted_by")
    }
    each = (
        select(*(value.label(name) for name, value in own.items()))
        .where(document_withholding.c.patient_id == patient_id, document_withholding.c.document_id == document_id)
        .correlate_except(document_withholding)
        .subquery("each_withheld")
    )
    return select(func.json_agg(func.row_to_json(each.table_valued()))).scalar_subquery()


async def merge(act: Act, from_tenant: str, items: str) -> None:
    """Take in what a bundle says (`withheld`) of documents that are here."""
    if _SAYS.search(items):
        await run(act.connection, _MERGED, bundles.values(act, from_tenant, items))


async def merge_columns(act: Act, said: Columns) -> None:
    """The same, of a bundle in columns."""
    if said.says("withheld"):
        await run(act.connection, _MERGED_COLUMNS, said.values(_SAID))


def _merged(given: CTE) -> Any:
    person = patients.identity()
    types = {name: document_withholding.c[name].type for name in _OWN}
    held_as = func.coalesce(given.c.held_as, given.c.id) if "held_as" in given.c else given.c.id
    each = (
        func.json_to_recordset(given.c.withheld)
        .table_valued(*(column(name, of_type) for name, of_type in types.items()))
        .render_derived(name="each_withheld", with_types=True)
        .lateral()
    )
    read = {
        "patient_id": document.c.patient_id,
        "document_id": document.c.document_id,
        **{name: each.c[name] for name in _OWN},
        **{name: bundles.received(each.c[name], person.c.person_key) for name in ("recorded_by", "lifted_by")},
    }
    said = upsert(document_withholding).from_select(
        list(read),
        select(*read.values())
        .select_from(given)
        .join(document, document.c.document_id == held_as)
        .join(person, person.c.patient_id == document.c.patient_id)
        .join(each, true()),
    )
    return said.on_conflict_do_update(
        index_elements=["patient_id", "withholding_id"],
        set_={
            "valid_until": func.least(document_withholding.c.valid_until, said.excluded.valid_until),
            "lifted_by": func.coalesce(document_withholding.c.lifted_by, said.excluded.lifted_by),
        },
    )


_SAID: Final[dict[str, TypeEngine[Any]]] = {"id": Uuid(), "withheld": JSON()}
_MERGED: Final = Statement(_merged(bundles.given({"withheld": JSON(), "held_as": Uuid()})))
_MERGED_COLUMNS: Final = Statement(_merged(federated_columns.given(_SAID)))
