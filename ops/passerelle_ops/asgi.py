"""The web process: the gateway over one installation (`uvicorn --factory passerelle_ops.asgi:create_app`)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from http import HTTPMethod, HTTPStatus

import structlog
from sqlalchemy import literal, select
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Lifespan, Message, Receive, Scope, Send

from passerelle.identities.bearers import BearerKind
from passerelle.identities.issuers import Issuer
from passerelle.identities.revocations import Revocations
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel import tracing
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Statement
from passerelle.kernel.errors import InvalidInput
from passerelle.oncology.formats.schemas import Official
from passerelle_graphql.authentication import REQUEST_ID
from passerelle_graphql.execution import Executor
from passerelle_graphql.following import Streams
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.http import GraphQLEndpoint
from passerelle_graphql.ids import Node, is_of
from passerelle_graphql.persisted import Registered
from passerelle_graphql.routes import FrontDoor, routes
from passerelle_ops import logs
from passerelle_ops.elsewhere import OtherNetworks
from passerelle_ops.federated_reads import FederatedReads
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from passerelle_ops.stopping import streams_end_first
from passerelle_ops.watching import traces
from passerelle_ops.watching.gateway import RESPONSES, Exposed
from passerelle_tenants import home_acts

_log = structlog.get_logger("passerelle.web")
_REQUEST_ID = REQUEST_ID.lower().encode("ascii")
_METHODS = frozenset(HTTPMethod)
_SIGN_OF_LIFE = Statement(select(literal(1)))


def _issuers(settings: Settings, url: str) -> list[Issuer]:
    """Who is trusted to say who comes: of professionals and their software, of citizens, of officers.

    One issuer may vouch for several kinds. Nobody vouches for officers unless it is set.
    """
    vouched: dict[str, set[BearerKind]] = {}
    for kind in BearerKind:
        by = url
        if kind is BearerKind.PERSON:
            by = settings.person_issuer or url
        elif kind is BearerKind.OFFICER:
            if settings.officer_issuer is None:
                continue
            by = settings.officer_issuer
        vouched.setdefault(by, set()).add(kind)
    return [
        Issuer(url=each, audience=settings.audience, vouches_for=frozenset(kinds)) for each, kinds in vouched.items()
    ]


def create_app(settings: Settings | None = None) -> Starlette:
    """The application over an installation whose databases answer. Refused: ISSUER_MISSING, NOT_RUNNING.

    Refused too: OPERATIONS_UNREADABLE, CISIS_FOLDER_MISSING, CISIS_SCHEMA_MISSING.
    """
    settings = settings or Settings()
    logs.configure(settings)
    traces.trace(settings, "gateway")
    if settings.issuer is None:
        raise InvalidInput("ISSUER_MISSING")
    if settings.cisis_dir is not None:
        Official(settings.cisis_dir).schema_file()
    installation = Installation(settings)
    exposed = Exposed(installation)

    async def directory_answers() -> None:
        await installation.directory.database.fetch(_SIGN_OF_LIFE, {})

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        registry = await installation.registry()
        await verifier.look()
        _log.info("started", networks=sorted(registry.networks))
        async with exposed.shared(), streams_end_first(gateway.streams, settings.drain_seconds):
            yield
        await reads.close()
        await installation.close()
        traces.stop()

    async def networks() -> tuple[Tenant, ...]:
        registry = await installation.registry()
        return tuple([await registry.tenant(each) for each in sorted(registry.networks)])

    elsewhere = OtherNetworks(networks, installation.directory)
    reads = FederatedReads(installation.registry, installation.directory, installation.clock, settings.federation_url)
    verifier = TokenVerifier(
        _issuers(settings, settings.issuer),
        installation.clock,
        Revocations(installation.directory.database, installation.clock),
    )
    gateway = Gateway(
        registry=_Networks(installation),
        verifier=verifier,
        directory=installation.directory,
        clock=installation.clock,
        elsewhere_experts=elsewhere,
        boards_elsewhere=elsewhere,
        records_elsewhere=reads.asking(),
        homes=home_acts.Declaring(lambda: installation.locator),
        answers=reads.answer,
        introspection=settings.environment == "development",
        executor=Executor(settings.executor),
        registered=Registered.with_folder(settings.operations_folder),
        registered_only=settings.operations == "registered",
        checks={"directory": directory_answers},
    )

    gateway.warm()
    return assembled(gateway, lifespan, also=exposed.routes())


def assembled(
    gateway: Gateway, lifespan: Lifespan[Starlette] | None = None, also: Sequence[BaseRoute] = ()
) -> Starlette:
    """The gateway's routes, after those of `also`, with what stands before them."""
    graphql = GraphQLEndpoint(gateway)
    application = Starlette(routes=[*also, *routes(gateway, graphql)], lifespan=lifespan)
    application.add_middleware(AccessLog, streams=gateway.streams)
    # What nearly everyone asks for goes through nothing else.
    logged = AccessLog(graphql, gateway.streams)
    application.middleware_stack = FrontDoor(application.build_middleware_stack(), logged)
    return application


