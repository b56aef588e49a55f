"""What the gateway answers, and where.

/{tenant}/graphql                       GET for queries, POST for everything; subscriptions by SSE or WebSocket
/{tenant}/documents/{id}/content        a document's octets, GET and HEAD, with ranges
/{tenant}/documents/{id}/view           a CDA as a page of our own
/{tenant}/board-cases/{case}/documents/{id}  the octets of what is attached to a case of a tumour board, or lent with it
/{tenant}/elsewhere/{network}/documents/{id}  the octets of a document that another network showed
/{tenant}/federation/questions          POST alone, by other networks
/{tenant}/exports/{id}                  a whole record, as a zip; GET alone
/{tenant}/calendars/{key}.ics           a professional's sessions, for his calendar application
/health/live, /health/ready             for whoever supervises

Elsewhere, and to any other method, `application/problem+json` with a code and a sentence.
"""

from __future__ import annotations

from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from passerelle_graphql.calendars import CalendarEndpoint
from passerelle_graphql.content import ContentEndpoint, ViewEndpoint, opened_through_case
from passerelle_graphql.elsewhere import QuestionsEndpoint, opened_elsewhere
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.health import Health
from passerelle_graphql.http import GraphQLEndpoint
from passerelle_graphql.problem_details import no_such_address, only_get, only_read
from passerelle_graphql.subscriptions.websocket import WebSocketEndpoint
from passerelle_graphql.takeaway import ExportEndpoint


def routes(gateway: Gateway, graphql: ASGIApp | None = None) -> list[BaseRoute]:
    """Every route of the gateway, to be assembled by `passerelle_ops.asgi`."""
    health = Health(gateway.checks, gateway.streams)
    document = "/{tenant}/documents/{id}"
    through_case = ContentEndpoint(gateway, opened_through_case)
    elsewhere = ContentEndpoint(gateway, opened_elsewhere)
    export = Route("/{tenant}/exports/{id}", ExportEndpoint(gateway), methods=["GET"])
    # An export counts as a reading of all that it holds: what asks for its headers alone has read nothing.
    export.methods = {"GET"}
    read = [
        Route("/health/live", health.live, methods=["GET"]),
        Route("/health/ready", health.ready, methods=["GET"]),
        Route(f"{document}/content", ContentEndpoint(gateway), methods=["GET"]),
        Route(f"{document}/view", ViewEndpoint(gateway), methods=["GET"]),
        Route("/{tenant}/board-cases/{case}/documents/{id}", through_case, methods=["GET"]),
        Route("/{tenant}/elsewhere/{network}/documents/{id}", elsewhere, methods=["GET"]),
        # Named `id`, as what stands there is never logged.
        Route("/{tenant}/calendars/{id}.ics", CalendarEndpoint(gateway), methods=["GET"]),
        export,
    ]
    return [
        *read,
        *(Route(each.path, _Answer(only_get if each is export else only_read)) for each in read),
        Route("/{tenant}/federation/questions", QuestionsEndpoint(gateway)),
        Route("/{tenant}/graphql", graphql or GraphQLEndpoint(gateway)),
        WebSocketRoute("/{tenant}/graphql", WebSocketEndpoint(gateway)),
        Route("/{rest:path}", _Answer(no_such_address)),
    ]


class FrontDoor:
    """Lets what nearly everyone asks for straight through to `graphql`; the routes answer everything else."""

    def __init__(self, app: ASGIApp, graphql: ASGIApp) -> None:
        self._app = app
        self._graphql = graphql

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope.get("root_path"):
            before, _, rest = scope["path"].partition("/")
            tenant, _, name = rest.partition("/")
            if name == "graphql" and tenant and not before:
                scope["path_params"] = {"tenant": tenant}
                await self._graphql(scope, receive, send)
                return
        await self._app(scope, receive, send)


class _Answer:
    """One answer to every method: Starlette would take a function for an endpoint of GET alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)
