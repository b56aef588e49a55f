"""The two histories lead to what the code declares, and give the serving role what it needs and no more."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import create_engine, make_url, text

from passerelle_ops.migrations import DIRECTORY, TENANT, History, differences, revision_of, upgrade
from passerelle_ops.stack.postgres import Postgres
from tests.conftest import Cloned

_SHAPE = """
select 'column', table_name, column_name, data_type, is_nullable, column_default, is_identity
  from information_schema.columns where table_schema = 'public' and table_name <> 'alembic_version'
union all
select 'constraint', c.conrelid::regclass::text, c.conname, pg_get_constraintdef(c.oid), '', '', ''
  from pg_constraint c join pg_namespace n on n.oid = c.connamespace
  where n.nspname = 'public' and c.conrelid::regclass::text <> 'alembic_version'
union all
select 'index', tablename, indexname, indexdef, '', '', ''
  from pg_indexes where schemaname = 'public' and tablename <> 'alembic_version'
"""
_APPEND_ONLY = {
    "check_override",
    "dispensation_line",
    "erasure_certificate",
    "generic_member",
    "interaction",
    "interaction_family",
    "journal",
    "journal_key",
    "journal_leaf",
    "journal_seal",
    "medicine",
    "medicine_substance",
    "medicine_word",
    "notice_delivery",
    "pharmacy_record_act",
    "presentation",
    "shortage",
    "token_revocation",
    "wrapping_retired",
}
_ONLY_READ = {"journal_pruned_fact", "pharmacy_storage_end", "tenant_role"}


@pytest.fixture(params=[DIRECTORY, TENANT], ids=lambda history: history.name)
def history(request: pytest.FixtureRequest) -> History:
    assert isinstance(request.param, History)
    return request.param


@pytest.fixture
def empty(postgres: Postgres, history: History) -> Iterator[tuple[str, str]]:
    """Two empty databases: one for the history, one for what the code declares."""
    names = (f"migrated_{history.name}", f"declared_{history.name}")
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        for name in names:
            admin.execute(f"create database {name} owner passerelle_owner".encode())
        yield postgres.url(names[0]), postgres.url(names[1])
        for name in names:
            admin.execute(f"drop database {name} with (force)".encode())


def _shape(url: str) -> set[tuple[object, ...]]:
    with psycopg.connect(url) as connection:
        return set(connection.execute(_SHAPE.encode()).fetchall())


@pytest.mark.usefixtures("tenant_template", "directory_template")
def test_the_history_leads_to_what_the_code_declares(history: History, empty: tuple[str, str]) -> None:
    migrated, declared = empty

    assert revision_of(migrated) is None
    assert upgrade(history, migrated) == history.head()
    engine = create_engine(make_url(declared).set(drivername="postgresql+psycopg"))
    history.schema.create_all(engine)
    engine.dispose()

    assert differences(history, migrated) == []
    assert _shape(migrated) == _shape(declared)
    assert upgrade(history, migrated) == revision_of(migrated) == history.head()  # once more changes nothing


def test_the_serving_role_has_exactly_its_rights(tenant_database: Cloned, directory_database: Cloned) -> None:
    for cloned, history in ((tenant_database, TENANT), (directory_database, DIRECTORY)):
        with psycopg.connect(cloned.url) as connection:
            for table in history.schema.tables:
                rights = {
                    right
                    for right in ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER")
                    if connection.execute("select has_table_privilege(%s, %s)", (table, right)).fetchone() == (True,)
                }
                added = set() if table in _ONLY_READ else {"INSERT"}
                changed = set() if table in _APPEND_ONLY | _ONLY_READ else {"UPDATE"}
                assert rights == {"SELECT"} | added | changed, table
            owned = connection.execute("select count(*) from pg_class where relowner = current_user::regrole")
            assert owned.fetchone() == (0,)


async def test_a_journal_line_once_written_stays(tenant_database: Cloned) -> None:
    line = (
        "insert into journal (patient_id, at, actor_kind, actor_id, actor_name, action, kind, outcome, rule, pack,"
        " mode, purpose, request_id) values (gen_random_uuid(), now(), 'system', 'essai', 'essai', 'read', 'dossier',"
        " 'allowed', 'r', 'p', 'normal', 'care', 'q')"
    )
    async with tenant_database.database.transaction() as connection:
        await connection.execute(text(line))

    with psycopg.connect(tenant_database.url, autocommit=True) as connection:
        for forbidden in (
            b"update journal set actor_name = 'autre'",
            b"delete from journal",
            b"truncate journal",
            b"alter table journal add column other text",
            b"create table other (id int)",
            b"set session_replication_role = replica",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(forbidden)
        assert connection.execute("select count(*), min(actor_name) from journal").fetchone() == (1, "essai")


def test_one_network_s_role_does_not_enter_another_s_database(
    tenant_database: Cloned, directory_database: Cloned
) -> None:
    own, other = make_url(tenant_database.url), make_url(directory_database.url)
    crossed = own.set(database=other.database).render_as_string(hide_password=False)

    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(crossed)
    psycopg.connect(tenant_database.url).close()
