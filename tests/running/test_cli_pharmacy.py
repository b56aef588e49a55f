"""`passerelle pharmacy ingest` over a real network: a folder of dispensations, what is known of them, and again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from passerelle.audit.transactions import transaction
from passerelle.identities.directory import Establishment
from passerelle.kernel.clock import SetClock
from passerelle.pharmacy import presence, records
from passerelle_ops.installation import Installation
from passerelle_ops.settings import Settings
from tests.builders import World, at_the_counter, ins_of
from tests.pharmacy.documents.papers import dispensation
from tests.pharmacy.documents.test_prescriptions import prescription
from tests.running.test_cli_hindsight import Run
from tests.running.test_cli_hindsight import environment as environment
from tests.running.test_cli_hindsight import run as run

PHARMACY = "310799001"
ASKED = ("--tenant", "oncomip", "--pharmacy", PHARMACY)


async def test_a_folder_is_recorded_once_and_says_what_it_knows(run: Run, environment: None, tmp_path: Path) -> None:
    ins, pharmacist = ins_of(93_501), at_the_counter(PHARMACY)
    installation = Installation(Settings())
    at = Establishment(finess=PHARMACY, name="Pharmacie d'essai", basin="essai", tenant_id="oncomip", category="SA33")
    await installation.directory.register_establishments([at])
    network = await (await installation.registry()).tenant("oncomip")
    world = World(tenant=network, clock=SetClock(datetime.now(UTC)))
    patient_id, _ = await world.patient(ins)
    async with transaction(world.context(pharmacist)) as act:
        await presence.attest_presence(act, patient_id, shown=presence.PresenceProof.VITALE_CARD)
        await records.open_(act, patient_id, proof="accord au comptoir")
    await installation.close()
    (tmp_path / "a.xml").write_bytes(dispensation(ins, PHARMACY, at=datetime(2024, 5, 6, 9, tzinfo=UTC)))
    (tmp_path / "b.xml").write_bytes(dispensation(ins, "310799002", name="ailleurs"))

    code, out, _ = await run("pharmacy", "ingest", str(tmp_path), *ASKED, "--file", "--json")
    told = json.loads(out)
    assert code == 1
    assert {name: count for name, count in told["totals"].items() if count} == {"recorded": 1, "refused": 1}
    assert told["products"] == {"named": 2, "unknown": 1}
    assert {Path(each["file"]).name: each["code"] for each in told["files"]} == {
        "a.xml": None,
        "b.xml": "DISPENSATION_OF_ANOTHER_PHARMACY",
    }
    code, out, _ = await run("pharmacy", "ingest", str(tmp_path / "a.xml"), *ASKED, "--file")
    assert (code, "1 déjà là" in out, "2 produits, dont 1" in out) == (0, True, True)
    code, _, err = await run("pharmacy", "ingest", str(tmp_path), "--tenant", "oncomip", "--pharmacy", "999999999")
    assert (code, "[STRUCTURE_ELSEWHERE]" in err) == (2, True)
    (tmp_path / "c.xml").write_bytes(prescription(ins))
    code, out, _ = await run("pharmacy", "ingest", str(tmp_path / "c.xml"), *ASKED, "--json")
    told = json.loads(out)
    assert (code, told["totals"]["prescription"], told["products"]) == (0, 1, {"named": 3, "unknown": 2})
    (read,) = [each["prescription"] for each in told["files"]]
    assert (read["prescribed_on"], [each["known"] for each in read["products"]]) == (
        "2026-11-12",
        ["cip13", "unknown", "unknown"],
    )
    code, out, _ = await run("pharmacy", "ingest", str(tmp_path / "c.xml"), *ASKED)
    assert (code, "1 ordonnance lue" in out, "Préparation" in out) == (0, True, True)
    (tmp_path / "none").mkdir()
    code, _, err = await run("pharmacy", "ingest", str(tmp_path / "none"), *ASKED)
    assert (code != 0, "[NOTHING_TO_INGEST]" in err) == (True, True)
