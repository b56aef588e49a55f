"""The export: what its reader sees and nothing else, streamed, journalled, honest about what is altered."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import tracemalloc
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from passerelle.audit.sealing import seal
from passerelle.audit.verifier import key_id_of
from passerelle.dossier import (
    lifecycle,
    portability,
    relations,
    visibility,
)
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.tables import document as filed
from passerelle.dossier.tables import dossier
from passerelle.kernel.contents import Contents
from passerelle.kernel.errors import Conflict, Refused, TryLater
from tests.builders import World, document, professional
from tests.dossier.exports import content_file, done, exports_in_journal, octets, opened, read_json


async def test_the_patient_takes_everything_away(world: World) -> None:
    patient_id, person = await world.patient()
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    contents = [b"un" * 3000, b"deux", b""]
    ids = [
        await world.publish(patient_id, document(author=doctor, content=each, title=f"Titre {len(each)}"))
        for each in contents
    ]
    await done(world, person, visibility.mask, ids[1])
    await done(world, person, relations.block_professional, patient_id, professional().id)

    archive = await opened(world, patient_id, person)

    assert archive.testzip() is None
    entries = {each["logicalId"]: each for each in read_json(archive, "donnees/documents.json")}
    assert set(entries) == {str(each) for each in ids}
    for document_id, content in zip(ids, contents, strict=True):
        entry = entries[str(document_id)]
        assert archive.read(entry["file"]) == content
        assert entry["file"].startswith("documents/2026-11-10-")
        assert entry["content"] == "whole"
    rights = read_json(archive, "donnees/droits.json")
    assert [(each["relation"], each["rpps"]) for each in rights["relations"]] == [("authorized", doctor.id)]
    assert len(rights["blocks"]) == 1
    life = read_json(archive, "donnees/dossier.json")
    assert [each["act"] for each in life["acts"]] == ["open"]
    manifest = read_json(archive, "manifeste.json")
    names = archive.namelist()
    assert names[-1] == "manifeste.json"
    assert {each["path"] for each in manifest["files"]} == set(names[:-1])
    for each in manifest["files"]:
        assert hashlib.sha256(archive.read(each["path"])).hexdigest() == each["sha256"]
    assert manifest["altered"] == []
    assert person.id.encode() not in b"".join(archive.read(name) for name in names if not name.startswith("journal/"))


async def test_the_export_is_in_the_journal_before_its_first_octet(world: World) -> None:
    patient_id, person = await world.patient()
    ids = [await world.publish(patient_id, document()) for _ in range(2)]
    export = await portability.open_export(world.context(person), patient_id)
    lines = await exports_in_journal(world, patient_id)
    assert [(kind, outcome) for kind, _, outcome, _, _ in lines] == [("dossier", "allowed")] * 3
    assert {document_id for _, _, _, document_id, _ in lines} == {None, *ids}
    assert export.file_name == "dossier-partage-2026-11-16.zip"
    # Taken away is shown: it is hidden from him no more.
    author = professional()
    late = await world.publish(patient_id, document(author=author))
    await portability.open_export(world.context(person), patient_id)
    with pytest.raises(Conflict, match="ALREADY_SHOWN"):
        await done(world, author, visibility.hide_from_patient, late)


async def test_his_journal_goes_out_with_what_verifies_it(world: World) -> None:
    patient_id, person = await world.patient()
    author = professional()
    shown = await world.publish(patient_id, document(author=author))
    hidden = await world.publish(patient_id, document(author=author, hidden_from_patient=True))
    archive = await opened(world, patient_id, person)
    said = read_json(archive, "journal/journal.json")
    lines = [*said["unsealed"], *(each["line"] for each in said["lines"])]
    about = {line.get("document_id") for line in lines}
    assert str(shown) in about
    assert str(hidden) not in about
    assert str(hidden).encode() not in b"".join(archive.read(name) for name in archive.namelist())
    assert "verifier.py" in {Path(name).name for name in archive.namelist()}


async def test_all_that_his_journal_says_is_proven_once_it_is_sealed(world: World, tmp_path: Path) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document())

    def verified(archive: zipfile.ZipFile) -> int:
        archive.extractall(tmp_path)
        key = key_id_of(world.tenant.keys.public_key)
        alone = [sys.executable, "-I", "verifier.py", "journal.json", "--key", key]
        return subprocess.run(alone, cwd=tmp_path / "journal", capture_output=True, check=False).returncode

    before = await opened(world, patient_id, person)
    young = read_json(before, "manifeste.json")["journal"]["unsealed"]
    assert young == [each["line_id"] for each in read_json(before, "journal/journal.json")["unsealed"]] != []
    assert f"Pas encore scellées, donc sans preuve : {len(young)}." in before.read("index.html").decode()
    assert verified(before) == 3

    await seal(world.tenant, world.clock)
    after = await opened(world, patient_id, person)
    said = read_json(after, "manifeste.json")["journal"]
    # Its own two lines are left out; those of the export before are in it.
    assert said == {"lines": len(young) + 2, "unsealed": [], "ownLinesLeftOut": 2}
    lines = read_json(after, "journal/journal.json")["lines"]
    assert [each["line"]["action"] for each in lines].count("export") == 2
    assert "Les lignes de cet export lui-même n’y sont pas" in after.read("index.html").decode()
    assert verified(after) == 0


async def test_a_stranger_takes_nothing_and_nothing_changes(world: World) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document())
    doctor = professional()
    await world.authorize(patient_id, person, doctor)
    other_id, other = await world.patient()
    for reader in (doctor, other, professional()):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await portability.open_export(world.context(reader), patient_id)
    lines = await exports_in_journal(world, patient_id)
    assert [(outcome, document_id) for _, _, outcome, document_id, _ in lines] == [("refused", None)] * 3
    assert await exports_in_journal(world, other_id) == []


async def test_so_many_a_day(world: World) -> None:
    few = World(tenant=replace(world.tenant, parameters={"export.per_day": 2}), clock=world.clock)
    patient_id, person = await few.patient()
    await world.publish(patient_id, document())
    for _ in range(2):
        await octets(few, patient_id, person)
    before = await exports_in_journal(world, patient_id)
    with pytest.raises(TryLater, match="EXPORT_TOO_MANY"):
        await portability.open_export(few.context(person), patient_id)
    assert await exports_in_journal(world, patient_id) == before
    world.clock.advance(timedelta(days=1))
    assert await octets(few, patient_id, person)


async def test_a_closed_record_is_still_his_and_an_erased_one_is_no_more(world: World) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document(content=b"gard\xc3\xa9"))
    await done(world, person, lifecycle.close, patient_id)
    archive = await opened(world, patient_id, person)
    (entry,) = read_json(archive, "donnees/documents.json")
    assert archive.read(entry["file"]) == b"gard\xc3\xa9"
    await done(world, person, lifecycle.purge, patient_id, basis=Basis.REQUEST, proof="lettre")
    with pytest.raises(Conflict, match="EXPORT_OF_NOTHING"):
        await portability.open_export(world.context(person), patient_id)


@pytest.mark.parametrize("fault", ["missing", "cut", "bit", "hash"])
async def test_an_altered_content_is_named(world: World, fault: str) -> None:
    patient_id, person = await world.patient()
    whole = await world.publish(patient_id, document(content=b"bon", title="Entier"))
    bad = await world.publish(patient_id, document(content=b"x" * 300_000, title="Abîmé <b>"))
    file = await content_file(world, bad)
    octets = file.read_bytes()
    if fault == "missing":
        file.unlink()
    elif fault == "cut":
        file.write_bytes(octets[:-70_000])
    elif fault == "bit":
        file.write_bytes(octets[:-100_000] + bytes([octets[-100_000] ^ 1]) + octets[-99_999:])
    else:
        async with world.tenant.database.transaction() as connection:
            await connection.execute(update(filed).where(filed.c.document_id == bad).values(sha256="0" * 64))

    archive = await opened(world, patient_id, person)

    assert archive.testzip() is None
    entries = {each["logicalId"]: each for each in read_json(archive, "donnees/documents.json")}
    assert entries[str(whole)]["content"] == "whole"
    assert entries[str(bad)]["content"] in {"altered", "unreadable"}
    assert read_json(archive, "manifeste.json")["altered"] == [str(bad)]
    page = archive.read("index.html").decode()
    assert "Documents incomplets" in page
    assert "Abîmé &lt;b&gt;" in page
    assert "<b>" not in page


async def test_a_key_that_does_not_open_leaves_every_document_named(world: World) -> None:
    patient_id, person = await world.patient()
    bad = await world.publish(patient_id, document())
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            update(dossier).where(dossier.c.patient_id == patient_id).values(wrapped_key=b"\x01" + bytes(60))
        )
    archive = await opened(world, patient_id, person)
    assert read_json(archive, "manifeste.json")["altered"] == [str(bad)]


async def test_an_export_cut_off_opens_nowhere(world: World) -> None:
    patient_id, person = await world.patient()
    for _ in range(3):
        await world.publish(patient_id, document(content=b"y" * 100_000))
    export = await portability.open_export(world.context(person), patient_id)
    pieces = [piece async for piece in export.stream()]
    zipfile.ZipFile(io.BytesIO(b"".join(pieces)))
    for end in range(len(pieces)):
        with pytest.raises(zipfile.BadZipFile):
            zipfile.ZipFile(io.BytesIO(b"".join(pieces[:end])))


async def test_the_store_going_away_midway_ends_the_stream(world: World) -> None:
    class Away(Contents):
        calls = 0

        def read(self, *given: Any, **more: Any) -> Any:
            if self.calls:
                raise TryLater("CONTENT_STORE_AWAY", retry_after=1)
            self.calls = 1
            return super().read(*given, **more)

    patient_id, person = await world.patient()
    for _ in range(2):
        await world.publish(patient_id, document())
    away = Away(world.tenant.contents.url)
    cut = World(tenant=replace(world.tenant, contents=away), clock=world.clock)
    export = await portability.open_export(cut.context(person), patient_id)
    pieces: list[bytes] = []

    async def taken() -> None:
        async for piece in export.stream():
            pieces.append(piece)  # noqa: PERF401 - what came before it broke is wanted

    with pytest.raises(TryLater, match="CONTENT_STORE_AWAY"):
        await taken()
    assert pieces
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(b"".join(pieces)))


async def test_a_big_record_streams_in_little_memory(world: World) -> None:
    patient_id, person = await world.patient()
    size = 8 * 1024 * 1024
    for number in range(3):
        await world.publish(patient_id, document(content=random.Random(number).randbytes(size)))
    export = await portability.open_export(world.context(person), patient_id)
    given = 0
    tracemalloc.start()
    async for piece in export.stream():
        given += len(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert given > 3 * size
    assert peak < size


class _Page(HTMLParser):
    """What a page holds that could act or come from elsewhere, and whether its tables say what they are."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in {"href", "src", "action", "background"}]
        assert not [name for name, _ in attrs if name.startswith("on")]


async def test_the_index_is_readable_offline_and_nothing_in_it_acts(world: World) -> None:
    patient_id, person = await world.patient()
    await world.publish(patient_id, document(title='<script>alert("x")</script>'))
    archive = await opened(world, patient_id, person)
    text = archive.read("index.html").decode()
    page = _Page()
    page.feed(text)
    assert '<html lang="fr">' in text
    assert not {"script", "iframe", "object", "embed", "form", "link", "img"} & set(page.tags)
    assert page.links
    assert set(page.links) <= set(archive.namelist())
    assert page.tags.count("table") == page.tags.count("caption") > 0
    assert page.tags.count("h1") == page.tags.count("title") == page.tags.count("main") == 1
    assert "Votre dossier a été" in text  # the journal, in French
    assert "JOURNAL_" not in text
