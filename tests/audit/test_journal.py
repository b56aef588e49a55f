"""The journal: out of reach of the role that serves, written with the act or with its refusal, never without."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from sqlalchemy import text

from passerelle.audit import journal, outbox
from passerelle.audit.sealing import seal
from passerelle.audit.transactions import transaction
from passerelle.audit.verification import verify_journal
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, Refused, TryLater
from passerelle_ops.stack.postgres import Postgres
from passerelle_policies.vocabulary import Action, Kind
from tests.audit.events import Rang
from tests.conftest import Cloned


def line(patient_id: UUID = journal.NOBODY, **said: Any) -> journal.Line:
    usual = {
        "kind": Kind.DOCUMENT,
        "action": Action.READ,
        "outcome": journal.Outcome.ALLOWED,
        "rule": "essai",
        "pack": "2026-01-01",
    }
    return journal.Line(patient_id=patient_id, **{**usual, **said})


def refusal(patient_id: UUID) -> Refused:
    said = line(patient_id, outcome=journal.Outcome.REFUSED, code="ACCESS_REFUSED")
    return Refused("ACCESS_REFUSED", line=said)


async def lines_of(context: Context, patient_id: UUID) -> list[journal.JournalLine]:
    async with transaction(context) as act:
        return await journal.page(act.connection, patient_id, first=1000)


def kept_in(database: Cloned) -> list[tuple[Any, ...]]:
    """Every leaf and every head, as the owner sees them."""
    with psycopg.connect(database.owner_url) as owner:
        leaves = owner.execute("select leaf_index, line_id, hash, mark, subtrees from journal_leaf order by 1")
        heads = owner.execute("select tree_size, root, previous_head, signature from journal_seal order by 1")
        return [*leaves.fetchall(), *heads.fetchall()]


async def events_of(context: Context, patient_id: UUID) -> int:
    async with transaction(context) as act:
        counted = await act.connection.execute(
            text("select count(*) from outbox where patient_id = :patient_id"), {"patient_id": patient_id}
        )
        return int(counted.scalar_one())


async def act_that_fails(context: Context, patient_id: UUID, failure: Exception) -> None:
    async with transaction(context) as act:
        await journal.append(act.connection, context, line(patient_id))
        await outbox.publish(act, Rang(patient_id=patient_id, times=1))
        raise failure


_ON_EACH = (
    "update {table} set {column} = {column}",
    "update {table} set {column} = {column} where false",
    "delete from {table}",
    "delete from {table} where false",
    "truncate {table}",
    "truncate {table} cascade",
    "drop table {table}",
    "alter table {table} rename to forgotten",
    "alter table {table} owner to current_user",
    "alter table {table} disable trigger all",
    "alter table {table} drop column {column}",
    "grant delete on {table} to current_user; delete from {table}",
    "merge into {table} using (values (1)) as v on true when matched then delete",
    "create rule silence as on insert to {table} do instead nothing",
    "create table public.beside (like {table})",
)


@pytest.mark.parametrize(
    "statement",
    [
        *(
            each.format(table=table, column=column)
            for table, column in (("journal", "at"), ("journal_leaf", "hash"), ("journal_seal", "root"))
            for each in _ON_EACH
        ),
        (
            "insert into journal (patient_id) values (gen_random_uuid()) on conflict (patient_id, line_id)"
            " do update set at = now()"
        ),
        "insert into journal_leaf (leaf_index) values (0) on conflict (leaf_index) do update set hash = ''",
        "insert into journal_seal (tree_size) values (1) on conflict (tree_size) do update set root = ''",
        "create index hidden on journal (at)",
        "set role passerelle_owner",
        "set session_replication_role = replica",
    ],
)
async def test_the_serving_role_changes_nothing_of_the_journal(
    context: Context, tenant_database: Cloned, statement: str
) -> None:
    patient_id = uuid4()
    async with transaction(context) as act:
        await journal.append(act.connection, context, line(patient_id))
    await seal(context.tenant, context.clock)
    before = await lines_of(context, patient_id), kept_in(tenant_database)
    with psycopg.connect(tenant_database.url, autocommit=True) as served:
        assert served.info.user != "passerelle_owner"
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            served.execute(statement.encode())
    assert len(before[0]) == 1
    assert (await lines_of(context, patient_id), kept_in(tenant_database)) == before


async def test_a_journal_as_it_must_be_has_no_finding(context: Context) -> None:
    report = await verify_journal(context.tenant, context.clock)
    assert report.findings == ()


@pytest.mark.parametrize(
    ("grant", "undo", "found"),
    [
        ("grant update on journal to {role}", "revoke update on journal from {role}", {"journal UPDATE"}),
        ("grant update (code) on journal to {role}", "revoke update (code) on journal from {role}", {"journal UPDATE"}),
        (
            "grant delete, truncate on journal to {role}",
            "revoke all on journal from {role}",
            {"journal DELETE", "journal TRUNCATE"},
        ),
        (
            "grant update (hash) on journal_leaf to {role}",
            "revoke update (hash) on journal_leaf from {role}",
            {"journal_leaf UPDATE"},
        ),
        ("grant delete on journal_seal to {role}", "revoke all on journal_seal from {role}", {"journal_seal DELETE"}),
        (
            "grant passerelle_owner to {role}",
            "revoke passerelle_owner from {role}",
            {"journal OWNER", "journal_leaf OWNER", "journal_seal OWNER"},
        ),
    ],
)
async def test_a_right_given_by_mistake_is_found(
    context: Context, tenant_database: Cloned, postgres: Postgres, grant: str, undo: str, found: set[str]
) -> None:
    role = f"serving_{tenant_database.name}"
    admin = postgres.url(tenant_database.name)
    async with await psycopg.AsyncConnection.connect(admin, autocommit=True) as administrator:
        await administrator.execute(grant.format(role=role).encode())
        try:
            report = await verify_journal(context.tenant, context.clock)
        finally:
            await administrator.execute(undo.format(role=role).encode())
    assert {each.code for each in report.findings} == {"JOURNAL_MAY_BE_CHANGED"}
    assert {each.about for each in report.findings} >= found
    assert (await verify_journal(context.tenant, context.clock)).findings == ()


async def test_a_line_that_says_too_little_is_found(context: Context, tenant_database: Cloned) -> None:
    patient_id = uuid4()
    for said in (
        {"outcome": journal.Outcome.REFUSED},
        {"rule": ""},
        {"pack": ""},
        {"code": "ACCESS_REFUSED"},
    ):
        async with transaction(context) as act:
            await journal.append(act.connection, context, line(patient_id, **said))
    report = await verify_journal(context.tenant, context.clock)
    assert [each.code for each in report.findings] == ["JOURNAL_LINE_INCOMPLETE"] * 4
    async with await psycopg.AsyncConnection.connect(tenant_database.owner_url, autocommit=True) as owner:
        await owner.execute("delete from journal where patient_id = %s", (patient_id,))


async def test_an_act_its_line_and_its_event_are_one(context: Context) -> None:
    patient_id = uuid4()
    async with transaction(context) as act:
        await journal.append(act.connection, context, line(patient_id))
        await outbox.publish(act, Rang(patient_id=patient_id, times=1))
    [written] = await lines_of(context, patient_id)
    assert (written.actor_id, written.at, written.outcome) == (context.actor.id, context.clock.now(), "allowed")
    assert await events_of(context, patient_id) == 1


async def test_a_refusal_rolls_everything_back_and_is_journalled(context: Context) -> None:
    patient_id = uuid4()
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await act_that_fails(context, patient_id, refusal(patient_id))
    assert await events_of(context, patient_id) == 0
    [written] = await lines_of(context, patient_id)
    assert (written.outcome, written.code) == ("refused", "ACCESS_REFUSED")


@pytest.mark.parametrize("failure", [Conflict("DOSSIER_NOT_OPEN"), TryLater("DATABASE_BUSY", retry_after=1), OSError()])
async def test_any_other_failure_leaves_nothing(context: Context, failure: Exception) -> None:
    patient_id = uuid4()
    with pytest.raises(type(failure)):
        await act_that_fails(context, patient_id, failure)
    assert await lines_of(context, patient_id) == []
    assert await events_of(context, patient_id) == 0


async def test_a_refusal_that_cannot_be_journalled_is_not_told_as_one(
    context: Context, tenant_database: Cloned, postgres: Postgres
) -> None:
    """Nobody is refused without a line: when it cannot be written, the answer is to come back later."""
    patient_id = uuid4()
    role = f"serving_{tenant_database.name}"
    async with await psycopg.AsyncConnection.connect(postgres.url(), autocommit=True) as administrator:

        async def refused_while_the_database_goes() -> None:
            async with transaction(context):
                await administrator.execute(f"alter role {role} connection limit 0".encode())
                await administrator.execute(
                    b"select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = %s", (role,)
                )
                raise refusal(patient_id)

        with pytest.raises(TryLater):
            await refused_while_the_database_goes()
        await administrator.execute(f"alter role {role} connection limit -1".encode())
    assert await lines_of(context, patient_id) == []


async def test_the_journal_is_read_in_pages(context: Context) -> None:
    patient_id, other = uuid4(), uuid4()
    async with transaction(context) as act:
        for _ in range(7):
            await journal.append(act.connection, context, line(patient_id))
            await journal.append(act.connection, context, line(other))
    whole = await lines_of(context, patient_id)
    assert len(whole) == 7
    assert [each.line_id for each in whole] == sorted((each.line_id for each in whole), reverse=True)
    for size in range(1, 9):
        pages: list[journal.JournalLine] = []
        while True:
            async with transaction(context) as act:
                before = pages[-1].line_id if pages else None
                found = await journal.page(act.connection, patient_id, first=size, before_line=before)
            if not found:
                break
            pages += found
        assert pages == whole


async def test_who_acts_is_who_the_context_says(context: Context) -> None:
    patient_id = uuid4()
    actor = replace(context.actor, software="DossiMed 1.0", establishment="310783055")
    acting = replace(context, actor=actor)
    async with transaction(acting) as act:
        await journal.append(act.connection, acting, line(patient_id))
    [written] = await lines_of(context, patient_id)
    assert (written.software, written.actor_establishment) == ("DossiMed 1.0", "310783055")
