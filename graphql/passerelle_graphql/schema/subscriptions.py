"""What is told as it happens: a document that arrives in a record, an access to one's own record.

A stream begins with `Listening`, once everything that follows will be heard, and ends with `SubscriptionEnd`. Each
thing is decided when it is told (`dossier.following`); what this reader may not know of leaves no frame.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, TypeAlias, TypeVar, cast
from uuid import UUID

import strawberry
from strawberry.types.field import StrawberryField

from passerelle.audit.feed import EVENTS, LINES, Fresh
from passerelle.dossier import emergencies, following
from passerelle.dossier.following import Arrival
from passerelle.kernel import errors
from passerelle.kernel.context import Context
from passerelle.kernel.database import Statement
from passerelle_graphql.context import ResolverInfo
from passerelle_graphql.directives import Cost
from passerelle_graphql.following import Followed
from passerelle_graphql.ids import Node, key_of
from passerelle_graphql.problems import (
    AsInvalidInput,
    AsRefusal,
    AsTryLater,
    InvalidInput,
    Problem,
    Refusal,
    TryLater,
)
from passerelle_graphql.read_model import shape
from passerelle_graphql.schema.documents import Document
from passerelle_graphql.schema.enums import Mode
from passerelle_graphql.schema.journal import JournalLine, shown_line
from passerelle_graphql.schema.structure_names import names_of_structures
from passerelle_policies.vocabulary import Kind

strawberry.enum(Arrival, description="Comment un document arrive : déposé, remis à sa place, ou montré.")


@strawberry.type(description="L'abonnement écoute : tout ce qui suit cet instant sera dit ; le reste se lit.")
class Listening:
    since: datetime


@strawberry.type(description="L'abonnement prend fin : jeton expiré, droit fini, lecteur trop lent, arrêt du serveur.")
class SubscriptionEnd(Problem):
    pass


@strawberry.type(description="Un document qu'on peut lire, tel qu'il est maintenant. Le lire ici est une lecture.")
class ArrivedDocument:
    how: Arrival
    document: Document


DocumentArrivedResult: TypeAlias = Annotated[
    Listening | ArrivedDocument | SubscriptionEnd | Refusal | InvalidInput | TryLater,
    strawberry.union("DocumentArrivedResult"),
]
RecordAccessedResult: TypeAlias = Annotated[
    Listening | JournalLine | SubscriptionEnd | Refusal | InvalidInput | TryLater,
    strawberry.union("RecordAccessedResult"),
]


_Resolver = TypeVar("_Resolver", bound=Callable[..., Any])


def _streamed(description: str) -> Callable[[_Resolver], _Resolver]:
    """A field that goes on; it costs what it holds, for each thing that is told, and this."""
    marked = strawberry.subscription(description=description, directives=[Cost(weight="10")])
    return cast(Callable[[_Resolver], _Resolver], marked)


@strawberry.type(description="Suivre. Commencer est une lecture, au journal ; le droit est vérifié tant que cela dure.")
class Subscription:
    @_streamed("Les documents qui arrivent dans un dossier, que l'on peut lire.")
    async def document_arrived(
        self, info: ResolverInfo, patient_id: strawberry.ID
    ) -> AsyncGenerator[DocumentArrivedResult, None]:
        async for each in _told(info, patient_id, Kind.DOSSIER, EVENTS, _arrivals):
            yield each

    @_streamed("Les accès à un dossier, comme `journal` les montre à qui suit.")
    async def record_accessed(
        self, info: ResolverInfo, patient_id: strawberry.ID
    ) -> AsyncGenerator[RecordAccessedResult, None]:
        async for each in _told(info, patient_id, Kind.JOURNAL, LINES, _accesses):
            yield each


_Teller: TypeAlias = Callable[[Followed, UUID, list[Fresh]], AsyncGenerator[Any, None]]


async def _told(
    info: ResolverInfo, patient_id: strawberry.ID, kind: Kind, source: Statement, tell: _Teller
) -> AsyncGenerator[Any, None]:
    """One stream, from `Listening` to its end; or the one problem for which it does not begin."""
    followed, has_begun = cast(Followed, info.context), False
    try:
        key = key_of(Node.PATIENT, patient_id)
        async with aclosing(followed.follow(key, kind, source)) as news:
            async for fresh in news:
                if not has_begun:
                    has_begun = True
                    yield Listening(since=followed.visit.context.clock.now())
                async with aclosing(tell(followed, key, fresh)) as shown:
                    async for each in shown:
                        yield each
    except errors.PasserelleError as problem:
        yield SubscriptionEnd(code=problem.code, message=problem.message) if has_begun else _problem(problem, info)


async def _arrivals(followed: Followed, patient_id: UUID, news: list[Fresh]) -> AsyncGenerator[ArrivedDocument, None]:
    asked = followed.prepared.document.field_names
    for fresh in news:

        async def arrival(context: Context, fresh: Fresh = fresh) -> following.Arrived | None:
            return await following.arrival(context, patient_id, fresh)

        arrived = await followed.answered(arrival)
        if arrived is None:
            continue
        if followed.visit.context.mode is Mode.BREAK_GLASS:
            followed.opened(await followed.answered(lambda now: emergencies.own_emergency(now, patient_id)))
        yield ArrivedDocument(how=arrived.how, document=shape(Document, arrived.document, asked))


async def _accesses(followed: Followed, patient_id: UUID, news: list[Fresh]) -> AsyncGenerator[JournalLine, None]:
    line_ids = [int(each.payload["line_id"]) for each in news]
    if not line_ids:
        return

    async def lines(context: Context) -> tuple[Sequence[dict[str, Any]], dict[str, str]]:
        found = await following.lines(context, patient_id, line_ids)
        return found, await names_of_structures(context, found)

    found, names = await followed.answered(lines) or ((), {})
    for each in found:
        yield shown_line(each, names)


def _problem(problem: errors.PasserelleError, info: ResolverInfo) -> Any:
    """The type that `problems` gives it in every other root; what has none goes to `errors`."""
    field = cast(StrawberryField, None)  # none of them looks at it
    match problem:
        case errors.Refused():
            return AsRefusal().handle(problem, field=field, info=info)
        case errors.InvalidInput():
            return AsInvalidInput().handle(problem, field=field, info=info)
        case errors.TryLater():
            return AsTryLater().handle(problem, field=field, info=info)
    raise problem
