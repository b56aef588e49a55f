"""A session is opened by index, however many cases the network has: its kept plan is looked at, not its time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest
from psycopg import AsyncConnection

from passerelle.kernel.database import plan_once
from passerelle.oncology import agenda, attachments
from passerelle_ops.bench._population import Population
from tests.conftest import Cloned

CASES: Final = 4_000
GROWING: Final = {
    "patient", "dossier", "document", "document_author", "relation", "block", "team_consent", "journal",
    "board_session", "board_case", "board_seat", "board_sheet", "case_attachment",
}  # fmt: skip
FILL: Final = """
insert into board (board_id, name, kind, scope, establishment, duration_minutes, deputies, videoconference, state,
    declared_at, declared_by)
values ('00000000-0000-4000-8000-000000000000', 'Sein', 'standard', 'transversal', '310783055', 120, true, true,
    'validated', now(), 'establishment:310783055');
insert into board_session (session_id, board_id, starts_at, ends_at, state, changed_at, opened_at)
select ('00000000-0000-4000-9000-' || lpad(to_hex(n), 12, '0'))::uuid, '00000000-0000-4000-8000-000000000000',
    now() + n * interval '1 hour', now() + n * interval '1 hour' + interval '30 minutes', 'open', now(),
    now() - interval '1 day'
from generate_series(0, {cases} / 40 - 1) n;
insert into board_seat (session_id, subject, name, specialty, duty, answer)
select session_id, 'professional:999000' || lpad(n::text, 5, '0'), 'Essai', 'surgeon', 'member', 'expected'
from board_session, generate_series(1, 12) n;
with open_record as (select patient_id, row_number() over () - 1 as n, count(*) over () as all_of_them
    from dossier where state = 'open')
insert into board_case (patient_id, case_id, session_id, requester, presenter, question, informed_at, informed_how,
    agreed, discussion, state, registered_at)
select patient_id, gen_random_uuid(), ('00000000-0000-4000-9000-' || lpad(to_hex(i / 40), 12, '0'))::uuid,
    'professional:99900000099', 'professional:99900000099', 'Question', now(), 'interview', true, 'discussed',
    'registered', now()
from generate_series(0, {cases} - 1) i join open_record on n = i % all_of_them;
insert into case_attachment (patient_id, case_id, document_id, attached_by, attached_at)
select patient_id, case_id, document_id, 'professional:99900000099', now() from board_case, lateral (
    select document_id from document where document.patient_id = board_case.patient_id order by document_id limit 3) d;
insert into board_sheet (patient_id, case_id, version, state, content, missing, written_by, written_at)
select patient_id, case_id, 1, 'in_progress', '{{}}', '{{nature,screening}}', 'x', now() from board_case;
analyze
"""


@pytest.fixture(scope="module")
async def peopled(tenant_database: Cloned) -> Cloned:
    """A database where boards met, which PostgreSQL has counted."""
    async with await AsyncConnection.connect(tenant_database.owner_url, autocommit=True) as connection:
        await Population(1_000).fill(connection)
        for each in FILL.format(cases=CASES).split(";"):
            await connection.execute(each.encode())
    return tenant_database


@pytest.mark.parametrize("name", ["open a session", "read what is attached"])
async def test_a_kept_plan_scans_no_table_that_grows(peopled: Cloned, name: str) -> None:
    statement = {"open a session": agenda.OPEN_SESSION, "read what is attached": attachments.READ_ATTACHED}[name]
    async with await AsyncConnection.connect(peopled.url, autocommit=True) as connection:
        await plan_once(connection)
        cursor = await connection.execute(b"explain (generic_plan, format json) " + statement.sql)
        row = await cursor.fetchone()
    assert row is not None
    nodes = list(_nodes(row[0][0]["Plan"]))
    assert not {each["Relation Name"] for each in nodes if each["Node Type"] == "Seq Scan"} & GROWING
    cases = [each for each in nodes if each.get("Relation Name") == "board_case"]
    assert cases
    assert all(each["Index Name"] in {"ix_board_case_session", "pk_board_case", "ix_board_case_id"} for each in cases)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
