"""An identity as networks tell it to each other: his INS, those that he had before, its status and his traits.

Only ever within what is sealed for the network that is told (docs/decisions/0130).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, FromClause, ScalarSelect, func, select

from passerelle.audit.transactions import Act
from passerelle.identities.ins import LIVE_OIDS, IdentityStatus, Ins
from passerelle.identities.patients import Traits, person_key
from passerelle.identities.tables import patient, patient_identifier

_TRAITS: Final = ("family_name", "used_name", "given_names", "birth_date", "sex", "birth_place")


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """Who is meant."""

    ins: Ins
    before: tuple[Ins, ...]
    status: IdentityStatus
    traits: Traits


def columns(of: FromClause) -> list[ColumnElement[Any]]:
    """What is said of a row of `patients.identity()`."""
    return [
        *(of.c[name] for name in ("ins_oid", "ins_value", "ins_status", *_TRAITS)),
        _before(of).label("ins_before"),
    ]


def _before(of: FromClause) -> ScalarSelect[Any]:
    known = patient_identifier
    pair = func.json_build_array(known.c.oid, known.c.value)
    return (
        select(func.json_agg(pair))
        .where(
            known.c.patient_id == of.c.patient_id,
            known.c.oid.in_(sorted(LIVE_OIDS)),
            known.c.value != of.c.ins_value,
        )
        .scalar_subquery()
    )


def read(said: Mapping[str, Any]) -> Carried:
    """What another network said, as `columns` gave it (nulls left out)."""
    given = {name: said.get(name) or "" for name in _TRAITS if name != "given_names"}
    return Carried(
        ins=Ins(said["ins_oid"], said["ins_value"]),
        before=tuple(Ins(oid, value) for oid, value in said.get("ins_before") or ()),
        status=IdentityStatus(said["ins_status"]),
        traits=Traits(given_names=tuple(said.get("given_names") or ()), **given),
    )


async def known_as(act: Act, wanted: Sequence[Ins]) -> dict[Ins, UUID]:
    """The patients of this network who hold these INS now."""
    keys = {person_key(act.context, each): each for each in wanted}
    rows = await act.connection.execute(
        select(patient.c.person_key, patient.c.patient_id).where(patient.c.person_key.in_(list(keys)))
    )
    return {keys[row.person_key]: row.patient_id for row in rows}


async def ins_of(act: Act, patient_ids: Sequence[UUID]) -> dict[UUID, Ins]:
    """The INS of patients; nothing for those who have none."""
    rows = await act.connection.execute(
        select(patient.c.patient_id, patient.c.ins_oid, patient.c.ins_value).where(
            patient.c.patient_id.in_(patient_ids), patient.c.person_key.is_not(None)
        )
    )
    return {row.patient_id: Ins(row.ins_oid, row.ins_value) for row in rows}
