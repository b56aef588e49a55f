"""What each network had a part in of an answer: one row for every network, whoever asks and whatever is there.

Built of what is known of networks and never of what a record holds, so that the list itself betrays nothing
(docs/decisions/0132). An empty list of documents beside a network that was not reached is not "nothing found".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, DateTime, Select, Text, Uuid, bindparam, case, literal, or_, select, union_all

from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle_tenants.federation.tables import federation_peer, patient_place


class SourceState(StrEnum):
    """What became of one network's part."""

    ANSWERED = "answered"
    FROM_INDEX = "from_index"
    REFUSED = "refused"
    TIMED_OUT = "timed_out"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One network's part; `as_of`: what it changed until then is in the answer, null where it has no part."""

    network: str
    name: str
    state: SourceState
    as_of: datetime | None


#: The columns of `sources`, in this order.
SHOWN: Final = ("network", "name", "state", "as_of")


def home_elsewhere(patient_id: ColumnElement[UUID]) -> ColumnElement[str | None]:
    """SQL: the network that is a patient's home, null when it is this one."""
    place = patient_place
    held = (place.c.patient_id == patient_id, place.c.is_home, place.c.until.is_(None))
    return select(place.c.tenant_id).where(*held).scalar_subquery()


def sources(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The part of each network in what is read of a patient here: columns `SHOWN`, this network first.

    At the patient's home the others' documents are in the index, as of when each was last up to date. Elsewhere
    the record of here holds what this network keeps, and nobody else was asked.
    """
    here = select(
        literal(0).label("place"),
        bindparam("manifest_network", type_=Text()).label("network"),
        bindparam("manifest_name", type_=Text()).label("name"),
        literal(SourceState.ANSWERED.value).label("state"),
        bindparam("manifest_now", type_=DateTime(timezone=True)).label("as_of"),
    )
    peer = federation_peer
    unknown = or_(peer.c.as_of.is_(None), home_elsewhere(patient_id).is_not(None))
    others = select(
        literal(1),
        peer.c.tenant_id,
        peer.c.name,
        case((unknown, SourceState.NOT_ASKED.value), else_=SourceState.FROM_INDEX.value),
        case((unknown, None), else_=peer.c.as_of),
    )
    told = union_all(here, others).subquery("told")
    return select(*(told.c[name] for name in SHOWN)).order_by(told.c.place, told.c.network)


def parameters(context: Context) -> Mapping[str, Any]:
    """The bind values of `sources`."""
    return {
        "manifest_network": context.tenant.id,
        "manifest_name": context.tenant.name,
        "manifest_now": context.clock.now(),
    }


_SOURCES: Final = Statement(sources(bindparam("patient_id", type_=Uuid())))


async def sources_of(context: Context, patient_id: UUID) -> list[Source]:
    """The same by itself, for a reader who was let in."""
    rows = await context.tenant.database.fetch(_SOURCES, {**parameters(context), "patient_id": patient_id})
    return [
        Source(network=network, name=name, state=SourceState(state), as_of=as_of)
        for network, name, state, as_of in rows
    ]
