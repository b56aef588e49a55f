"""What the gateway answers, and where.

/{tenant}/graphql                       GET for queries, POST for everything
/{tenant}/documents/{id}/content        a document's octets, GET and HEAD, with ranges
/{tenant}/documents/{id}/view           a CDA as a page of our own
/health/live, /health/ready             for whoever supervises
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Route

from passerelle_graphql.content import ContentEndpoint, ViewEndpoint
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.health import Health
from passerelle_graphql.http import GraphQLEndpoint


def routes(gateway: Gateway) -> list[BaseRoute]:
    """Every route of the gateway, to be assembled by `passerelle_ops.asgi`."""
    health = Health(gateway.checks)
    document = "/{tenant}/documents/{id}"
    return [
        Route("/health/live", health.live, methods=["GET"]),
        Route("/health/ready", health.ready, methods=["GET"]),
        Route("/{tenant}/graphql", GraphQLEndpoint(gateway)),
        Route(f"{document}/content", ContentEndpoint(gateway), methods=["GET"]),
        Route(f"{document}/view", ViewEndpoint(gateway), methods=["GET"]),
    ]
