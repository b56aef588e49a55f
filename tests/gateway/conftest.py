"""The gateway of a test module and those who knock at it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx2
import pytest

from passerelle.kernel.clock import SetClock
from tests.gateway.records import Record, new_record
from tests.gateway.serving import Serving, serving_over

if TYPE_CHECKING:
    from tests.conftest import Cloned


@pytest.fixture(scope="module")
async def serving(
    tenant_database: Cloned, directory_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Serving]:
    clock = SetClock(datetime(2026, 11, 16, 9, 0, tzinfo=UTC))
    folder = tmp_path_factory.mktemp("gateway")
    async with serving_over(tenant_database.database, directory_database.database, folder, clock) as serving:
        yield serving


@pytest.fixture(scope="module")
async def doctor_token(serving: Serving) -> str:
    _, token = await serving.professional()
    return token


@pytest.fixture
async def doctor(serving: Serving, doctor_token: str) -> httpx2.AsyncClient:
    """A physician whom the tenant knows."""
    return serving.client(doctor_token)


@pytest.fixture
async def stranger(serving: Serving) -> httpx2.AsyncClient:
    """Nobody: no token."""
    return serving.client()


@pytest.fixture
async def record(serving: Serving) -> Record:
    """A patient with an open record, and a doctor whom he authorised."""
    return await new_record(serving)
