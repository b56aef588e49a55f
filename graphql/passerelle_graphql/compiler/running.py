"""A plan's answer to one request: the octets of PostgreSQL between the keys of the operation."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from graphql import GraphQLError, GraphQLFormattedError, GraphQLNonNull, GraphQLUnionType

from passerelle.kernel.errors import PasserelleError, TryLater
from passerelle.kernel.outages import BUSY
from passerelle_graphql import errors
from passerelle_graphql.bodies import as_json
from passerelle_graphql.compiler import late, rendering
from passerelle_graphql.compiler.building import NotCompiled
from passerelle_graphql.compiler.plans import Plan, RootPlan
from passerelle_graphql.compiler.roots import Given, Written
from passerelle_graphql.context import Asked
from passerelle_graphql.metrics import PROBLEMS, noted
from passerelle_graphql.problems import Problem, outcome_shown, problem_of

#: A statement and what its parameters stand for.
_Bound: TypeAlias = tuple[Written, Sequence[Any]]


async def run(plan: Plan, asked: Asked) -> bytes:
    """The body of the answer. NotCompiled, before anything is read, when a statement does not answer this request."""
    variables = asked.prepared.coerced
    values = [_values(each, asked, variables) for each in plan.roots]
    pieces: dict[str, Sequence[bytes]] = dict.fromkeys(plan.typenames, (b'"Query"',))
    for each, given in zip(plan.roots, values, strict=True):
        try:
            shown = _problem(each, asked, given) if isinstance(given, Exception) else await _body(each, asked, given)
        except Exception as failure:
            if isinstance(failure, TryLater) and failure.code == BUSY:
                raise
            # Every root is non-null: one that fails leaves nothing.
            return as_json({"errors": [_failure(each, failure, asked)], "data": None})
        pieces[each.key] = shown
    said = [b'{"data":{']
    for place, key in enumerate(plan.order):
        said.append(b',"%s":' % key.encode("ascii") if place else b'"%s":' % key.encode("ascii"))
        said += pieces[key]
    said.append(b"}}")
    return b"".join(said)


def _values(plan: RootPlan, asked: Asked, variables: Mapping[str, Any]) -> _Bound | Exception:
    try:
        below = {name: read(variables) for name, read in plan.below.items()}
        given = Given(root=plan.arguments(variables), below=below)
        parameters = plan.root.parameters(asked, given)
        statement = plan.statement_for(plan.root.shape(asked, given))
        return statement, statement.values(parameters)
    except NotCompiled:
        raise
    except Exception as failure:  # noqa: BLE001 - told in the place of this root, after those before it
        return failure


async def _body(plan: RootPlan, asked: Asked, bound: _Bound) -> Sequence[bytes]:
    """What a root shows, in pieces."""
    try:
        body, told = await asked.context.tenant.database.fetch_raw(*bound)
        if body is not None:
            if told is not None:
                plan.root.beside(asked, json.loads(told))
            return await late.in_pieces(body, plan.late, asked.context)
        value = plan.root.otherwise(asked, json.loads(told or b"null"))
        if isinstance(value, Problem):
            _noted(asked, value)
    except PasserelleError as error:
        if error.code == BUSY:
            raise
        return _problem(plan, asked, error)
    return (rendering.written(plan.selections, plan.field.type, plan.selected, value),)


def _problem(plan: RootPlan, asked: Asked, error: Exception) -> Sequence[bytes]:
    """What is not done, as the type that says so; raised again where the root has no such type."""
    problem = problem_of(error, asked.context) if isinstance(error, PasserelleError) else None
    type_ = plan.field.type.of_type if isinstance(plan.field.type, GraphQLNonNull) else plan.field.type
    known = {each.name for each in type_.types} if isinstance(type_, GraphQLUnionType) else set()
    if problem is None or type(problem).__strawberry_definition__.name not in known:  # type: ignore[attr-defined]
        raise error
    _noted(asked, problem)
    return (rendering.written(plan.selections, plan.field.type, plan.selected, problem),)


def _noted(asked: Asked, problem: Problem) -> None:
    asked.outcomes.append(outcome_shown(problem))
    PROBLEMS.add(asked.context.tenant.id, problem.code)


def _failure(plan: RootPlan, failure: Exception, asked: Asked) -> GraphQLFormattedError:
    asked.outcomes.append(noted(failure, asked.context.tenant.id))
    where = GraphQLError(str(failure), list(plan.selected.nodes), path=[plan.key], original_error=failure)
    return errors.execution_error(where, asked.context.request_id)
