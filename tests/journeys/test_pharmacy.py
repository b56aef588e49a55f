"""A patient goes from one pharmacy to another, through the real HTTP face."""

from __future__ import annotations

import html
import io
import json
import zipfile
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from passerelle.dossier.formats.allergies import Allergy
from passerelle_ops.demo.corpus import people
from passerelle_ops.demo.corpus.medicines import with_allergies
from tests import builders
from tests.journeys.conftest import Network, Visitor, paper
from tests.journeys.pharmacies import HOSPITAL, PHARMACY, TOWN, Place, Region, box, labels, line

YEAR_AND_MORE = timedelta(days=400)
ASKED = ("SIMVASTATINE", "IBUPROFENE", "OMEPRAZOLE", "ENGERIX", "PARACETAMOL", "HUMIRA")
BASKET = ("CLARITHROMYCINE", "AMOXICILLINE", "IBUPROFENE SANDOZ CONSEIL", "PANTOPRAZOLE", "SIMVASTATINE")


@dataclass(frozen=True, slots=True)
class Town:
    """Four pharmacies, a hospital and a general practitioner; a patient whose pharmacy record is open and fed."""

    region: Region
    who: people.Patient
    record: str
    pharmacies: tuple[Place, ...]
    doctor: Visitor
    at_hospital: Visitor
    boxes: dict[str, str]

    @property
    def patient(self) -> Visitor:
        """The patient, who signs in again."""
        return self.region.network.citizen(self.who)

    async def checked(self, visitor: Visitor, *products: str) -> dict[str, Any]:
        """What is wrong with a basket."""
        basket = [{"cip13": self.boxes[each]} for each in products]
        said = await visitor.asks("CheckDispensing", patientId=self.record, basket=basket)
        assert said["__typename"] == "DispensingChecks", said
        return said


@pytest.fixture(scope="module")
async def town(network: Network) -> Town:
    """The region when the patient comes to his fourth pharmacy: the first dispensed to him more than a year ago."""
    region = await Region.of(network)
    who, patient, record = await network.patient("officine")
    pharmacies = tuple([await region.place(PHARMACY) for _ in range(4)])
    doctor = (await region.place(TOWN, builders.PHYSICIAN)).visitor
    at_hospital = (await region.place(HOSPITAL, builders.PHYSICIAN)).visitor
    first, second, third, fourth = pharmacies
    boxes = {each: await box(first.visitor, each) for each in {*ASKED, *BASKET}}
    await patient.asks("DeclareAttendingPhysician", patientId=record, rpps=doctor.rpps)
    told = with_allergies(
        paper(who, doctor, "Volet de synthèse médicale", seed="vsm", type_code="60591-5"),
        [Allergy(code=None, system=None, label="Pénicillines", status="active")],
    )
    await doctor.files(told)
    await patient.asks("Authorize", patientId=record, rpps=fourth.visitor.rpps)

    closed = await region.dispenses(first, record, "2025-1", line(boxes["PARACETAMOL"]))
    assert closed["code"] == "DOSSIER_NOT_OPEN"
    await region.arrives(first, record)
    opened = await first.visitor.asks("AgreeToPharmacyRecord", patientId=record, proof="accord donné au comptoir")
    assert opened["state"] == "OPEN", opened
    long_ago = ("PARACETAMOL", "HUMIRA", "ENGERIX")
    receipt = await region.dispenses(
        first, record, "2025-1", *(line(boxes[each], batch="A1", days=30) for each in long_ago)
    )
    assert (receipt["lines"], receipt["alreadyKnown"]) == (3, False)
    network.clock.advance(YEAR_AND_MORE)
    await region.dispenses(first, record, "2026-1", line(boxes["SIMVASTATINE"], days=84), ago=20)
    await region.dispenses(second, record, "9", line(boxes["IBUPROFENE"], days=10, doseText="1, trois fois par jour"))
    await region.dispenses(third, record, "F-3", line(boxes["OMEPRAZOLE"], days=28), ago=3)
    return Town(region, who, record, pharmacies, doctor, at_hospital, boxes)


