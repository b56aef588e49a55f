"""The corpus as files: what a newcomer feeds."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

from passerelle.kernel.clock import PARIS
from passerelle.oncology.formats import schemas
from passerelle.pharmacy.formats.dispensation import read_dispensation
from passerelle_ops.demo.casting import STORY_TENANT, casts
from passerelle_ops.demo.corpus.__main__ import SHEET, write_all
from passerelle_ops.demo.corpus.quirks import quirks
from passerelle_ops.demo.counter import PARACETAMOL
from passerelle_ops.demo.dispensed import dispensed
from passerelle_ops.settings import Settings


def test_every_oddity_is_a_folder_of_files_and_so_is_a_sheet_that_holds(tmp_path: Path) -> None:
    written = write_all(tmp_path)

    found = {str(each.relative_to(tmp_path)): each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    assert len(found) == written
    assert schemas.check_file(found.pop(str(SHEET))) == ()
    assert found == {f"{each.name}/{name}": octets for each in quirks().values() for name, octets in each.files.items()}


def test_what_a_pharmacy_of_the_demo_handed_over_is_read_back() -> None:
    told = read_dispensation(dispensed(date(2026, 11, 21)))

    patient = casts(Settings(), [STORY_TENANT])[STORY_TENANT].patient
    assert (told.patient.identifiers, told.pharmacy) == ((patient.ins,), "995700044")
    assert [each.product.cip13 for each in told.lines] == [PARACETAMOL, None]
    assert told.dispensed_at == datetime(2026, 11, 21, 9, 30, tzinfo=PARIS)
