"""A session of forty cases as a member opens it, against the same rows read by plain SQL.

What is asked is the committed operation, as the compiler makes it: decision on each case, documents that may be read,
forty-one lines of the journal. Its statements are sent by psycopg, so that nothing but the database is compared. The
plain SQL decides nothing and journals nothing: it is what the rows alone cost.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, LiteralString
from uuid import UUID, uuid4

from psycopg import AsyncCursor

from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SystemClock
from passerelle.kernel.context import Context, Tenant
from passerelle_graphql.committed import committed
from passerelle_graphql.compiler import late
from passerelle_graphql.compiler.plans import Plans
from passerelle_graphql.compiler.roots import Given
from passerelle_graphql.context import Asked
from passerelle_graphql.ids import Node, node_id
from passerelle_graphql.limits import Limits
from passerelle_graphql.preparation import Preparation
from passerelle_graphql.requests import Parameters
from passerelle_graphql.schema import ROOTS, schema
from passerelle_ops.bench._board_population import ATTACHED, CASES, READER
from passerelle_ops.bench._pharmacy_view import connected
from passerelle_ops.bench._rounds import Ask, Side
from passerelle_policies.vocabulary import ActorKind

OPERATION: Final = "OpenBoardSession"
MEMBER, BARE = "member", "bare"
_BARE: Final[LiteralString] = """
select json_agg(json_build_array(c.case_id, c.patient_id, c.state, c.discussion, c.requester, c.presenter, c.question,
    c.informed_at, c.registered_at, p.family_name, p.used_name, p.given_names, p.birth_date, p.sex, s.version, s.state,
    s.written_at, s.missing, d.papers) order by c.registered_at)
from board_case c join patient p on p.patient_id = c.patient_id
left join lateral (select version, state, written_at, missing from board_sheet
    where patient_id = c.patient_id and case_id = c.case_id order by version desc limit 1) s on true
left join lateral (select json_agg(json_build_array(e.document_id, e.type_code, e.type_label, e.title, e.mime_type,
        e.act_at, e.size, a.attached_at) order by e.act_at desc) as papers
    from case_attachment a join document e on e.patient_id = a.patient_id and e.document_id = a.document_id
    where a.patient_id = c.patient_id and a.case_id = c.case_id and a.detached_at is null) d on true
where c.session_id = %(session)s and c.state in ('registered', 'heard')"""


class AgendaStatements:
    """The statements of the operation, and what they bind for one session."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._preparation = Preparation(schema, Limits(), introspection=False)
        self._plans = Plans(schema, ROOTS, kept=8)

    def of(self, session_id: UUID) -> list[tuple[bytes, Sequence[Any]]]:
        """Their texts, and their values: one for each root of the operation."""
        variables = {"id": node_id(Node.BOARD_SESSION, session_id)}
        prepared = self._preparation.prepare(
            Parameters(query=committed()[OPERATION], operation_name=OPERATION, variables=variables)
        )
        roots = self._plans.plan(prepared).roots
        asked = Asked(self._context(), prepared, f"/{self._tenant.id}")
        self._late = roots[0].late
        return [
            (
                each.statement.sql,
                each.statement.values(
                    each.root.parameters(asked, Given(root=each.arguments(prepared.coerced), below={}))
                ),
            )
            for each in roots
        ]

    async def shown(self, url: str, session_id: UUID) -> Mapping[str, Any]:
        """What the operation answers."""
        (sql, values), *_ = self.of(session_id)
        async with connected(url) as connection:
            row = await (await connection.execute(sql, values)).fetchone()
        if row is None or row[0] is None:
            raise ValueError("a session that should open did not")
        answer: Mapping[str, Any] = json.loads(await late.filled(str(row[0]).encode(), self._late, self._context()))
        return answer

    def _context(self) -> Context:
        return Context(
            tenant=self._tenant,
            actor=Actor(kind=ActorKind.PROFESSIONAL, id=READER, name="Camille BANC", profession="10"),
            clock=SystemClock(),
            request_id=uuid4().hex,
        )


def must_show_all(answer: Mapping[str, Any]) -> None:
    """Every case is there, with its patient, its sheet and its documents."""
    cases = answer["cases"]
    attached = sum(len(each["attachments"]) for each in cases)
    if len(cases) != CASES or attached != CASES * ATTACHED or not all(each["sheet"] for each in cases):
        raise ValueError(f"{len(cases)} cases and {attached} documents are shown")


async def must_show_as_many(url: str, session_id: UUID) -> None:
    """Plain SQL shows the same number of cases and of documents."""
    async with connected(url) as connection:
        row = await (await AsyncCursor(connection).execute(_BARE, {"session": session_id})).fetchone()
    cases = json.loads(row[0]) if row else []
    if len(cases) != CASES or sum(len(each[-1]) for each in cases) != CASES * ATTACHED:
        raise ValueError("plain SQL does not show the same cases")


def member_side(url: str, tenant: Tenant, sessions: list[UUID]) -> Side:
    """Openings by a member, of each session in turn."""
    statements = AgendaStatements(tenant)
    sent = [statements.of(each) for each in sessions]

    @asynccontextmanager
    async def client() -> AsyncIterator[Ask]:
        async with connected(url) as connection:

            async def ask(turn: int) -> None:
                for statement in sent[turn % len(sent)]:
                    row = await (await connection.execute(*statement)).fetchone()
                    if row is None or row[0] is None:
                        raise ValueError("a session that should open did not")

            yield ask

    return Side(MEMBER, "session ouverte par un membre", client)


def bare_side(url: str, sessions: list[UUID]) -> Side:
    """The same rows by plain SQL."""

    def connect() -> AbstractAsyncContextManager[Ask]:
        return _bare(url, sessions)

    return Side(BARE, "SQL seul, sans décision ni journal", connect)


@asynccontextmanager
async def _bare(url: str, sessions: list[UUID]) -> AsyncIterator[Ask]:
    async with connected(url) as connection:

        async def ask(turn: int) -> None:
            cursor = AsyncCursor(connection)
            await cursor.execute(_BARE, {"session": sessions[turn % len(sessions)]})
            row = await cursor.fetchone()
            if row is None or row[0] is None:
                raise ValueError("plain SQL shows nothing")

        yield ask
