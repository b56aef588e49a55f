"""The corpus as files: what a newcomer feeds."""

from __future__ import annotations

from pathlib import Path

from passerelle.oncology.formats import schemas
from passerelle_ops.demo.corpus.__main__ import SHEET, write_all
from passerelle_ops.demo.corpus.quirks import quirks


def test_every_oddity_is_a_folder_of_files_and_so_is_a_sheet_that_holds(tmp_path: Path) -> None:
    written = write_all(tmp_path)

    found = {str(each.relative_to(tmp_path)): each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()}
    assert len(found) == written
    assert schemas.check_file(found.pop(str(SHEET))) == ()
    assert found == {f"{each.name}/{name}": octets for each in quirks().values() for name, octets in each.files.items()}
