"""A version of a document that another network keeps, as it joins its chain in the record of its patient's home.

It is no more visible than the one before it (`publishing`): what home decided of that holds for what its origin filed
before it heard of it. Whoever the chain is kept from does not see it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, Select, Uuid, and_, any_, bindparam, func, insert, literal, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import federated_bundles as bundles
from passerelle.dossier import marks
from passerelle.dossier.events import DocumentMetadataChanged
from passerelle.dossier.tables import document, document_mark, document_withholding
from passerelle_policies.vocabulary import Action


async def join(act: Act, document_ids: Sequence[UUID]) -> None:
    """Join versions that have just been entered to those before them, and tell their origin what they take over."""
    if not document_ids:
        return
    given = {"ids": list(document_ids), "at": act.now}
    await act.connection.execute(_CLOSED_BEHIND, given)
    changed = set((await act.connection.execute(_KEPT, given)).scalars())
    before = {each.version_id: each for each in await act.connection.execute(_BEFORE_IT, given)}
    rows = [*await act.connection.execute(select(document).where(document.c.document_id.in_(document_ids)))]
    for row in rows:
        if row.document_id in before and await marks.take_over(act, row, before[row.document_id]):
            changed.add(row.document_id)
    await marks.settle(act, list(before))
    events = [
        DocumentMetadataChanged(
            patient_id=row.patient_id,
            document_id=row.document_id,
            act=Action.REPLACE.value,
            metadata_version=row.metadata_version,
            origin=row.origin,
        )
        for row in rows
        if row.document_id in changed
    ]
    await outbox.publish_all(act, events)


_IDS: Final = bindparam("ids", type_=ARRAY(Uuid()))
_VERSION, _BEFORE = document.alias("version"), document.alias("before")
_IS_NEW: Final = _VERSION.c.document_id == any_(_IDS)
_IN_CHAIN: Final = and_(_BEFORE.c.patient_id == _VERSION.c.patient_id, _BEFORE.c.chain_id == _VERSION.c.chain_id)

_CLOSED_BEHIND: Final = (
    update(document)
    .values(superseded_by=_VERSION.c.document_id)
    .where(
        _IS_NEW,
        document.c.patient_id == _VERSION.c.patient_id,
        document.c.chain_id == _VERSION.c.chain_id,
        document.c.chain_position < _VERSION.c.chain_position,
        document.c.superseded_by.is_(None),
    )
)


def _kept() -> Any:
    """Keep them from those whom any version of the chain is kept from."""
    held, already = document_withholding.alias("held"), document_withholding.alias("already")
    stands = held.c.valid_until.is_(None) | (held.c.valid_until > bundles.NOW)
    is_kept = (
        select(literal(1))
        .where(
            already.c.patient_id == _VERSION.c.patient_id,
            already.c.document_id == _VERSION.c.document_id,
            already.c.subject == held.c.subject,
        )
        .exists()
    )
    whom = (
        select(
            _VERSION.c.patient_id,
            func.gen_random_uuid().label("withholding_id"),
            _VERSION.c.document_id,
            held.c.subject,
            bundles.NOW.label("valid_from"),
            func.min(held.c.recorded_by).label("recorded_by"),
        )
        .select_from(_VERSION)
        .join(_BEFORE, _IN_CHAIN & (_BEFORE.c.document_id != _VERSION.c.document_id))
        .join(held, (held.c.patient_id == _BEFORE.c.patient_id) & (held.c.document_id == _BEFORE.c.document_id))
        .where(_IS_NEW, stands, ~is_kept)
        .group_by(_VERSION.c.patient_id, _VERSION.c.document_id, held.c.subject)
    )
    names = [each.name for each in whom.selected_columns]
    return insert(document_withholding).from_select(names, whom).returning(document_withholding.c.document_id)


def _before() -> Select[Any]:
    """Home's register of the version that each of them replaces."""
    return (
        select(document_mark, _VERSION.c.document_id.label("version_id"))
        .select_from(_VERSION)
        .join(document_mark, document_mark.c.patient_id == _VERSION.c.patient_id)
        .where(_IS_NEW, document_mark.c.document_id == _VERSION.c.replaces, document_mark.c.side == marks.HOME)
    )


_KEPT: Final = _kept()
_BEFORE_IT: Final = _before()
