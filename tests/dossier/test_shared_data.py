"""The real documents of the public guides: each gets the outcome that `shared_data.csv` foretells.

The table holds, by hash of a file's octets (of METADATA.XML for an XDM exchange), what becomes of it and by
which rule. The documents themselves stay outside the repository.
"""

from __future__ import annotations

import csv
import hashlib
import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from passerelle.dossier import ingest
from tests.builders import World

TABLE = Path(__file__).with_name("shared_data.csv")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
HELD = ("cda", "xdm")

pytestmark = pytest.mark.skipif(
    not (SHARED / "cda").is_dir(), reason="the public documents are not beside this checkout (../shared/data)"
)


@dataclass(frozen=True)
class Expected:
    result: str
    code: str


def _expected() -> dict[str, Expected]:
    with TABLE.open(encoding="utf-8", newline="") as file:
        return {row["sha256"]: Expected(row["result"], row["code"]) for row in csv.DictReader(file)}


def _hash(path: Path) -> str:
    held = path if path.is_file() else next(path.rglob("METADATA.XML"))
    return hashlib.sha256(held.read_bytes()).hexdigest()


async def _feed(world: World, paths: list[Path]) -> list[ingest.Outcome]:
    return [each async for each in ingest.ingest(world.context(world.feeder), paths, as_author_structure=True)]


@pytest.mark.no_cover
async def test_every_public_document_gets_its_expected_outcome_and_a_second_run_changes_nothing(
    test_network: World,
) -> None:
    expected = _expected()
    paths = [SHARED / each for each in HELD]
    first = await _feed(test_network, paths)
    seen = {_hash(Path(each.file)): Expected(each.result.value, each.code or "") for each in first}
    assert seen == expected
    files = {_hash(each) for folder in HELD for each in (SHARED / folder).rglob("*") if each.is_file()}
    inside_exchanges = {
        hashlib.sha256(each.read_bytes()).hexdigest()
        for each in (SHARED / "xdm").rglob("*")
        if each.is_file() and each.name != "SOURCE.md"
    }
    assert files - inside_exchanges <= expected.keys(), "a file that the table does not name"

    again = await _feed(test_network, paths)
    stored = {each.file for each in first if each.document_id}
    assert {each.result.value for each in again if each.file in stored} == {"already_here"}
    assert Counter(each.code for each in again if each.file not in stored) == Counter(
        each.code for each in first if each.file not in stored
    )


@pytest.mark.parametrize(
    ("name", "outcome"),
    [
        ("XDM_2-CR-BIO", ("set_aside", "IDENTITY_NOT_QUALIFIED")),
        # Five octets short of its manifest even with its line endings back: what was lost is not known.
        ("XDM_VSM", ("refused", "XDM_HASH_MISMATCH")),
    ],
)
async def test_an_exchange_whose_line_endings_are_restored(
    test_network: World, tmp_path: Path, name: str, outcome: tuple[str, str]
) -> None:
    restored = tmp_path / name
    shutil.copytree(SHARED / "xdm" / name, restored, copy_function=shutil.copyfile)  # to be written, whoever owns it
    for each in restored.rglob("DOC*.XML"):
        each.write_bytes(each.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    outcomes = await _feed(test_network, [restored])
    assert {(each.result.value, each.code) for each in outcomes} == {outcome}
