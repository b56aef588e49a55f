"""A gateway as production has it, over one test module's own databases: real tokens, real PostgreSQL, real routes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp

from passerelle.identities.bearers import BearerKind
from passerelle.identities.directory import Directory, Practice, Professional
from passerelle.identities.ins import Ins
from passerelle.identities.issuers import Issuer
from passerelle.identities.revocations import Revocations
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.keys import Keys
from passerelle_graphql.gateway import Gateway
from passerelle_graphql.limits import Limits
from passerelle_graphql.persisted import Registered
from passerelle_graphql.routes import routes
from passerelle_ops.demo.issuer import DemoIssuer, create_app
from tests import builders

TENANT = "oncomip"
GRAPHQL = f"/{TENANT}/graphql"


@dataclass(frozen=True, slots=True)
class OneTenant:
    """The networks of a test: one."""

    only: Tenant

    async def tenant(self, tenant_id: str) -> Tenant:
        if tenant_id != self.only.id:
            raise InvalidInput("TENANT_UNKNOWN", tenant=tenant_id)
        return self.only


@dataclass(slots=True, kw_only=True)
class Serving:
    """The gateway, the world behind it, and an issuer that signs in whomever the test names."""

    world: builders.World
    issuer: DemoIssuer
    directory: Directory
    gateway: Gateway
    revocations: Revocations
    app: ASGIApp
    clients: list[httpx2.AsyncClient] = field(default_factory=list)

    def client(self, token: str | None = None, **headers: str) -> httpx2.AsyncClient:
        """Someone at the door, over ASGI."""
        bearer = {"authorization": f"Bearer {token}"} if token else {}
        client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app=self.app),
            base_url="http://passerelle.test",
            headers={**bearer, **headers},
        )
        self.clients.append(client)
        return client

    async def professional(
        self, profession: str = builders.PHYSICIAN, *, known: bool = True, may_regulate: bool = False
    ) -> tuple[Actor, str]:
        """An invented professional, registered in the directory unless told otherwise, and his token."""
        actor = builders.professional(profession)
        if known:
            await self.directory.register_professionals(
                [
                    Professional(
                        rpps=actor.id,
                        family_name="ESSAI",
                        given_name="Dominique",
                        profession=profession,
                        practices=(Practice(tenant_id=TENANT),),
                    )
                ]
            )
        token = self.issuer.mint_professional(
            rpps=actor.id,
            family_name="ESSAI",
            given_name="Dominique",
            profession=profession,
            may_regulate=may_regulate,
        )
        return actor, token

    def officer(self, network: str = TENANT) -> httpx2.AsyncClient:
        """The data-protection officer of a network, at the door."""
        return self.client(self.issuer.mint_officer(network=network, family_name="PROTECTION", given_name="Dominique"))

    def person_token(self, ins: Ins) -> str:
        """The token of a citizen."""
        return self.issuer.mint_person(oid=ins.oid, value=ins.value, family_name="ESSAI", given_name="Alix")


async def ask(client: httpx2.AsyncClient, query: str, /, **variables: Any) -> dict[str, Any]:
    """POST one operation; give `data`, after asserting that there are no errors."""
    response = await client.post(GRAPHQL, json={"query": query, "variables": variables})
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    assert "errors" not in shown, shown
    data: dict[str, Any] = shown["data"]
    return data


@asynccontextmanager
async def listening(app: ASGIApp) -> AsyncIterator[str]:
    """The app behind a real server on the loopback; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn gives a flag, not an event
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


@asynccontextmanager
async def serving_over(
    tenant_database: Database, directory_database: Database, folder: Path, clock: SetClock, **flags: Any
) -> AsyncIterator[Serving]:
    """Everything the gateway needs, for as long as a test module runs."""
    tenant = Tenant(
        id=TENANT,
        name="Réseau d'essai",
        is_test=True,
        database=tenant_database,
        contents=Contents((folder / "contents").as_uri()),
        keys=Keys.create(folder / "keys.json"),
        **flags.pop("rules", {}),
    )
    async with listening(create_app(folder=folder / "issuer")) as url:
        directory = Directory(directory_database)
        issuer = DemoIssuer(folder / "issuer", url, clock=clock)
        revocations = Revocations(directory_database, clock)
        gateway = Gateway(
            registry=OneTenant(tenant),
            verifier=TokenVerifier(
                [Issuer(url=url, audience="passerelle", vouches_for=frozenset(BearerKind))],
                clock,
                revocations,
            ),
            directory=directory,
            clock=clock,
            limits=flags.pop("limits", Limits()),
            introspection=flags.pop("introspection", True),
            registered=flags.get("registered", Registered()),
            registered_only="registered" in flags,
        )
        serving = Serving(
            world=builders.World(tenant, clock),
            issuer=issuer,
            directory=directory,
            gateway=gateway,
            revocations=revocations,
            app=Starlette(routes=routes(gateway)),
        )
        yield serving
        for client in serving.clients:
            await client.aclose()