async def test_the_fourth_pharmacy_sees_the_window(town: Town) -> None:
    fourth = town.pharmacies[3].visitor
    refused = await fourth.asks("OpenPharmacyRecord", patientId=town.record)
    assert (refused["__typename"], refused["code"]) == ("Refusal", "ACCESS_REFUSED")
    await town.region.arrives(town.pharmacies[3], town.record)

    opened = await fourth.asks("OpenPharmacyRecord", patientId=town.record)
    seen = [(edge["node"]["label"].split()[0], edge["node"]["dispensedHere"]) for edge in opened["edges"]]
    # A year and more ago: the medicine is out of its window, the biologic and the vaccine are in theirs.
    newest_first = ("IBUPROFENE", "OMEPRAZOLE", "SIMVASTATINE")
    assert seen[:3] == [(each, False) for each in newest_first]
    assert {each for each, _ in seen[3:]} == {"HUMIRA", "ENGERIX"}
    assert [each["label"].split()[0] for each in opened["vaccines"]["dispensed"]] == ["ENGERIX"]
    assert {each["substance"] for each in opened["timeline"]} >= {"ibuprofene", "omeprazole", "simvastatine"}
    assert await labels(town.patient, town.record) == [each for each, _ in seen]

    # The patient leaves: the next day the pharmacist reads no more.
    town.region.network.clock.advance(timedelta(hours=5))
    assert (await fourth.asks("OpenPharmacyRecord", patientId=town.record))["code"] == "ACCESS_REFUSED"


async def test_the_fourth_pharmacy_is_warned_and_dispenses_with_a_reason(town: Town) -> None:
    place = town.pharmacies[3]
    fourth = place.visitor
    await town.region.arrives(place, town.record)
    said = await town.checked(fourth, *BASKET)
    by_code = {each["code"]: each for each in said["findings"]}
    assert len(by_code) == len(said["findings"])
    assert {code: each["between"] for code, each in by_code.items()} == {
        "INTERACTION": ["CLARITHROMYCINE", "SIMVASTATINE"],
        "ALLERGY": ["Pénicillines"],
        "SAME_SUBSTANCE": ["IBUPROFÈNE"],
        "EARLY_RENEWAL": [],
        "SAME_CLASS": ["A02BC"],
    }
    assert by_code["INTERACTION"]["level"] == "CONTRAINDICATED"
    assert by_code["INTERACTION"]["source"]["table"] == "INTERACTIONS"
    assert "64 jours" in by_code["EARLY_RENEWAL"]["sentence"]
    # Of the synthesis, which she may know of, the allergen and nothing more.
    assert [each["label"].split()[0] for each in by_code["ALLERGY"]["products"]] == ["AMOXICILLINE"]
    assert "synthèse" not in str(by_code["ALLERGY"])
    # Its table of interactions lists no omeprazole: it says so, rather than that nothing was found.
    assert {each["code"] for each in said["notChecked"]} == {"SUBSTANCE_UNRESOLVED"}

    finding = by_code["EARLY_RENEWAL"]
    given = {
        "patientId": town.record,
        "finding": finding["key"],
        "code": finding["code"],
        "cip13s": [town.boxes["SIMVASTATINE"]],
    }
    assert (await fourth.asks("OverrideCheck", **given, reason=" "))["code"] == "CHECK_OVERRIDE_WITHOUT_REASON"
    reason = "Boîte perdue en voyage"
    assert (await fourth.asks("OverrideCheck", **given, reason=reason))["__typename"] == "CheckOverridden"
    again = (await town.checked(fourth, *BASKET))["findings"]
    assert {each["code"]: each["override"] and each["override"]["reason"] for each in again} == {
        **dict.fromkeys(by_code),
        "EARLY_RENEWAL": reason,
    }
    receipt = await town.region.dispenses(
        place, town.record, "Z-1", line(town.boxes["SIMVASTATINE"], days=28), line(town.boxes["ENGERIX"], refused=True)
    )
    assert receipt["lines"] == 1  # the patient refused that the vaccine be entered
    assert (await labels(fourth, town.record)).count("SIMVASTATINE") == 2
    journal = [each["node"] for each in (await town.patient.asks("Journal", patientId=town.record))["edges"]]
    hers = {(each["kind"], each["action"]) for each in journal if each["actor"]["rpps"] == fourth.rpps}
    assert {("dispensation", "check"), ("dispensation", "override"), ("dispensation", "publish")} <= hers


