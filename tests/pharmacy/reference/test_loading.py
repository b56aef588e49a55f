"""Reference data are loaded whole or not at all, and what could not be read is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import InvalidInput
from passerelle.kernel.messages import catalogue
from passerelle.pharmacy.reference.editions import editions
from passerelle.pharmacy.reference.loading import load_published
from passerelle.pharmacy.reference.sources import Source
from tests.conftest import Cloned
from tests.pharmacy.reference import published


async def test_lines_that_cannot_be_used_are_counted_named_and_left_out(
    tenant_database: Cloned, clock: SetClock, tmp_path: Path
) -> None:
    line, box, made_of = published.medicine, published.presentation, published.substance
    folder = published.bdpm(
        tmp_path,
        CIS_bdpm=(
            line("60000001", "DOLIXEN 500 mg, comprimé", "une colonne de plus")
            + line("6000", "TROP COURT")
            + line("60000001", "DEUX FOIS")
            + "60000002\tIL MANQUE\n"
            + line("60000003", "ŒSTRAXEL « 1 mg », gélule")
            + "\n"
            + line("60000004", "x" * 70_000)
            + line("60000005", "")
        ).encode("cp1252"),
        CIS_CIP_bdpm=b"\xef\xbb\xbf"
        + (
            box("60000001", "3400930000007")
            + box("60000001", "3400930000008")
            + box("60000001", "3400930000007")
            + box("69999999", "3400930000014")
            + box("60000003", "3400930000014").replace("16 comprimés", "30 gélules")
        ).encode()
        + box("60000003", "3400930000021").encode("cp1252"),
        CIS_COMPO_bdpm=(
            made_of("60000001", "PARACÉTAMOL")
            + made_of("60000003", "ŒSTRADIOL", "XX")
            + made_of("60000003", "ŒSTRADIOL", "SA", "un")
            + "60000003\tgélule\t00001\tCHLORHYDRATE D'ŒSTRADIOL\n"
        ).encode("cp1252"),
        CIS_CIP_Dispo_Spec=(
            "60000001\t\t1\tRupture de stock\t01/05/2026\t\t31/02/2027\t\r\n"
            "60000001\t\t9\tInconnu\t01/05/2026\t\t\t\r\n"
            "60000001\t3400930000007\t2\tTension d'approvisionnement\t01/05/2026\t\t\t\r\n"
        ).encode("cp1252"),
        CIS_MITM=b"60000001\tN02BE01\tDOLIXEN\r\n60000003\tG3\tOESTRAXEL\r\n",
        CIS_GENER_bdpm=b"7\tPARACETAMOL 500 mg\t60000001\t1\r\n7\tPARACETAMOL 500 mg\t60000003\t8\r\n",
    )

    (edition,) = await load_published(tenant_database.database, clock, Source.BDPM, folder)

    assert edition.dated == date(2026, 5, 1)
    named = {
        each["file"].removesuffix(".txt"): [(one["line"], one["why"]) for one in each["lines"]]
        for each in edition.files
    }
    assert named == {
        "CIS_bdpm": [(2, "CIS"), (3, "TWICE"), (4, "COLUMNS"), (7, "TOO_LONG"), (8, "NAME")],
        "CIS_COMPO_bdpm": [(2, "NATURE"), (3, "NUMBER")],
        "CIS_GENER_bdpm": [(2, "GENERIC_TYPE")],
        "CIS_MITM": [(2, "ATC")],
        "CIS_CIP_bdpm": [(2, "CIP13"), (3, "TWICE"), (4, "CIS_UNKNOWN"), (6, "ENCODING")],
        "CIS_CIP_Dispo_Spec": [(1, "DATE"), (2, "STATUS")],
    }
    assert all(each["read"] == each["kept"] + each["refused"] for each in edition.files)
    assert {f"REFERENCE_LINE_{why}" for lines in named.values() for _, why in lines} <= catalogue().keys()
    assert edition.files[0]["wider"] == 1
    async with tenant_database.database.transaction() as connection:
        names = await connection.execute(
            text("select name from medicine where edition_id = :id order by cis"), {"id": edition.edition_id}
        )
        assert names.scalars().all() == ["DOLIXEN 500 mg, comprimé", "ŒSTRAXEL « 1 mg », gélule"]


async def test_what_fails_leaves_the_edition_in_force_as_it_was(
    tenant_database: Cloned, clock: SetClock, tmp_path: Path
) -> None:
    database = tenant_database.database
    await load_published(database, clock, Source.BDPM, published.bdpm(tmp_path))
    before = await editions(database)
    (tmp_path / "a").mkdir()
    nothing = published.bdpm(tmp_path / "a", CIS_bdpm=b"rien\r\n")
    (tmp_path / "b").mkdir()
    missing = published.bdpm(tmp_path / "b")
    (missing / "CIS_COMPO_bdpm.txt").unlink()
    (tmp_path / "ansm").mkdir()
    (tmp_path / "ansm" / "thesaurus_2019_09.csv").write_text("une;autre\n")
    undated = nothing.rename(tmp_path / "sans-date")

    for source, path, code in (
        (Source.BDPM, missing, "REFERENCE_FILE_MISSING"),
        (Source.BDPM, undated, "REFERENCE_DATE_NEEDED"),
        (Source.INTERACTIONS, tmp_path / "ansm", "REFERENCE_FILE_MISSING"),
    ):
        with pytest.raises(InvalidInput) as refused:
            await load_published(database, clock, source, path)
        assert refused.value.code == code
    with pytest.raises(InvalidInput) as refused:
        await load_published(database, clock, Source.BDPM, undated, dated=date(2026, 6, 1))
    assert refused.value.code == "REFERENCE_EMPTY"

    assert await editions(database) == before
