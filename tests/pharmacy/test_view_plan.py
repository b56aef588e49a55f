"""The statement of the view, over the population of its measure: it shows the whole window, by index alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from passerelle_ops.bench._pharmacy_population import PharmacyPopulation
from passerelle_ops.bench._pharmacy_view import ViewStatement, connected, must_show_much
from tests import builders
from tests.conftest import Cloned

GROWING = {"patient", "pharmacy_record", "dispensation", "dispensation_line"}


@pytest.fixture(scope="module")
async def population(tenant_database: Cloned) -> PharmacyPopulation:
    population = PharmacyPopulation(8_000)
    async with await AsyncConnection.connect(tenant_database.owner_url) as connection:
        await population.fill(connection)
    return population


async def test_a_heavy_patient_is_shown_whole_by_index(
    population: PharmacyPopulation, tenant_database: Cloned, tmp_path_factory: pytest.TempPathFactory
) -> None:
    statement = ViewStatement(builders.network(tenant_database.database, tmp_path_factory.mktemp("network")))
    answer = await statement.shown(tenant_database.url, population.heavy[0])
    must_show_much(answer)
    with pytest.raises(ValueError, match="dispensings"):
        must_show_much({"timeline": answer["timeline"][:5]})
    sql, values = statement.of(population.heavy[1])
    async with connected(tenant_database.url) as connection:
        (plan,) = await (await connection.execute(b"explain (format json) " + sql, values)).fetchone() or ()
    nodes = list(_nodes(_read(plan)))
    assert not {each["Relation Name"] for each in nodes if each["Node Type"] == "Seq Scan"} & GROWING
    reading = [each for each in nodes if each.get("Relation Name") in {"dispensation", "dispensation_line"}]
    assert [each["Node Type"] for each in reading] == ["Index Scan", "Index Scan"]  # each table once
    assert all("patient_id" in each["Index Cond"] for each in reading)


def _read(plan: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(plan)[0]["Plan"]
    return read


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for each in plan.get("Plans", ()):
        yield from _nodes(each)