class _Networks:
    """The networks of an installation, the registry of which is opened when the process starts."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    async def tenant(self, tenant_id: str) -> Tenant:
        return await (await self._installation.registry()).tenant(tenant_id)


class AccessLog:
    """One line for each request: method, path, status, time. A query string or an unknown path may hold anything.

    What no route expected is answered by a bare 500 and logged by its class and place only. A process that was told to
    stop says with each answer that the connection ends there.
    """

    def __init__(self, app: ASGIApp, streams: Streams) -> None:
        self._app = app
        self._streams = streams

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if tracing.tracer is None:
            await self._counted(scope, receive, send, None)
            return
        with tracing.span("http", "server", came=_traceparent(scope)) as span:
            await self._counted(scope, receive, send, span)

    async def _counted(self, scope: Scope, receive: Receive, send: Send, span: tracing.Span | None) -> None:
        began = time.perf_counter()
        status, request_id = 0, None

        async def sending(message: Message) -> None:
            nonlocal status, request_id
            if message["type"] == "http.response.start":
                status = message["status"]
                if self._streams.leaving:
                    message["headers"] = [*message["headers"], (b"connection", b"close")]
                request_id = next((value.decode() for name, value in message["headers"] if name == _REQUEST_ID), None)
            await send(message)

        try:
            await self._app(scope, receive, sending)
        except Exception as error:  # noqa: BLE001 - the last place where it can be told without its text
            _log.error("unexpected", **logs.place(error))
            if status == 0:
                await JSONResponse({"code": "INTERNAL_ERROR"}, status_code=500)(scope, receive, sending)
        finally:
            RESPONSES.add(str(int(status)))
            method, path = _method(scope), _told(scope, status)
            if span is not None:
                span.says("http.request.method", method)
                span.says("http.response.status_code", int(status))
                span.says("url.path", path)
                span.says("passerelle.request_id", request_id or "")
            if not scope["path"].startswith("/health/"):
                logs.request(
                    method=method,
                    path=path,
                    status=int(status),
                    milliseconds=round((time.perf_counter() - began) * 1000, 1),
                    request_id=request_id,
                )


def _method(scope: Scope) -> str:
    """The method, when it is one of HTTP's: a client may write anything there."""
    method = str(scope["method"])
    return method if method in _METHODS else "other"


def _traceparent(scope: Scope) -> str | None:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)


def _told(scope: Scope, status: int) -> str:
    """The path, when it is one that we gave: anything may stand in one that leads nowhere, or in place of an id."""
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return "unknown"
    given = scope.get("path_params", {})
    is_document = "id" not in given or is_of(Node.DOCUMENT, given["id"])
    is_case = "case" not in given or is_of(Node.BOARD_CASE, given["case"]) or is_of(Node.REFERRAL, given["case"])
    if not (is_document and is_case):
        return "unknown"
    if "network" in given:
        return str(scope["path"]).replace(f"/elsewhere/{given['network']}/", "/elsewhere/{network}/")
    return str(scope["path"])
