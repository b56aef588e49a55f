"""A journal with nothing in it, ways to write to it as the platform does, and to damage it as only its owner could."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import psycopg
from sqlalchemy import text

from passerelle.audit import journal
from passerelle.audit.sealing import Sealed, seal
from passerelle.audit.transactions import transaction
from passerelle.audit.verification import verify_journal
from passerelle.kernel.context import Context
from passerelle_policies.vocabulary import Action, Kind
from tests.conftest import Cloned

INSERT = (
    "insert into journal (patient_id, at, actor_kind, actor_id, actor_name, action, kind, outcome, rule, pack,"
    " mode, purpose, request_id, facts) values (%s, '2026-11-16T09:00:00Z', 'system', 'essai', 'essai', 'read',"
    """ 'dossier', 'allowed', 'r', 'p', 'normal', 'care', 'q', '{"a": [1, 2.50]}') returning line_id"""
)


@dataclass(slots=True)
class Sealing:
    """One tenant's journal."""

    context: Context
    database: Cloned

    async def write(self, lines: int = 1, patient_id: UUID = journal.NOBODY) -> list[int]:
        """So many lines in one transaction; their ids."""
        async with transaction(self.context) as act:
            for number in range(lines):
                line = journal.Line(
                    kind=Kind.DOCUMENT,
                    action=Action.READ,
                    outcome=journal.Outcome.ALLOWED,
                    rule="essai",
                    pack="2026-01-01",
                    patient_id=patient_id,
                    facts={"relations": ["auteur"], "number": number, "share": 0.1},
                )
                await journal.append(act.connection, self.context, line)
            newest = text("select line_id from journal order by line_id desc limit :lines")
            return sorted((await act.connection.execute(newest, {"lines": lines})).scalars())

    async def seal(self, **how: Any) -> Sealed:
        return await seal(self.context.tenant, self.context.clock, **how)

    async def found(self) -> list[tuple[str, str]]:
        report = await verify_journal(self.context.tenant, self.context.clock)
        return [(finding.code, finding.about) for finding in report.findings]

    def ids(self) -> list[int]:
        return [row[0] for row in self.as_owner("select line_id from journal order by line_id")]

    def order(self) -> list[int]:
        """The lines as they are sealed."""
        return [row[0] for row in self.as_owner("select line_id from journal_leaf order by leaf_index")]

    def as_owner(self, statement: str, values: Sequence[object] | Mapping[str, object] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database.owner_url, autocommit=True) as owner:
            done = owner.execute(statement.encode(), values or None)
            return done.fetchall() if done.description else []

    def empty(self) -> None:
        self.as_owner("truncate journal, journal_leaf, journal_seal, journal_key")

    def served(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A transaction of the serving role, open until it is committed."""
        return psycopg.connect(self.database.url)

    def put(self, connection: psycopg.Connection[tuple[Any, ...]]) -> int:
        """One line within that transaction."""
        [(line_id,)] = connection.execute(INSERT.encode(), (uuid4(),)).fetchall()
        return int(line_id)
