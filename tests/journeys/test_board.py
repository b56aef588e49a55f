"""Tumour boards through the front door: from their declaration to the care plan in the patient's record."""

from __future__ import annotations

from passerelle_ops.demo.corpus import people
from tests.journeys.boards import (
    BIRTHPLACE,
    ONCOLOGIST,
    PAEDIATRIC_ONCOLOGIST,
    RADIOTHERAPIST,
    SURGEON,
    Hospital,
    done,
    registers,
    written,
)
from tests.journeys.conftest import Network, Visitor

SHEET, PLAN = "Fiche RCP", "PPS"


async def _treated(network: Network, hospital: Hospital, name: str) -> tuple[people.Patient, str, Visitor]:
    """A patient whose record is open, its id, and his doctor."""
    who, patient, record = await network.patient(name, born_in=BIRTHPLACE)
    doctor = await hospital.works()
    await done(patient, "Authorize", patientId=record, rpps=doctor.rpps)
    return who, record, doctor


async def test_from_the_declaration_of_a_board_to_the_care_plan(network: Network) -> None:
    hospital = await Hospital(network.serving).opens()
    who, record, doctor = await _treated(network, hospital, "rcp")
    board = await hospital.board("RCP digestive", ONCOLOGIST, SURGEON, RADIOTHERAPIST)
    surgeon = board.members[0]
    outsider = await hospital.works(SURGEON)

    # Two come to the first session: it has no quorum, and gives no opinion.
    first = await board.session()
    case = await registers(doctor, record, first, network.clock.now())
    await done(doctor, "BeginBoardSheet", caseId=case)
    opened = await surgeon.asks("OpenBoardSession", id=first)
    assert [each["id"] for each in opened["cases"]] == [case]
    assert (await outsider.asks("OpenBoardSession", id=first))["cases"] == []
    assert await board.held(first, board.coordinator, surgeon) == "HELD_WITHOUT_QUORUM"
    revision = await written(board.coordinator, case)
    refused = await board.coordinator.asks("ApproveBoardSheet", caseId=case, revision=revision)
    assert refused["code"] == "SHEET_WITHOUT_QUORUM"
    assert SHEET not in " ".join(await network.citizen(who).titles(record))

    # All three come to the next one, to which the case is carried over with its sheet.
    second = await board.session()
    carried = (await done(board.coordinator, "DeferBoardCase", id=case, sessionId=second))["id"]
    assert await board.held(second, *board.everybody()) == "HELD"
    sheet = await done(board.coordinator, "BoardSheet", patientId=record, caseId=carried)
    finished = await done(board.coordinator, "FinishBoardSheet", caseId=carried, revision=sheet["revision"])
    approve = {"caseId": carried, "revision": finished["revision"]}
    assert (await surgeon.asks("ApproveBoardSheet", **approve))["code"] == "CASE_ACTION_REFUSED"
    approved = await done(board.coordinator, "ApproveBoardSheet", **approve)
    assert any(each.startswith(SHEET) for each in await network.citizen(who).titles(record))

    # A correction is another version; the record shows it in the place of the first.
    frozen = await board.coordinator.asks("WriteBoardSheet", caseId=carried, revision=finished["revision"], answers=[])
    assert frozen["code"] == "SHEET_APPROVED"
    await done(board.coordinator, "CorrectBoardSheet", caseId=carried, because="Dose précisée")
    again = await written(board.coordinator, carried, board_comment="60 Gy")
    corrected = await done(board.coordinator, "ApproveBoardSheet", caseId=carried, revision=again)
    assert (corrected["version"], corrected["documentId"] != approved["documentId"]) == (2, True)
    assert [each.startswith(SHEET) for each in await network.citizen(who).titles(record)].count(True) == 1

    # The draft that the opinion gave is handed to the patient, and filed.
    (plan, *_) = (await done(doctor, "CarePlans", patientId=record, caseId=carried))["nodes"]
    issued = await done(doctor, "IssueCarePlan", patientId=record, id=plan["id"], revision=plan["revision"])
    assert issued["state"] == "ISSUED"
    opened = await network.citizen(who).asks("OpenDossier", patientId=record)
    filed = [edge["node"] for edge in opened["documents"]["edges"]]
    assert issued["documentId"] in [each["id"] for each in filed if each["type"]["code"] == "18776-5"]


async def test_every_case_of_a_paediatric_board_is_discussed(network: Network) -> None:
    hospital = await Hospital(network.serving).opens()
    who, record, doctor = await _treated(network, hospital, "rcp pédiatrique")
    board = await hospital.board(
        "RCP pédiatrique",
        PAEDIATRIC_ONCOLOGIST,
        SURGEON,
        RADIOTHERAPIST,
        kind="PAEDIATRIC",
        as_="PAEDIATRIC_ONCOLOGIST",
    )
    session = await board.session()
    said = {
        "question": "Quel protocole ?",
        "informedAt": network.clock.now().isoformat(),
        "informedHow": "INTERVIEW",
        "agreed": True,
    }
    alone = {**said, "discussion": "REGISTERED"}
    refused = await doctor.asks("RegisterBoardCase", patientId=record, sessionId=session, boardCase=alone)
    assert refused["code"] == "CASE_PAEDIATRIC_NOT_DISCUSSED"
    case = (await done(doctor, "RegisterBoardCase", patientId=record, sessionId=session, boardCase=said))["id"]
    await done(doctor, "BeginBoardSheet", caseId=case)
    assert await board.held(session, *board.everybody()) == "HELD"
    revision = await written(board.coordinator, case)
    await done(board.coordinator, "ApproveBoardSheet", caseId=case, revision=revision)
    assert any(each.startswith(SHEET) for each in await network.citizen(who).titles(record))
    read = [each["node"]["kind"] for each in (await network.citizen(who).asks("Journal", patientId=record))["edges"]]
    assert "board_sheet" in read
