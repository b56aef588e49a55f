"""The answers to one operation, in the order in which they come: many for a subscription, one for any other."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from graphql import OperationType
from strawberry.types import ExecutionResult

from passerelle_graphql import errors, standing
from passerelle_graphql.bodies import with_more
from passerelle_graphql.context import Asked
from passerelle_graphql.execution import answer
from passerelle_graphql.following import Followed, Visit
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.preparation import Prepared
from passerelle_graphql.requests import Parameters


async def answers(gateway: Gateway, visit: Visit, parameters: Parameters) -> AsyncGenerator[bytes, None]:
    """Each answer as the body that it would have over HTTP.

    Raises `RequestErrors` and `PasserelleError`, before the first answer, as `http` does: the same document, limits,
    cost and persisted operations hold here. TOO_MANY_SUBSCRIPTIONS, SERVER_STOPPING (TryLater) besides.
    """
    actor, tenant = visit.context.actor, visit.context.tenant
    prepared = gateway.preparation.prepare(parameters, (tenant.id, actor.id))
    with gateway.streams.place(actor.subject):
        if prepared.operation.operation is OperationType.SUBSCRIPTION:
            async with aclosing(_followed(gateway, visit, prepared)) as followed:
                async for each in followed:
                    yield each
        else:
            asked = Asked(visit.context, prepared, gateway.path_of(tenant.id))
            answered = await answer(gateway.schema, gateway.plans, asked, gateway.deadlines)
            yield with_more(answered.body, standing.extensions(visit.context, asked.emergencies))


async def _followed(gateway: Gateway, visit: Visit, prepared: Prepared) -> AsyncGenerator[bytes, None]:
    followed = Followed(
        context=visit.context,
        prepared=prepared,
        path=gateway.path_of(visit.context.tenant.id),
        visit=visit,
        streams=gateway.streams,
    )
    results: Any = await gateway.schema.subscribe(
        prepared.document.text,
        variable_values=dict(prepared.variables),
        context_value=followed,
        operation_name=prepared.name,
    )
    async with aclosing(results):
        async for result in results:
            yield with_more(_body(result, visit), standing.extensions(visit.context, followed.emergencies))


def _body(result: ExecutionResult, visit: Visit) -> dict[str, Any]:
    shown = [errors.execution_error(each, visit.context.request_id) for each in result.errors or ()]
    return {"errors": shown, "data": result.data} if shown else {"data": result.data}
