"""`passerelle reference` over a real network: what is loaded, what was refused, what answers, and back."""

from __future__ import annotations

import json
from pathlib import Path

from tests.pharmacy.reference import published
from tests.running.test_cli_hindsight import Run
from tests.running.test_cli_hindsight import environment as environment
from tests.running.test_cli_hindsight import run as run

OF = ("--tenant", "oncomip")


async def test_lists_are_loaded_shown_and_restored(run: Run, environment: None, tmp_path: Path) -> None:
    code, out, _ = await run("reference", "status", *OF, "--json")
    begun = json.loads(out)
    assert code == 0
    assert {(each["source"], each["origin"], each["in_force"]) for each in begun["editions"]} == {
        ("bdpm", "starter", True),
        ("interactions", "starter", True),
    }
    assert {each["table"] for each in begun["coverage"] if each["resolved"]} == {"bdpm", "interactions"}

    box = published.presentation("60000001", "3400930000007") + published.presentation("6", "3400930000007")
    folder = published.bdpm(tmp_path, CIS_CIP_bdpm=box.encode())
    code, out, _ = await run("reference", "load", "bdpm", str(folder), *OF)
    assert code == 0
    assert "CIS_CIP_bdpm.txt, ligne 2 : code CIS mal formé." in out
    assert "en vigueur" in out
    code, out, _ = await run("reference", "load", "bdpm", str(folder), *OF, "--dated", "2026-06-01", "--json")
    (loaded,) = json.loads(out)
    assert loaded["dated"] == "2026-06-01"
    boxes = next(each for each in loaded["files"] if each["file"] == "CIS_CIP_bdpm.txt")
    assert (boxes["read"], boxes["kept"], boxes["refused"]) == (2, 1, 1)

    code, out, _ = await run("reference", "restore", "bdpm", *OF)
    assert (code, "01/05/2026" in out) == (0, True)
    code, out, _ = await run("reference", "status", *OF)
    assert code == 0
    assert "Substances reconnues" in out

    code, _, err = await run("reference", "load", "interactions", str(folder), *OF)
    assert (code, "[REFERENCE_FILE_MISSING]" in err) == (2, True)
    code, _, err = await run("reference", "restore", "interactions", *OF)
    assert (code, "[REFERENCE_NOTHING_BEFORE]" in err) == (4, True)
