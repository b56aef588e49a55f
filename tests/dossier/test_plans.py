"""Hot statements read by index, however many patients there are: their kept plans are looked at, not their times."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection
from sqlalchemy import Uuid, bindparam

from passerelle.dossier import documents, reading
from passerelle.dossier.access import facts_row
from passerelle.kernel.database import Statement, plan_once
from passerelle_ops.bench._population import Population
from tests.conftest import Cloned

HOT = {
    "open a record": reading.OPEN_DOSSIER,
    "read a document": documents.READ_DOCUMENT,
    "gather the facts": Statement(facts_row(bindparam("patient_id", type_=Uuid()))),
}
GROWING = {"patient", "dossier", "document", "document_author", "relation", "block", "team_consent", "journal"}


@pytest.fixture(scope="module")
async def peopled(tenant_database: Cloned) -> Cloned:
    """A database of some thousand patients, whom PostgreSQL has counted."""
    async with await AsyncConnection.connect(tenant_database.owner_url) as connection:
        await Population(2_000).fill(connection)
    return tenant_database


@pytest.mark.parametrize("name", HOT)
async def test_a_kept_plan_scans_no_table_that_grows(peopled: Cloned, name: str) -> None:
    plan = await _plan(peopled, HOT[name])
    scanned = {node["Relation Name"] for node in _nodes(plan) if node["Node Type"] == "Seq Scan"}
    assert not scanned & GROWING


async def test_a_page_is_read_in_the_order_of_its_index(peopled: Cloned) -> None:
    """So that it stops at its end, be there fifty documents or five thousand."""
    nodes = list(_nodes(await _plan(peopled, reading.OPEN_DOSSIER)))
    sorted_ = [node for node in nodes if "Sort" in node["Node Type"]]
    assert not [each for node in sorted_ for each in _nodes(node) if each.get("Relation Name") in GROWING]
    assert "ix_document_newest" in {node.get("Index Name") for node in nodes if node["Node Type"] == "Index Scan"}


async def test_who_wrote_nothing_costs_no_reading_of_what_others_wrote(peopled: Cloned) -> None:
    """The authors of a record are asked first; its documents only for what the actor wrote."""
    nodes = list(_nodes(await _plan(peopled, HOT["gather the facts"])))
    joined = next(
        node["Plans"]
        for node in nodes
        if {below.get("Relation Name") for below in node.get("Plans", ())} == {"document_author", "document"}
    )
    assert [below["Relation Name"] for below in joined] == ["document_author", "document"]
    assert joined[1]["Index Name"] in {"pk_document", "ix_document_document_id"}


async def _plan(peopled: Cloned, statement: Statement) -> dict[str, Any]:
    """The plan that a connection of ours keeps for it."""
    async with await AsyncConnection.connect(peopled.url, autocommit=True) as connection:
        await plan_once(connection)
        cursor = await connection.execute(b"explain (generic_plan, format json) " + statement.sql)
        row = await cursor.fetchone()
    assert row is not None
    plan: dict[str, Any] = row[0][0]["Plan"]
    return plan


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)
