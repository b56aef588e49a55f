"""A web process of its own over the databases of a test (`uvicorn --factory`), told what it needs in one variable."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from starlette.applications import Starlette

from passerelle.identities.bearers import BearerKind
from passerelle.identities.directory import Directory
from passerelle.identities.issuers import Issuer
from passerelle.identities.tokens import TokenVerifier
from passerelle.kernel.clock import SetClock
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import Database
from passerelle.kernel.keys import Keys
from passerelle_graphql.following import StreamLimits, Streams
from passerelle_graphql.gateway import Gateway
from passerelle_ops.asgi import assembled
from passerelle_ops.stopping import streams_end_first
from tests.gateway.serving import TENANT, OneTenant

VARIABLE = "TESTS_ANOTHER_PROCESS"


def create_app() -> Starlette:
    told = json.loads(os.environ[VARIABLE])
    database, folder, clock = (
        Database(told["tenant"]),
        Path(told["folder"]),
        SetClock(datetime.fromisoformat(told["now"])),
    )
    directory = Directory(Database(told["directory"]))
    tenant = Tenant(
        id=TENANT,
        name="Réseau d'essai",
        is_test=True,
        database=database,
        contents=Contents((folder / "contents").as_uri()),
        keys=Keys.load(folder / "keys.json"),
        parameters={"subscriptions.check_seconds": 1},
    )
    issuer = Issuer(url=told["issuer"], audience="passerelle", vouches_for=frozenset(BearerKind))
    gateway = Gateway(
        registry=OneTenant(tenant),
        verifier=TokenVerifier([issuer], clock),
        directory=directory,
        clock=clock,
        streams=Streams(StreamLimits(poll_seconds=0.05)),
    )

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        async with streams_end_first(gateway.streams):
            yield
        await database.close()
        await directory.database.close()

    return assembled(gateway, lifespan)
