"""A gateway behind a real server, whose streams are asked often, and someone who follows.

When a test ends nothing may be left of what was followed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from starlette.applications import Starlette

from passerelle.kernel.clock import SetClock
from passerelle_graphql.following import StreamLimits, Streams
from passerelle_graphql.routes import routes
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving, listening, serving_over
from tests.subscriptions.followers import Streaming

if TYPE_CHECKING:
    from tests.conftest import Cloned

RULES = {"parameters": {"subscriptions.check_seconds": 1, "break_glass.minutes": 5}}
LIMITS = StreamLimits(poll_seconds=0.03, init_seconds=0.8, keep_alive_seconds=0.2, retry_seconds=0.05)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where contents and keys lie."""
    return tmp_path_factory.mktemp("gateway")


@pytest.fixture(scope="module")
async def serving(tenant_database: Cloned, directory_database: Cloned, folder: Path) -> AsyncIterator[Serving]:
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    databases = tenant_database.database, directory_database.database
    async with serving_over(*databases, folder, clock, rules=RULES) as serving:
        yield serving


@pytest.fixture(scope="module")
async def server(serving: Serving) -> AsyncIterator[Streaming]:
    """The gateway behind a server of its own."""
    gateway = replace(serving.gateway, streams=Streams(LIMITS))
    async with listening(Starlette(routes=routes(gateway))) as url:
        yield Streaming(serving=serving, gateway=gateway, url=url)
        await gateway.streams.close()


@pytest.fixture
async def streaming(server: Streaming) -> AsyncIterator[Streaming]:
    yield server
    streams = server.gateway.streams
    async with asyncio.timeout(5):
        while streams.subscriptions or streams.feeds.followers or streams.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.fixture
async def record(serving: Serving) -> Record:
    """A patient with an open record, and a doctor whom he authorised."""
    return await new_record(serving)


@pytest.fixture
async def doctor_token(serving: Serving) -> str:
    _, token = await serving.professional()
    return token
