"""The files as they were published load whole; well-known pairs are found in them, and by indexes."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from passerelle.kernel.clock import SetClock
from passerelle.kernel.database import PLANNER, Statement
from passerelle.pharmacy.reference import medicines
from passerelle.pharmacy.reference.coverage import coverage
from passerelle.pharmacy.reference.editions import Edition
from passerelle.pharmacy.reference.loading import load_published
from passerelle.pharmacy.reference.sources import Source
from tests.conftest import Cloned
from tests.pharmacy.reference import published

pytestmark = [published.needs_published, pytest.mark.usefixtures("loaded")]

DOLIPRANE, DOLIPRANE_BOX = "60234100", "3400935955838"


@pytest.fixture(scope="module")
async def loaded(tenant_database: Cloned) -> list[Edition]:
    """The editions of the files, in the order of their loading."""
    database, clock = tenant_database.database, SetClock(datetime(2026, 11, 16, 9, tzinfo=UTC))
    return [
        *await load_published(database, clock, Source.BDPM, published.BDPM),
        *await load_published(database, clock, Source.INTERACTIONS, published.INTERACTIONS),
    ]


def _figures(edition: Edition) -> dict[str, tuple[int, int, int]]:
    return {each["file"]: (each["read"], each["kept"], each["refused"]) for each in edition.files}


async def test_every_published_file_loads(tenant_database: Cloned, loaded: list[Edition]) -> None:
    database, (bdpm, older, newer) = tenant_database.database, loaded

    assert (bdpm.dated, older.dated, newer.dated) == (date(2026, 5, 1), date(2016, 8, 1), date(2019, 9, 1))
    assert (bdpm.is_in_force, older.is_in_force, newer.is_in_force) == (True, False, True)
    assert _figures(bdpm) == {
        "CIS_bdpm.txt": (5151, 5151, 0),
        "CIS_COMPO_bdpm.txt": (8384, 8384, 0),
        "CIS_GENER_bdpm.txt": (3453, 3453, 0),
        "CIS_CPD_bdpm.txt": (11336, 11336, 0),
        "CIS_MITM.txt": (5143, 5143, 0),
        "CIS_CIP_bdpm.txt": (7792, 7792, 0),
        "CIS_CIP_Dispo_Spec.txt": (419, 419, 0),
    }
    assert _figures(older)["thesaurus_2016_08.tsv"] == (1463, 1463, 0)
    assert _figures(newer)["thesaurus_2019_09_paires.csv"] == (1532, 1532, 0)
    assert _figures(newer)["molecule_famille_2019_09.csv"] == (1994, 1994, 0)
    assert {each["file"]: each["encoding"] for each in bdpm.files if each["encoding"] == "utf-8"} == {
        "CIS_CIP_bdpm.txt": "utf-8"
    }
    async with database.transaction() as connection:
        accented = await connection.scalar(text("select count(*) from presentation where label like '%comprimé%'"))
        name = await connection.scalar(text("select name from medicine where cis = '60003620'"))
    assert accented
    assert name == "BECLOSPIN 800 microgrammes/2ml suspension pour inhalation par nébuliseur"

    found = {each.table: each for each in await coverage(database)}
    assert found["bdpm"].names == 1710
    assert found["bdpm"].resolved >= 983  # what is left is in no line of the thesaurus: amino acids, factor VIII…
    assert found["interactions"].resolved >= 580  # two medicines in three were cut out of this list of medicines


# Two medicines each, then the interaction that the ANSM's thesaurus of September 2019 gives, and its levels. The source
# of each: thesaurus des interactions médicamenteuses, ANSM, at the name of the first; the levels are its own.
PAIRS = [
    ("KARDEGIC 75 mg", "XARELTO 10 mg", "acide acetylsalicylique", "anticoagulants oraux", {4, 3, 1}),
    ("SILDENAFIL EG 20 mg", "TRINITRINE VIATRIS 10 mg", "derives nitres et apparentes", "inhibiteurs de la p", {4}),
    ("SIMVASTATINE ALMUS 20 mg", "ITRACONAZOLE SANDOZ", "inhibiteurs puissants du cyp3a4", "simvastatine", {4}),
    ("COLCHICINE OPOCALCIUM", "CLARITHROMYCINE ACCORD 500", "colchicine", "macrolides sauf spiramycine", {4}),
    ("IBUPROFENE SANDOZ 400 mg", "TERALITHE 250 mg", "anti inflammatoires non steroidiens", "lithium", {3}),
    ("ZYLORIC 300 mg", "IMUREL 50 mg", "antipurines", "inhibiteurs de la xanthine oxydase", {4}),
    ("METHOTREXATE ACCORD 2,5", "CLAMOXYL 500 mg", "methotrexate", "penicillines", {3}),
    ("RAMIPRIL ALMUS 2,5 mg", "ALDACTONE 50 mg", "diuretiques epargneurs de potassium", "inhibiteurs de l e", {3, 2}),
    ("COUMADINE 5 mg", "AMIODARONE ALMUS 200 mg", "amiodarone", "antivitamines k", {2}),
    ("DEPAKINE 500 mg", "LAMICTAL 100 mg", "acide valproique", "lamotrigine", {3}),
]
_BETWEEN = """
select i."left", i."right", i.level from interaction i
join reference_edition e on e.edition_id = i.edition_id
where e.in_force_from is not null and e.in_force_until is null
  and (i."left" = any(%(one)s) and i."right" = any(%(other)s)
    or i."left" = any(%(other)s) and i."right" = any(%(one)s))
