"""Running a prepared operation: compiled where it can be, else by Strawberry, the schema and the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from graphql import GraphQLError, GraphQLFormattedError, OperationType
from strawberry.extensions import SchemaExtension
from strawberry.schema import Schema
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext
from strawberry.types import ExecutionContext

from passerelle.kernel.errors import TryLater
from passerelle.kernel.outages import BUSY
from passerelle_graphql import errors
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import running
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.context import Asked
from passerelle_graphql.deadlines import Deadlines
from passerelle_graphql.metrics import OPERATIONS, noted


class AlreadyPrepared(SchemaExtension):
    """Hands Strawberry the document that `preparation` parsed and validated, so that it does neither again."""

    def on_operation(self) -> Iterator[None]:
        asked: Asked = self.execution_context.context
        self.execution_context.graphql_document = asked.prepared.document.ast
        self.execution_context.validation_rules = ()
        yield


class InOrder(StrawberryGraphQLCoreExecutionContext):
    """Executes root fields one after another, as the compiler does: the journal says in which order they were asked."""

    def execute_operation(self, serially: bool | None = None) -> Any:
        del serially
        return super().execute_operation(serially=True)


class GatewaySchema(Schema):
    """A Strawberry schema whose errors are logged by the gateway's own table and nowhere else."""

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Nothing: `errors.execution_error` logs, without what the exception says."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes into the body of a response."""

    data: Mapping[str, Any] | None
    errors: list[GraphQLFormattedError]

    @property
    def body(self) -> dict[str, Any]:
        shown: dict[str, Any] = {"data": self.data}
        return {"errors": self.errors, **shown} if self.errors else shown


class Executor(StrEnum):
    """Who answers: the compiler what it can, or Strawberry everything."""

    COMPILED = "compiled"
    STRAWBERRY = "strawberry"


@dataclass(frozen=True, slots=True)
class Answered:
    """The body of an answer; `why_not_compiled` says why Strawberry gave it where the compiler might have."""

    body: bytes
    why_not_compiled: str | None = None


async def answer(schema: Schema, plans: Plans | None, asked: Asked, deadlines: Deadlines) -> Answered:
    """By its plan where the operation has one, else by Strawberry. Raises as `execute`, and DATABASE_BUSY when a read
    of which nothing is left finds no room: a full house is no answer."""
    why_not: NotCompiled | None = None
    if plans is not None:
        deadline = deadlines.begin()
        try:
            async with deadline:
                body = await running.run(plans.plan(asked.prepared), asked)
        except NotCompiled as reason:
            why_not = reason
        except TimeoutError as slow:
            raise _too_slow() from slow
        else:
            OPERATIONS.add(Executor.COMPILED, "")
            return Answered(body)
        finally:
            deadlines.end(deadline)
    said = (await execute(schema, asked, deadlines)).body
    OPERATIONS.add(Executor.STRAWBERRY, str(why_not or ""))
    return Answered(as_json(said), str(why_not) if why_not and not why_not.is_expected else None)


async def execute(schema: Schema, asked: Asked, deadlines: Deadlines) -> Answer:
    """Strawberry's answer. Raises `TryLater`: OPERATION_TOO_SLOW when its time is over, DATABASE_BUSY when a read came
    to nothing for want of room."""
    deadline = deadlines.begin()
    try:
        async with deadline:
            result = await schema.execute(
                asked.prepared.document.text,
                variable_values=dict(asked.prepared.variables),
                context_value=asked,
                operation_name=asked.prepared.name,
            )
    except TimeoutError as slow:
        raise _too_slow() from slow
    finally:
        deadlines.end(deadline)
    if result.data is None and asked.prepared.operation.operation is OperationType.QUERY:
        _raise_full(result.errors or ())
    request_id = asked.context.request_id
    network = asked.context.tenant.id
    asked.outcomes.extend(_outcome(each, network) for each in result.errors or ())
    return Answer(result.data, [errors.execution_error(each, request_id) for each in result.errors or ()])


def _raise_full(found: Iterable[GraphQLError]) -> None:
    for each in found:
        if isinstance(cause := each.original_error, TryLater) and cause.code == BUSY:
            raise cause


def _outcome(error: GraphQLError, network: str) -> str:
    """An argument that graphql-core refuses has no cause of ours."""
    cause = error.original_error
    return "invalid" if cause is None or isinstance(cause, GraphQLError) else noted(cause, network)


def _too_slow() -> TryLater:
    return TryLater("OPERATION_TOO_SLOW", retry_after=5)
