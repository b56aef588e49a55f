"""In break-glass mode, the emergency under which a statement opened something: the whole answer shows it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Select, false, func, null, select

from passerelle.dossier import emergencies
from passerelle_graphql.compiler.building import row_of
from passerelle_graphql.compiler.roots import Given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked
from passerelle_policies.vocabulary import Mode

#: The part of a frame that `own_emergency` is.
OWN: Final = "own_emergency"
ROWS, ROW = Sql(OWN), row_of(OWN, tuple(emergencies.EmergencyAccess.__dataclass_fields__))
_BREAK_GLASS: Final = "break-glass"
_INSTANTS: Final = ("valid_from", "valid_until", "review_due_at", "reviewed_at")
_NORMAL, _OPENED = frozenset[str](), frozenset({_BREAK_GLASS, OWN})


def shape(asked: Asked, _given: Given) -> frozenset[str]:
    """What a request in break-glass mode needs of its frame."""
    return _OPENED if asked.context.mode is Mode.BREAK_GLASS else _NORMAL


def own_emergency(verdict: CTE, needs: frozenset[str]) -> list[CTE]:
    """The actor's own live access to the record that a `verdict` lets him into, where it is needed: one row or none,
    and none in another mode."""
    if OWN not in needs:
        return []
    found: Select[Any] = emergencies.own_live(select(verdict.c.patient_id).where(verdict.c.allowed).scalar_subquery())
    return [(found if _BREAK_GLASS in needs else found.where(false())).cte(OWN)]


def told(own: list[CTE], needs: frozenset[str]) -> ColumnElement[Any]:
    """The same as JSON, for `keep`; null when there is none."""
    if _BREAK_GLASS not in needs:
        return null()
    return select(func.row_to_json(own[0].table_valued())).scalar_subquery()


def keep(asked: Asked, said: Mapping[str, Any]) -> None:
    """Keep what `told` gave for the whole answer."""
    ids = {name: UUID(said[name]) for name in ("access_id", "patient_id")}
    instants = {name: said[name] and datetime.fromisoformat(said[name]) for name in _INSTANTS}
    asked.opened(emergencies.EmergencyAccess(**{**said, **ids, **instants}))
