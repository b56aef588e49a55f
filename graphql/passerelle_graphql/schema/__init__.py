"""The schema: one module for each domain, assembled here. Its SDL is committed as `schema.graphql`."""

from __future__ import annotations

import strawberry

from passerelle_graphql.execution import AlreadyPrepared, GatewaySchema
from passerelle_graphql.problems import HANDLERS
from passerelle_graphql.schema.me import MeQuery
from passerelle_graphql.schema.values import CONFIG


@strawberry.type(description="Lire. Chaque lecture est au journal du patient.")
class Query(MeQuery):
    pass


schema = GatewaySchema(
    query=Query,
    config=CONFIG,
    extensions=[AlreadyPrepared],
    exception_handlers=HANDLERS,
)
