"""Whatever happened since a backup, what is restored shows nobody what he could not see at the end."""

from __future__ import annotations

from datetime import timedelta
from itertools import product
from typing import Any
from uuid import UUID

import psycopg
from hypothesis import HealthCheck, Phase, example, given, settings

from passerelle.audit import narrowings
from passerelle.dossier import reading
from passerelle.kernel.errors import Refused
from passerelle_ops.backup.ledger import Entry
from passerelle_ops.backup.replaying import read, replay
from passerelle_ops.stack.postgres import Postgres
from passerelle_policies.vocabulary import Mode
from tests.builders import World
from tests.conftest import Cloned
from tests.dossier.happenings import WHO, Region, steps

_TABLES = """
select t.table_name, string_agg(quote_ident(c.column_name), ', ') filter (where c.is_generated = 'NEVER')
  from information_schema.tables t join information_schema.columns c using (table_schema, table_name)
  where table_schema = 'public' and t.table_name !~ '^(journal|narrowing)' group by 1
  having bool_or(c.column_name in ('patient_id', 'team_id'))
"""
Rows = dict[str, tuple[str, Any]]


class Database:
    """Rows of one patient and his team, taken out and put back as they were, past triggers and keys."""

    def __init__(self, url: str, patient_id: UUID, team_id: UUID) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        self._connection.execute("set session_replication_role = replica")
        self._whose = (str(patient_id), str(team_id))
        found = self._connection.execute(_TABLES).fetchall()
        self._columns: dict[str, str] = dict(found)

    def close(self) -> None:
        self._connection.close()

    def taken(self) -> Rows:
        return {table: (columns, self._all(table)) for table, columns in self._columns.items()}

    def put_back(self, rows: Rows) -> None:
        for table, (columns, said) in rows.items():
            self._connection.execute(f"delete from {table} x where {_OURS}".encode(), self._whose)
            self._connection.execute(
                f"insert into {table} ({columns}) overriding system value"
                f" select {columns} from jsonb_populate_recordset(null::{table}, %s::jsonb)".encode(),
                (said,),
            )

    def _all(self, table: str) -> str:
        wanted = f"select coalesce(jsonb_agg(to_jsonb(x)), '[]')::text from {table} x where {_OURS}"
        ((said,),) = self._connection.execute(wanted.encode(), self._whose).fetchall()
        return str(said)


_OURS = "to_jsonb(x) ->> 'patient_id' = %s or (to_jsonb(x) ->> 'team_id' = %s and not to_jsonb(x) ? 'patient_id')"


async def _shown(region: Region) -> set[tuple[str, Mode, str]]:
    """What each sees of the record, come in each way."""
    seen = set()
    for who, mode in product(WHO, (Mode.NORMAL, Mode.BREAK_GLASS, Mode.REGULATION_CENTRE)):
        context = region.world.context(region.who(who), mode=mode)
        try:
            opened = await reading.open_dossier(context, region.patient_id)
        except Refused:
            continue
        seen |= {(who, mode, each) for each in ("", *(str(each["document_id"]) for each in opened.page.documents))}
    return seen


async def _noted(world: World) -> Entry:
    """What the ledger would be given now."""
    async with world.tenant.database.transaction() as connection:
        taken = await narrowings.take(connection, 10_000)
        await narrowings.kept(connection, taken)
    said = [{"what": each.what, "at": each.at.isoformat(), "said": each.said} for each in taken]
    return Entry(number=1, at="", narrowed=said)


def _steps(*acts: tuple[str, str]) -> list[Any]:
    return [(act, about, 0, timedelta(seconds=1), "patient", Mode.NORMAL, False) for act, about in acts]


_LET_IN = _steps(("publish", "author"), ("authorize", "doctor"), ("consent", "nurse"), ("add_to_team", "author"))
_DIES = _steps(("die", "doctor"))
_KEPT_OUT = _steps(("withdraw", "doctor"), ("remove_from_team", "author"), ("withdraw_consent", "nurse"))
_SHUT = _steps(("block", "doctor"), ("withhold", "nurse"))
_HIDDEN = _steps(("mask", "doctor"), ("hide_from_representatives", "doctor"), ("delete", "doctor"))


@settings(
    max_examples=5,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(before=_LET_IN, since=_DIES)
@example(before=_LET_IN, since=_KEPT_OUT)
@example(before=_LET_IN, since=_SHUT)
@example(before=_LET_IN, since=_HIDDEN)
@given(before=steps, since=steps)
async def test_a_restore_never_widens(
    world: World, tenant_database: Cloned, postgres: Postgres, before: list[Any], since: list[Any]
) -> None:
    region = Region(world)
    await region.settle()
    await region.happens("publish", region.author, 0)

    async def live(through: list[Any]) -> None:
        for act, about, number, later, *_ in through:
            await region.happens(act, region.who(about), number)
            world.clock.advance(later)

    database = Database(postgres.url(tenant_database.name), region.patient_id, region.team_id)
    try:
        await live(before)
        await _noted(world)
        backed_up = database.taken()
        await live(since)
        at_the_end, noted = await _shown(region), await _noted(world)
        database.put_back(backed_up)
        words = await read(_one(noted))
        await replay(world.tenant, world.clock, words)
        assert await _shown(region) <= at_the_end
        assert (await replay(world.tenant, world.clock, words)).changed == {}
    finally:
        database.close()


async def _one(entry: Entry) -> Any:
    yield entry
