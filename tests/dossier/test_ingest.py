"""Feeding from files: every quirk of the published samples and every hostile file, with its outcome."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import func, select

from passerelle.dossier import documents, ingest
from passerelle.dossier.tables import document, set_aside
from passerelle_ops.demo.corpus.quirks import Quirk, huge, quirks
from tests.builders import World

QUIRKS = quirks("essai")


def _write(folder: Path, quirk: Quirk) -> Path:
    for name, octets in quirk.files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(octets)
    return folder / quirk.filename


async def _feed(world: World, *paths: Path) -> list[ingest.Outcome]:
    return [each async for each in ingest.ingest(world.context(world.feeder), paths, as_author_structure=True)]


async def _filed(world: World) -> int:
    async with world.tenant.database.transaction() as connection:
        return (await connection.execute(select(func.count()).select_from(document))).scalar_one()


@pytest.mark.parametrize("name", sorted(QUIRKS))
async def test_each_quirk_gets_its_outcome_and_the_same_or_already_here_the_second_time(
    test_network: World, tmp_path: Path, name: str
) -> None:
    own = quirks(name)  # other identifiers than those of the other tests
    quirk = own[name]
    if quirk.needs:
        await _feed(test_network, _write(tmp_path / "before", own[quirk.needs]))
    path = _write(tmp_path, quirk)
    before = await _filed(test_network)

    outcomes = await _feed(test_network, path)

    assert outcomes
    assert {each.code or each.result.value for each in outcomes} == {quirk.expected}
    filed = [each for each in outcomes if each.document_id]
    assert await _filed(test_network) == before + len(filed)
    assert all(each.fix for each in outcomes if each.code)

    again = await _feed(test_network, path)
    assert {each.code or each.result.value for each in again} == ({"already_here"} if filed else {quirk.expected})
    assert await _filed(test_network) == before + len(filed)


async def test_one_bad_file_among_good_ones_stops_nothing(test_network: World, tmp_path: Path) -> None:
    for name in ("entity bomb", "empty file", "not XML", "zip bomb"):
        _write(tmp_path, QUIRKS[name])
    good = [name for name, quirk in QUIRKS.items() if quirk.expected == "stored" and not quirk.needs][:3]
    for name in good:
        _write(tmp_path, QUIRKS[name])
    outcomes = await _feed(test_network, tmp_path)
    assert sum(1 for each in outcomes if each.result.value in {"stored", "already_here"}) >= len(good)
    assert sum(1 for each in outcomes if each.result is ingest.Result.REFUSED) == 4


async def test_a_hundred_megabytes_are_refused_without_being_parsed(test_network: World, tmp_path: Path) -> None:
    (tmp_path / "enorme.xml").write_bytes(huge())
    (outcome,) = await _feed(test_network, tmp_path)
    assert outcome.result is ingest.Result.REFUSED
    assert outcome.code in {"XML_TOO_LARGE", "FILE_TOO_LARGE"}


async def test_a_replacement_that_comes_first_by_name_waits_for_its_parent(test_network: World, tmp_path: Path) -> None:
    own = quirks("ordre")
    replacing = next(quirk for quirk in own.values() if quirk.needs and quirk.expected == "replaced")
    parent = own[replacing.needs or ""]
    (tmp_path / "a.xml").write_bytes(replacing.data)
    (tmp_path / "b.xml").write_bytes(parent.data)
    outcomes = await _feed(test_network, tmp_path)
    assert {each.result.value for each in outcomes} == {"stored", "replaced"}


async def test_what_was_set_aside_is_settled_once_it_is_filed(test_network: World, tmp_path: Path) -> None:
    replacing = next(quirk for quirk in quirks("suite").values() if quirk.needs and quirk.expected == "replaced")
    parent = quirks("suite")[replacing.needs or ""]
    first = tmp_path / "second.xml"
    first.write_bytes(replacing.data)
    (waiting,) = await _feed(test_network, first)
    assert waiting.code == "PARENT_UNKNOWN"
    (tmp_path / "premier.xml").write_bytes(parent.data)
    await _feed(test_network, tmp_path / "premier.xml")
    (filed,) = await _feed(test_network, first)
    assert filed.result is ingest.Result.REPLACED
    async with test_network.tenant.database.transaction() as connection:
        row = (await connection.execute(select(set_aside).where(set_aside.c.unique_id == waiting.unique_id))).one()
    assert row.settled_at is not None


async def test_what_is_fed_is_what_is_read(test_network: World, tmp_path: Path) -> None:
    quirk = next(each for each in quirks("relire").values() if each.expected == "stored" and not each.needs)
    (outcome,) = await _feed(test_network, _write(tmp_path, quirk))
    assert outcome.patient_id is not None
    assert outcome.document_id is not None
    async with test_network.tenant.database.transaction() as connection:
        from passerelle.identities.tables import patient

        row = (await connection.execute(select(patient).where(patient.c.patient_id == outcome.patient_id))).one()
    from passerelle.identities.ins import Ins

    person = test_network.person(Ins(row.ins_oid, row.ins_value))
    opened = await documents.open_content(test_network.context(person), outcome.document_id)
    assert b"".join([piece async for piece in opened.read()]) == quirk.data
