"""Approving the sheet of a case: the coordinator answers for the opinion, and the region holds it from then on.

All in one act: the document is written and checked, filed in the shared record, the sheet locked, the care plan
drafted, and whoever is to receive it told of. Nothing is approved without a quorum, the approver's own signature, every
compulsory answer and a document that keeps the rules. Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005;
CSP D.6124-131; CI-SIS, volet CANCER-FRCP. Decision 0125.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from passerelle.audit import outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import publishing
from passerelle.dossier.blocking import blocked_subjects
from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.submission import IncomingDocument
from passerelle.kernel.errors import Conflict
from passerelle.oncology import attachments, cases, quorum, sheet_fields, sheet_header, sheets
from passerelle.oncology.cases import Case, CaseDiscussion, CaseState
from passerelle.oncology.coded import Id
from passerelle.oncology.events import BoardSheetApproved
from passerelle.oncology.formats import frcp, schemas
from passerelle.oncology.formats.conformity import Finding
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.plan_drafting import draft_plan
from passerelle.oncology.sheet import NEWEST, BoardSheet
from passerelle.oncology.sheet_editions import in_edition
from passerelle.oncology.sheet_header import Meeting, Release
from passerelle.oncology.sheets import Sheet, SheetState
from passerelle_policies.vocabulary import Action, Kind

_POINTS_TOLD = 20


class NotReady(Conflict):
    """A sheet that cannot be approved yet. `points` say in French what is missing, or what breaks a rule."""

    def __init__(self, code: str, points: Sequence[str]) -> None:
        self.points = tuple(dict.fromkeys(points))
        super().__init__(code, points=" ; ".join(each.rstrip(".") for each in self.points[:_POINTS_TOLD]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """A sheet that was approved; where it is filed, and the draft of a care plan that it gave."""

    sheet: Sheet
    document_id: UUID
    plan_id: UUID


async def approve(act: Act, case_id: UUID, revision: int, *, hidden_from_patient: bool = False) -> Approved:
    """Approve the sheet of a case. `hidden_from_patient` until the announcement consultation, as the rules time it.

    Refused: as `cases.decided`; SHEET_SESSION_NOT_HELD, SHEET_WITHOUT_QUORUM, SHEET_ATTENDANCE_NOT_SIGNED by the
    approver, SHEET_PAEDIATRIC_NOT_DISCUSSED, SHEET_NOT_BEGUN, SHEET_APPROVED, SHEET_CHANGED, SHEET_NOT_DONE; NotReady
    SHEET_INCOMPLETE, SHEET_NOT_CONFORM; what `frcp.written` and `publishing.publish` refuse.
    """
    case = await cases.held(act, case_id, Kind.BOARD_SHEET, Action.APPROVE)
    meeting = await sheet_header.meeting_of(act, case.session_id)
    await _must_be_an_opinion(act, case, meeting)
    sheet = await sheets.being_written(act, case, revision)
    if sheet.state is not SheetState.DONE:
        raise Conflict("SHEET_NOT_DONE")
    is_correction = sheet.version > 1
    return await approve_opinion(
        act, case, meeting, sheet, hidden_from_patient=hidden_from_patient, succeeds=is_correction
    )


async def approve_opinion(
    act: Act,
    case: Case,
    meeting: Meeting,
    sheet: Sheet,
    *,
    hidden_from_patient: bool = False,
    succeeds: bool = False,
) -> Approved:
    """Approve and file what is an opinion already: of the board of this network, or of the one it was referred to. It
    is closed at once where the session of the case is. `succeeds`: as in `publishing.publish`.

    Refused: NotReady SHEET_INCOMPLETE, SHEET_NOT_CONFORM; what `frcp.written` and `publishing.publish` refuse.
    """
    content = await _composed(act, case, meeting, sheet)
    lacking = sheet_fields.missing(content)
    if lacking:
        raise NotReady("SHEET_INCOMPLETE", [sheet_fields.label(each) for each in lacking])
    document, findings = await asyncio.to_thread(_written, content)
    if findings:
        raise NotReady("SHEET_NOT_CONFORM", [each.message for each in findings])
    metadata = replace(document.metadata, hidden_from_patient=hidden_from_patient)
    filed = await publishing.publish(act, case.patient_id, replace(document, metadata=metadata), succeeds=succeeds)
    session = await cases.session_of(act, case.session_id)
    is_closed = session is not None and session.closed_at is not None
    attached = [row.document_id for row in await attachments.attached_to(act, case)]
    approved = await sheets.changed(
        act,
        sheet,
        state=(SheetState.CLOSED if is_closed else SheetState.APPROVED).value,
        content=content.to_json(),
        missing=[],
        attached=attached,
        approved_by=act.context.actor.subject,
        approved_at=act.now,
        fingerprint=document.sha256,
        document_id=filed.document_id,
    )
    if case.state is CaseState.REGISTERED:
        await cases.ended(act, case, CaseState.HEARD)
    plan_id = await draft_plan(act, case, content)
    await outbox.publish(
        act,
        BoardSheetApproved(
            patient_id=case.patient_id,
            case_id=case.case_id,
            document_id=filed.document_id,
            version=approved.version,
            replaces=filed.replaced,
            recipients=await _recipients(act, case, content),
        ),
    )
    return Approved(sheet=approved, document_id=filed.document_id, plan_id=plan_id)


async def _must_be_an_opinion(act: Act, case: Case, meeting: Meeting) -> None:
    """The session was held and had its quorum for this case, and the approver signed that he was there."""
    state = meeting.session.state
    if state not in {"held", "held_without_quorum"}:
        raise Conflict("SHEET_SESSION_NOT_HELD")
    # The same words for the session and for the case: they tell of nobody's being kept out.
    if state != "held" or not (await quorum.of_case(act, case.session_id, case.patient_id)).is_reached:
        raise Conflict("SHEET_WITHOUT_QUORUM")
    if act.context.actor.subject not in {each.subject for each in meeting.signed}:
        raise Conflict("SHEET_ATTENDANCE_NOT_SIGNED")
    if meeting.board.kind == "paediatric" and case.discussion is CaseDiscussion.REGISTERED:
        raise Conflict("SHEET_PAEDIATRIC_NOT_DISCUSSED")


async def _composed(act: Act, case: Case, meeting: Meeting, sheet: Sheet) -> BoardSheet:
    """What is approved: what was written, under the header of today, with what the platform answers for."""
    replaces = None
    if sheet.version > 1:
        replaces = Id(root=sheet_header.named(case.case_id, f"version/{sheet.version - 1}"))
    out_now = await blocked_subjects(act, case.patient_id, act.now)
    release = Release(approver=act.context.actor.subject, version=sheet.version, replaces=replaces)
    header = await sheet_header.composed(
        act,
        case,
        meeting,
        correspondents=[each for each in sheets.sent_to(sheet.content) if each not in out_now],
        kept_out=await blocked_subjects(act, case.patient_id, meeting.session.held_at or act.now),
        release=release,
    )
    content = sheets.known_of(in_edition(replace(sheet.content, header=header), NEWEST), case, meeting)
    content = sheet_fields.put(content, quorum=quorum.QuorumState.REACHED.value)
    return sheets.in_state(act, content, SheetState.APPROVED)


def _written(content: BoardSheet) -> tuple[IncomingDocument, tuple[Finding, ...]]:
    octets = frcp.written(content)
    return read_cda(octets), schemas.check(octets, DocumentKind.FRCP)


async def _recipients(act: Act, case: Case, content: BoardSheet) -> tuple[str, ...]:
    """Who is to receive it: the attending physician, who asked and presented, the doctors who were named."""
    attending = await sheet_header.attending_physician(act, case.patient_id)
    out: Collection[str] = await blocked_subjects(act, case.patient_id, act.now)
    named = (attending, case.requester, case.presenter, *sheets.sent_to(content))
    return tuple(dict.fromkeys(each for each in named if each and each not in out))
