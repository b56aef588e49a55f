"""A dispensation that comes as a document: once, by its pharmacy, its versions in order, its products named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from passerelle.audit import journal
from passerelle.audit.tables import journal as lines
from passerelle.dossier import documents as filed_documents
from passerelle.identities.ins import Ins
from passerelle.kernel.errors import Conflict, InvalidInput, PasserelleError, Refused
from passerelle.pharmacy import documents
from passerelle.pharmacy.dispensing import DispensationStatus
from passerelle.pharmacy.documents import Result
from passerelle.pharmacy.naming import Known
from passerelle.pharmacy.tables import dispensation as dispensation_kept
from passerelle.pharmacy.tables import dispensation_line
from tests.builders import at_the_counter, ins_of, professional
from tests.formats.samples import SHARED, needs_shared
from tests.pharmacy.documents.papers import BOX, CIS, LINE, MADE, Papers, dispensation


async def _lines(world: Papers, dispensation_id: Any) -> list[dict[str, Any]]:
    async with world.tenant.database.transaction() as connection:
        rows = await connection.execute(
            select(dispensation_line)
            .where(dispensation_line.c.dispensation_id == dispensation_id)
            .order_by(dispensation_line.c.number)
        )
    return [dict(each) for each in rows.mappings()]


async def test_its_lines_are_recorded_with_their_products_found_or_named_unknown(world: Papers) -> None:
    patient_id, ins, pharmacist = await world.patient_at_the_counter(93_001)
    done = await world.record(pharmacist, dispensation(ins, pharmacist.establishment or ""))
    assert (done.patient_id, done.receipt.version, done.receipt.is_new) == (patient_id, 1, True)
    assert [each.known for each in done.products] == [Known.CIP13, Known.UNKNOWN]
    assert done.document_id is None
    first, second = await _lines(world, done.receipt.dispensation_id)
    assert (first["cip13"], first["cis"], first["atc"], first["batch"]) == (BOX, CIS, "N02BE01", "L12")
    assert (first["substances"], first["quantity"], first["days"]) == (["paracetamol"], 2, 5)
    assert first["dose_text"] == "1 comprimé 3 fois par jour. Au cours du repas"
    assert (first["dispensed_on"], first["is_prescribed"]) == (date(2026, 11, 12), True)
    assert (second["label"], second["cip13"], second["substances"]) == ("Préparation magistrale", None, [])


async def test_again_it_changes_nothing_and_a_later_version_corrects_it(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_002)
    place = pharmacist.establishment or ""
    first = dispensation(ins, place, set_id="1.2.250.93")
    one = await world.record(pharmacist, first)
    before = await world.kept()
    again = await world.record(pharmacist, first)
    assert (again.receipt.dispensation_id, again.receipt.is_new) == (one.receipt.dispensation_id, False)
    assert await world.kept() == before

    same_number = dispensation(ins, place, LINE, set_id="1.2.250.93")
    with pytest.raises(Conflict, match="DISPENSATION_NUMBER_USED"):
        await world.record(pharmacist, same_number)
    assert await world.kept() == before

    second = dispensation(ins, place, LINE, set_id="1.2.250.93", version=2, unique_id=Ins("1.2.250.94", ""))
    two = await world.record(pharmacist, second)
    assert (two.receipt.version, two.receipt.is_new) == (2, True)
    after = await world.kept()
    for data, version in ((first, 1), (second, 2)):
        seen = await world.record(pharmacist, data)
        assert (seen.receipt.version, seen.receipt.is_new) == (version, False)
    assert (await world.record(pharmacist, first)).receipt.status is DispensationStatus.CORRECTED
    assert await world.kept() == after


@pytest.mark.parametrize("order", [*permutations((1, 2, 3))])
async def test_in_whichever_order_versions_come_the_last_one_stands(world: Papers, order: tuple[int, ...]) -> None:
    """The first and the last version say the same: neither is taken for the other."""
    _, ins, pharmacist = await world.patient_at_the_counter(93_010 + order[0] * 10 + order[1])
    place, newest = pharmacist.establishment or "", 0
    written = {
        number: dispensation(
            ins, place, replace(LINE, quantity=Decimal(2 - number % 2)), set_id="1.2.250.95", version=number
        )
        for number in order
    }
    for number in order:
        before = await world.kept()
        done = await world.record(pharmacist, written[number])
        assert (done.receipt.is_new, done.receipt.is_superseded) == (number > newest, number < newest)
        if number < newest:
            assert await world.kept() == before
        else:
            kept = await _lines(world, done.receipt.dispensation_id)
            assert [each["quantity"] for each in kept] == [2 - number % 2]
        newest = max(newest, number)
    async with world.tenant.database.transaction() as connection:
        own = select(dispensation_kept).where(dispensation_kept.c.pharmacy == place)
        standing = [each for each in await connection.execute(own) if each.status == DispensationStatus.CURRENT]
    assert [each.document_version for each in standing] == [3]


async def _lines_about_nobody(world: Papers) -> Sequence[Any]:
    async with world.tenant.database.transaction() as connection:
        own = select(lines).where(lines.c.patient_id == journal.NOBODY).order_by(lines.c.line_id)
        return (await connection.execute(own)).all()


async def test_a_document_does_not_tell_who_is_known_here(world: Papers) -> None:
    pharmacist = at_the_counter()
    await world.patient(without := ins_of(93_007), open_=False)
    answers = []
    for ins in (without, ins_of(93_997)):
        kept, before = await world.kept(), await _lines_about_nobody(world)
        with pytest.raises(Refused) as refused:
            await world.record(pharmacist, dispensation(ins, pharmacist.establishment or ""))
        answers.append((refused.value.code, str(refused.value), refused.value.fields))
        assert await world.kept() == kept
        written = (await _lines_about_nobody(world))[len(before) :]
    assert answers[0] == answers[1]
    assert [(each.kind, each.action, each.outcome, each.code) for each in written] == [
        ("dispensation", "publish", "refused", "DOSSIER_NOT_OPEN")
    ]


async def test_it_is_filed_in_the_shared_record_too_when_that_is_wanted(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_003)
    data = dispensation(ins, pharmacist.establishment or "")
    done = await world.record(pharmacist, data, files=True)
    assert done.document_id is not None
    content = await filed_documents.open_content(world.context(world.person(ins)), done.document_id)
    assert b"".join([piece async for piece in content.read()]) == data
    again = await world.record(pharmacist, data, files=True)
    assert (again.document_id, again.receipt.is_new) == (done.document_id, False)


async def test_what_is_refused_changes_nothing(world: Papers) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_004)
    place, elsewhere = pharmacist.establishment or "", at_the_counter()
    await world.patient(closed_ins := ins_of(93_005))
    before = await world.kept()
    tries: list[tuple[Any, bytes, type[PasserelleError], str]] = [
        (elsewhere, dispensation(ins, place), InvalidInput, "DISPENSATION_OF_ANOTHER_PHARMACY"),
        (professional(), dispensation(ins, place), InvalidInput, "PLACE_MISSING"),
        (pharmacist, dispensation(ins_of(93_999), place), Refused, "DOSSIER_NOT_OPEN"),
        (pharmacist, dispensation(closed_ins, place), Refused, "DOSSIER_NOT_OPEN"),
        (pharmacist, dispensation(ins, place, replace(LINE, quantity=None)), InvalidInput, "QUANTITY_MISSING"),
        (pharmacist, dispensation(ins, place, effective_time="?", at=datetime(2027, 1, 1, tzinfo=UTC)), InvalidInput,
         "DISPENSED_IN_THE_FUTURE"),
        (replace(pharmacist, profession="10"), dispensation(ins, place), Refused, "ACCESS_REFUSED"),
    ]  # fmt: skip
    for who, data, kind, code in tries:
        with pytest.raises(kind) as refused:
            await world.record(who, data)
        assert refused.value.code == code
    assert await world.kept() == before


async def test_a_folder_goes_on_past_what_is_refused_and_may_be_run_again(world: Papers, tmp_path: Path) -> None:
    _, ins, pharmacist = await world.patient_at_the_counter(93_006)
    place = pharmacist.establishment or ""
    for name, data in {
        "1.xml": dispensation(ins, place, name="un"),
        "2.xml": dispensation(ins_of(93_998), place, name="deux"),
        "3.xml": b"<html/>",
        "4.xml": dispensation(ins, place, MADE, name="quatre"),
        "5.xml": dispensation(ins, "310000000", name="cinq"),
        "6.xml": dispensation(ins, place, MADE, name="six", set_id="1.2.250.96", version=3),
        "7.xml": dispensation(ins, place, LINE, name="sept", set_id="1.2.250.96", version=2),
    }.items():
        (tmp_path / name).write_bytes(data)

    async def run() -> list[tuple[str, Result, str | None, int, int]]:
        return [
            (Path(each.file).name, each.result, each.code, each.lines, each.unknown)
            async for each in documents.ingest(world.context(pharmacist), [tmp_path])
        ]

    others = [
        ("2.xml", Result.REFUSED, "DOSSIER_NOT_OPEN", 0, 0),
        ("3.xml", Result.REFUSED, "NOT_A_CLINICAL_DOCUMENT", 0, 0),
        ("5.xml", Result.REFUSED, "DISPENSATION_OF_ANOTHER_PHARMACY", 0, 0),
    ]
    assert sorted(await run()) == sorted(
        [
            ("1.xml", Result.RECORDED, None, 2, 1),
            ("4.xml", Result.RECORDED, None, 1, 1),
            ("6.xml", Result.RECORDED, None, 1, 1),
            ("7.xml", Result.SUPERSEDED, None, 1, 0),
            *others,
        ]
    )
    before = await world.kept()
    assert sorted(await run()) == sorted(
        [
            ("1.xml", Result.ALREADY_HERE, None, 2, 1),
            ("4.xml", Result.ALREADY_HERE, None, 1, 1),
            ("6.xml", Result.ALREADY_HERE, None, 1, 1),
            ("7.xml", Result.SUPERSEDED, None, 1, 0),
            *others,
        ]
    )
    assert await world.kept() == before


@needs_shared
async def test_the_published_dispensation_is_recorded(world: Papers) -> None:
    data = (SHARED / "cda" / "ci-sis-2022-2025" / "eDISP-MED_2024.01.xml").read_bytes()
    patient_id, _ = await world.patient(Ins("1.2.250.1.213.1.4.8", "277076322082910"))
    pharmacist = await world.opened(patient_id, at_the_counter("750512345"))
    done = await world.record(pharmacist, data, files=True)
    assert [(each.known, each.label[:11]) for each in done.products] == [
        (Known.CIP13, "PARACETAMOL"),
        (Known.UNKNOWN, "Préparation"),
    ]
    first, second = await _lines(world, done.receipt.dispensation_id)
    assert (first["cis"], first["batch"], first["substances"]) == (CIS, "12345", ["paracetamol"])
    assert (second["cip13"], second["is_prescribed"]) == (None, True)
    assert (await world.record(pharmacist, data)).receipt.is_new is False