"""


async def test_ten_well_known_pairs_are_found_in_the_published_tables(
    tenant_database: Cloned,
) -> None:
    database = tenant_database.database
    missing = []
    for first, second, left, right, levels in PAIRS:
        boxes = []
        for name in (first, second):
            found = (await medicines.search(database, name, least=3, first=20)).medicines
            boxes.append(next(each for each in found if each.name.startswith(name) and each.presentations))
        async with database.transaction() as connection:
            products = await medicines.products(connection, [each.presentations[0].cip13 for each in boxes])
        one, other = (sorted(products[each.presentations[0].cip13].names) for each in boxes)
        with psycopg.connect(tenant_database.url) as plain:
            rows = plain.execute(_BETWEEN.encode(), {"one": one, "other": other}).fetchall()
        raised = {level for a, b, level in rows if a.startswith(left) and b.startswith(right)}
        if raised != levels:
            missing.append((first, second, sorted(rows)))
    assert not missing


async def test_no_look_up_reads_a_table_whole(tenant_database: Cloned) -> None:
    no_code = {"cis": None, "cip13": None, "cip7": None}
    page = {"lead": "metformine", "lead_end": "metformine~", "patterns": ["% metformine%", "% 1000%"], "after": None}
    asked: list[tuple[Statement, dict[str, Any]]] = [
        (medicines._ONE, {**no_code, "cip13": DOLIPRANE_BOX}),
        (medicines._ONE, {**no_code, "cip7": DOLIPRANE_BOX[5:12]}),
        (medicines._ONE, {**no_code, "cis": DOLIPRANE}),
        (medicines._OTHERS, {**no_code, "cis": DOLIPRANE, "most": 10}),
        (medicines._PAGE, {**page, "size": 21}),
        (Statement(medicines._BOXED), {"cip13s": [DOLIPRANE_BOX]}),
    ]
    with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:
        owner.execute("analyze")
        owner.execute(PLANNER.encode())
        for statement, values in asked:
            text = b"explain (analyze, format json) " + statement.sql
            for number in range(len(statement.names), 0, -1):
                text = text.replace(b"$%d" % number, b"%%(v%d)s" % number)
            given = {f"v{place}": value for place, value in enumerate(statement.values(values), start=1)}
            ((plan,),) = owner.execute(text, given).fetchall()
            assert not _read_whole(plan[0]["Plan"]) - {"reference_edition"}, json.dumps(plan)
            assert plan[0]["Execution Time"] < 50


def _read_whole(node: dict[str, Any]) -> set[str]:
    own = {node["Relation Name"]} if node["Node Type"] == "Seq Scan" else set()
    return own.union(*(_read_whole(each) for each in node.get("Plans", ())))
