"""The activity of tumour boards, for the regional cancer network: counts and delays, of nobody by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date
from functools import cache
from typing import Annotated, Any, TypeAlias

import strawberry
from sqlalchemy import Text, bindparam

from passerelle.audit.journal import NOBODY
from passerelle.audit.transactions import transaction
from passerelle.dossier import judging
from passerelle.kernel.context import Context
from passerelle.oncology import indicators
from passerelle.oncology.indicators import Activity, Level, Line
from passerelle_graphql.compiler.roots import Frame, Given, given
from passerelle_graphql.compiler.shapes import Sql
from passerelle_graphql.context import Asked, ResolverInfo, context_of
from passerelle_graphql.fields import counted, resolved
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.judged_frames import framed, refused
from passerelle_graphql.late_answers import LateRoot
from passerelle_graphql.problems import Conflict, InvalidInput, Refusal, TryLater
from passerelle_policies.vocabulary import Kind

strawberry.enum(
    Level, name="BoardActivityLevel", description="Ce dont parle une ligne : elle additionne celles du niveau suivant."
)


@strawberry.type(description="Un délai en jours : la moitié des cas n'ont pas attendu plus de p50, neuf sur dix, p90.")
class DelayInDays:
    p50: int
    p90: int


@strawberry.type(
    description="L'activité d'une RCP, d'un appareil, d'un type ou du réseau. Un effectif absent est trop petit pour "
    "être dit, ou en trahirait un autre."
)
class BoardActivityLine:
    level: Level
    kind: str | None
    organ: str | None
    board_id: strawberry.ID | None
    name: str | None
    sessions_held: int
    sessions_in_quorum: int
    sessions_cancelled: int
    cases: int | None
    discussed: int | None
    registered_only: int | None
    off_standard: int | None
    referred: int | None = strawberry.field(description="Cas adressés à une RCP d'un autre réseau.")
    sheets: int | None = strawberry.field(description="Cas dont la fiche est validée.")
    lent: int | None = strawberry.field(description="Cas qu'un autre réseau a adressés ici.")
    to_session: DelayInDays | None = strawberry.field(description="De l'inscription à la session.")
    to_sheet: DelayInDays | None = strawberry.field(description="De la session à la fiche validée.")


@strawberry.type(description="L'activité des RCP d'une période, du réseau à chaque RCP.")
class BoardActivity:
    since: date
    until: date = strawberry.field(description="Le lendemain du dernier jour.")
    least: int = strawberry.field(description="Le plus petit effectif qui est dit ; aucun (0) l'est aussi.")
    lines: list[BoardActivityLine] = strawberry.field(directives=[counted(100)])


BoardActivityResult: TypeAlias = Annotated[
    BoardActivity | Refusal | Conflict | InvalidInput | TryLater, strawberry.union("BoardActivityResult")
]


@strawberry.type
class BoardActivityQuery:
    @resolved("L'activité des RCP d'une période qui est finie, pour le réseau de cancérologie.", cost=50)
    async def board_activity(self, info: ResolverInfo, since: date) -> BoardActivityResult:
        async with transaction(context_of(info)) as act:
            return _shown(await indicators.activity(act, since))


def _shown(found: Activity) -> BoardActivity:
    return BoardActivity(
        since=found.since, until=found.until, least=found.least, lines=[_line(each) for each in found.lines]
    )


def _line(found: Line) -> BoardActivityLine:
    said = asdict(found)
    delays = {name: DelayInDays(**said[name]) if said[name] else None for name in ("to_session", "to_sheet")}
    board_id = node_id(Node.BOARD, found.board_id) if found.board_id else None
    return BoardActivityLine(**{**said, **delays, "board_id": board_id})


@cache
def _frame(_needs: frozenset[str]) -> Frame:
    it = judging.judged(Kind.BOARD_ACTIVITY, reason=bindparam("activity_reason", type_=Text()))
    return framed(it, [given(since=bindparam("since", type_=Text()))])


def _parameters(asked: Asked, arguments: Given) -> Mapping[str, Any]:
    period = indicators.period_of(asked.context, arguments.root["since"])
    return {
        **judging.parameters(asked.context, Kind.BOARD_ACTIVITY, NOBODY),
        "activity_reason": period.reason,
        "since": period.since.isoformat(),
        "gateway_path": asked.path,
    }


async def _answer(context: Context, gathered: Sequence[Any]) -> object:
    period = indicators.period_of(context, date.fromisoformat(gathered[0]))
    async with transaction(context) as act:
        return _shown(await indicators.counted(act, period))


#: Its statement decides and journals; what is withheld is found out in Python.
BOARD_ACTIVITY = LateRoot(
    name="boardActivity",
    shows="BoardActivity",
    fields={},
    frame=_frame,
    parameters=_parameters,
    otherwise=refused(Kind.BOARD_ACTIVITY),
    payload=(Sql("(select since from given)"),),
    answer=_answer,
)
