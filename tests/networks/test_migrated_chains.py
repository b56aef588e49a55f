"""A record filed before versions had their places: migrating gives each its own, and the status that it had."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID, uuid4

import psycopg
import pytest
from alembic import command

from passerelle_ops.migrations import TENANT, upgrade
from passerelle_ops.migrations.histories import connected
from passerelle_ops.stack.postgres import Postgres
from tests.conftest import Template

FILED = """
insert into document (patient_id, document_id, entry_uuid, unique_id, chain_id, replaces, superseded_by, status,
  class_code, class_label, type_code, type_label, mime_type, title, act_at, submission_set_id, filed_at, filed_by, size,
  sha256, content_name)
values (%(patient)s, %(id)s, gen_random_uuid(), %(id)s, %(chain)s, %(replaces)s, %(next)s, %(status)s, '', '', '', '',
  '', '', now(), %(patient)s, now(), 'system:essai', 0, '', '')"""
SET = """
insert into submission_set (patient_id, submission_set_id, unique_id, source_id, submitted_at)
values (%s, %s, '', '', now())"""
DONE = """
insert into document_version (patient_id, document_id, metadata_version, entry_uuid, act, at, actor_kind, actor_id,
  changed) values (%s, %s, %s, gen_random_uuid(), %s, now(), 'system', 'essai', '{}')"""


@pytest.fixture
def before(postgres: Postgres, tenant_template: Template) -> Iterator[str]:
    """A database as it was at the first revision. The template has made the roles."""
    assert tenant_template
    with psycopg.connect(postgres.url(), autocommit=True) as admin:
        admin.execute(b"create database migrated_chains owner passerelle_owner")
        url = postgres.url("migrated_chains")
        with connected(url) as connection:
            config = TENANT.config()
            config.attributes["connection"] = connection
            command.upgrade(config, "0001")
        yield url
        admin.execute(b"drop database migrated_chains with (force)")


def test_each_version_gets_its_place_and_its_own_status(before: str) -> None:
    patient, (first, second, third, alone) = uuid4(), [uuid4() for _ in range(4)]
    versions: list[tuple[UUID, UUID | None, UUID | None, str]] = [
        (third, second, None, "current"),
        (first, None, second, "superseded"),
        (second, first, third, "superseded"),
        (alone, None, None, "archived"),
    ]
    with psycopg.connect(before) as connection:
        connection.execute(b"set session_replication_role = replica")  # the rest of the record does not matter here
        connection.execute("insert into dossier (patient_id, state) values (%s, 'open')", (patient,))
        connection.execute(SET, (patient, patient))
        for each, replaces, later, status in versions:
            chain = alone if each == alone else first
            row = {"patient": patient, "id": each, "chain": chain, "replaces": replaces, "next": later}
            connection.execute(FILED, row | {"status": status})
        for of, number, act in ((first, 1, "publish"), (first, 2, "archive"), (first, 3, "supersede")):
            connection.execute(DONE, (patient, of, number, act))
        for number, act in enumerate(("publish", "archive", "unarchive", "supersede"), 1):
            connection.execute(DONE, (patient, second, number, act))

    upgrade(TENANT, before)

    with psycopg.connect(before) as connection:
        rows = connection.execute(b"select document_id, chain_position, status from document").fetchall()
    assert {row[0]: row[1:] for row in rows} == {
        first: (1, "archived"),
        second: (2, "current"),
        third: (3, "current"),
        alone: (1, "archived"),
    }
