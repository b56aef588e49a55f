"""The same smallest endpoint twice, asynchronous and synchronous, over the statement that opens a record.

    uvicorn --factory passerelle_ops.bench._endpoints:asynchronous      the kernel's own way
    uvicorn --factory passerelle_ops.bench._endpoints:synchronous       Starlette's threads, a pool of as many

No token and no GraphQL: both would cost the two alike. What the statement gives as JSON goes out as it came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from psycopg import Connection, RawCursor
from psycopg.rows import TupleRow
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from passerelle.dossier.reading import OPEN_DOSSIER
from passerelle.kernel.context import Tenant
from passerelle.kernel.database import PLANNER
from passerelle_ops.bench._bare import parameters_of
from passerelle_ops.bench._ground import TENANT, read_openings
from passerelle_ops.bench._population import physicians
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings

POOL: Final = 8
_ALLOWED = OPEN_DOSSIER.columns.index("allowed")
_DOCUMENTS = OPEN_DOSSIER.columns.index("documents")


def asynchronous() -> Starlette:
    """`async def` down to the socket of PostgreSQL."""
    bench = _Bench()

    async def open_record(request: Request) -> Response:
        rows = await bench.tenant.database.fetch(OPEN_DOSSIER, bench.parameters(request))
        return _answer(rows[0])

    return bench.application(open_record)


def synchronous() -> Starlette:
    """A plain function, that Starlette runs in a thread."""
    bench = _Bench()
    pools: list[ConnectionPool[Connection[TupleRow]]] = []

    def plan_once(connection: Connection[TupleRow]) -> None:
        connection.execute(PLANNER)

    def open_record(request: Request) -> Response:
        if not pools:
            raise LookupError("the pool is not open")
        with pools[0].connection() as connection:
            row = connection.execute(OPEN_DOSSIER.sql, OPEN_DOSSIER.values(bench.parameters(request))).fetchone()
        return _answer(row)

    def open_pool(url: str) -> Callable[[], None]:
        pool: ConnectionPool[Connection[TupleRow]] = ConnectionPool(
            url,
            min_size=1,
            max_size=POOL,
            kwargs={"autocommit": True, "prepare_threshold": 0, "cursor_factory": RawCursor},
            configure=plan_once,
            open=True,
        )
        pools.append(pool)
        return pool.close

    return bench.application(open_record, open_pool)


class _Bench:
    """The openings of the ground, and the network they are of."""

    def __init__(self) -> None:
        settings = Settings()
        self._openings = read_openings(settings.state)
        self._physicians = {each.rpps: each for each in physicians()}
        self._installation = Installation(settings, pool_size=POOL)
        self._tenant: Tenant | None = None

    @property
    def tenant(self) -> Tenant:
        if self._tenant is None:
            raise LookupError("the application has not started")
        return self._tenant

    def parameters(self, request: Request) -> dict[str, Any]:
        """What the opening of that number binds."""
        opening = self._openings[int(request.path_params["number"]) % len(self._openings)]
        return parameters_of(self.tenant, opening, self._physicians)

    def application(
        self, endpoint: Callable[[Request], Any], also: Callable[[str], Callable[[], None]] | None = None
    ) -> Starlette:
        """`endpoint` at `/{number}`; `also` opens something over the network's database and says how to close it."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            registry = await self._installation.registry()
            self._tenant = await registry.tenant(TENANT)
            set_json_loads(lambda octets: octets)  # from here on this process only opens records
            close = also(self._tenant.database.url) if also else None
            yield
            if close is not None:
                close()
            await self._installation.close()

        return Starlette(routes=[Route("/{number:int}", endpoint)], lifespan=lifespan)


def _answer(row: TupleRow | None) -> Response:
    if row is None or not row[_ALLOWED]:
        return Response(status_code=500)
    return Response(row[_DOCUMENTS], media_type="application/json")