async def test_the_attending_physician_is_refused_and_the_hospital_reads(town: Town) -> None:
    before = await labels(town.patient, town.record)
    for operation, variables in (
        ("OpenPharmacyRecord", {}),
        ("PharmacyRecord", {}),
        ("AttestPresence", {"shown": "VITALE_CARD"}),
        ("AttestCare", {"proof": "consultation"}),
        ("AgreeToPharmacyRecord", {"proof": "accord"}),
        ("ClosePharmacyRecord", {}),
        ("ObjectToPharmacyRecord", {}),
    ):
        refused = await town.doctor.asks(operation, patientId=town.record, **variables)
        assert refused["code"] == "ACCESS_REFUSED", operation
    cancelled = await town.doctor.asks("CancelDispensation", patientId=town.record, pharmacyNumber="9", reason="essai")
    assert cancelled["code"] == "DISPENSATION_UNKNOWN"
    assert await labels(town.patient, town.record) == before
    # He may know of what he wrote himself, and learns nothing of what was dispensed.
    said = await town.checked(town.doctor, "CLARITHROMYCINE")
    assert [each["code"] for each in said["findings"]] == []
    assert "HISTORY_OUT_OF_REACH" in {each["code"] for each in said["notChecked"]}

    hospital = town.at_hospital
    assert (await hospital.asks("OpenPharmacyRecord", patientId=town.record))["code"] == "ACCESS_REFUSED"
    await hospital.asks("AttestCare", patientId=town.record, proof="admission aux urgences")
    assert await labels(hospital, town.record) == before
    town.region.network.clock.advance(timedelta(days=8))
    assert (await hospital.asks("OpenPharmacyRecord", patientId=town.record))["code"] == "ACCESS_REFUSED"
    journal = [each["node"] for each in (await town.patient.asks("Journal", patientId=town.record))["edges"]]
    refusals = {each["actor"]["rpps"] for each in journal if not each["allowed"] and each["kind"] == "dispensation"}
    assert {town.doctor.rpps, hospital.rpps} <= refusals


async def test_an_objection_hides_everything_at_once(town: Town) -> None:
    *_, fourth = town.pharmacies
    await town.at_hospital.asks("AttestCare", patientId=town.record, proof="admission")
    for each in town.pharmacies:
        await town.region.arrives(each, town.record)
    before = await labels(fourth.visitor, town.record)
    assert before
    assert (await town.checked(fourth.visitor, "CLARITHROMYCINE"))["findings"]

    url = (await town.patient.asks("RecordExport", patientId=town.record))["url"]
    taken = await _taken_away(town.patient, url)
    assert [each["label"].split()[0] for each in taken["dispensed"]] == before
    assert (taken["state"], [each["act"] for each in taken["acts"]]) == ("open", ["open"])

    objected = await town.patient.asks("ObjectToPharmacyRecord", patientId=town.record)
    assert objected["state"] == "OBJECTED"
    for visitor in (*(each.visitor for each in town.pharmacies), town.at_hospital, town.patient):
        opened = await visitor.asks("OpenPharmacyRecord", patientId=town.record)  # lines, time line, vaccines, devices
        assert (opened["__typename"], opened["code"]) == ("Refusal", "DOSSIER_NOT_OPEN")
    said = await town.checked(fourth.visitor, "CLARITHROMYCINE")
    assert said["findings"] == []
    assert "NO_RECORD" in {each["code"] for each in said["notChecked"]}
    taken = await _taken_away(town.patient, url)
    assert (taken["state"], taken["dispensed"]) == ("objected", [])
    written = await town.region.dispenses(fourth, town.record, "Z-2", line(town.boxes["IBUPROFENE"]))
    assert written["code"] == "DOSSIER_NOT_OPEN"
    # Nobody opens it by himself; the patient may change his mind, and finds what was there and nothing that was not.
    again = await fourth.visitor.asks("AgreeToPharmacyRecord", patientId=town.record, proof="accord au comptoir")
    assert again["state"] == "OPEN"
    assert await labels(fourth.visitor, town.record) == before


async def _taken_away(patient: Visitor, url: str) -> dict[str, Any]:
    """The pharmacy record, in the export of the patient's record."""
    response = await patient.client.get(url)
    assert response.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    said: dict[str, Any] = json.loads(archive.read("donnees/dossier-pharmaceutique.json"))
    page = archive.read("index.html").decode()
    assert "<h2>Dossier pharmaceutique</h2>" in page
    assert all(each["label"] in html.unescape(page) for each in said["dispensed"])
    return said
