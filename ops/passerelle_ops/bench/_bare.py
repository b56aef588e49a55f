"""The statement of a reading, sent by psycopg and nothing else: what a face is measured against.

Its parameters are made beforehand, its JSON stays text: whatever turns it into Python objects is the face's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection, AsyncRawCursor
from psycopg.rows import TupleRow
from psycopg.types.string import TextLoader

from passerelle.dossier import reading
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context, Tenant
from passerelle.kernel.database import plan_once
from passerelle_ops.bench._population import Opening, Physician
from passerelle_ops.bench._rounds import Ask
from passerelle_policies.vocabulary import ActorKind

PAGE = 50
_BY_KEY = b"select * from patient where patient_id = $1"
_STATEMENT = reading.OPEN_DOSSIER
_ALLOWED = _STATEMENT.columns.index("allowed")
_DOCUMENTS = _STATEMENT.columns.index("documents")


def parameters_of(tenant: Tenant, opening: Opening, physicians: Mapping[str, Physician]) -> dict[str, Any]:
    """What the gateway binds for this opening; the id of the request is new each time."""
    physician = physicians[opening.rpps]
    context = Context(
        tenant=tenant,
        actor=Actor(
            kind=ActorKind.PROFESSIONAL,
            id=physician.rpps,
            name=f"{physician.given_name} {physician.family_name}",
            profession="10",
            establishment=physician.finess,
        ),
        clock=SystemClock(),
        request_id=uuid4().hex,
    )
    return reading.open_dossier_parameters(context, UUID(opening.patient_id), reading.DocumentFilter(), first=PAGE)


class BareReading:
    """Openings with their parameters, and connections of psycopg that take them."""

    def __init__(self, url: str, tenant: Tenant, openings: Sequence[Opening], physicians: Sequence[Physician]) -> None:
        known = {each.rpps: each for each in physicians}
        self._url = url
        self._values = [_STATEMENT.values(parameters_of(tenant, each, known)) for each in openings]
        self._keys = [UUID(each.patient_id) for each in openings]

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[Ask]:
        """A client that opens records."""
        async with self.connected() as connection:

            async def ask(turn: int) -> None:
                cursor = await connection.execute(_STATEMENT.sql, self._values[turn % len(self._values)])
                row = await cursor.fetchone()
                if row is None or not row[_ALLOWED]:
                    raise ValueError("a record that should open did not")

            yield ask

    @asynccontextmanager
    async def by_key(self) -> AsyncIterator[Ask]:
        """A client that reads one row by its primary key."""
        async with self.connected() as connection:

            async def ask(turn: int) -> None:
                cursor = await connection.execute(_BY_KEY, [self._keys[turn % len(self._keys)]])
                if await cursor.fetchone() is None:
                    raise ValueError("a patient that should be there is not")

            yield ask

    async def documents(self, turn: int) -> list[dict[str, Any]]:
        """The page of one opening, as rows by column name."""
        async with self.connected() as connection:
            cursor = await connection.execute(_STATEMENT.sql, self._values[turn % len(self._values)])
            row = await cursor.fetchone()
            given = json.loads(row[_DOCUMENTS]) if row is not None and row[_DOCUMENTS] else []
        return [dict(zip(reading.SHOWN, each, strict=True)) for each in given[:PAGE]]

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[AsyncConnection[TupleRow]]:
        connection = await AsyncConnection.connect(
            self._url, autocommit=True, prepare_threshold=0, cursor_factory=AsyncRawCursor
        )
        async with connection:
            for name in ("json", "jsonb"):
                connection.adapters.register_loader(name, TextLoader)
            await plan_once(connection)
            yield connection
