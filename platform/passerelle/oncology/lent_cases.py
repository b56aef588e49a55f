"""Cases that other networks lent to a board here: read by those of one session, and forgotten with it.

What an expert may read is decided by the lines of any case of his session, and the patient's blocks come with the case.
Nothing of it is kept once the opinion went back, or the session is over. Sources: circulaire DHOS/SDO n° 2005-101 of
22 February 2005 (RCP de recours); CSP, L.1110-4, L.1110-12. Decision 0126.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, Select, null, select, update

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.kernel.errors import Conflict, Refused
from passerelle.oncology import access, approval, attendance, cases, sealed_cases, sheet_fields, sheets
from passerelle.oncology import quorum as quorums
from passerelle.oncology.events import LentCaseChanged, LentCaseRead
from passerelle.oncology.quorum import Present
from passerelle.oncology.recourse_words import DeclinedBecause
from passerelle.oncology.sealed_cases import Sealed
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_table import table
from passerelle.oncology.specialties import Specialty
from passerelle.oncology.tables import board_seat, board_session, recourse_case
from passerelle_policies.decision import Decision, DocumentFacts, Facts, decide
from passerelle_policies.vocabulary import Action, DocumentStatus, DossierState, Kind


class LentState(StrEnum):
    """Where a lent case is; it is here in the first two."""

    RECEIVED = "received"
    HEARD = "heard"
    RETURNED = "returned"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"


HERE = (LentState.RECEIVED.value, LentState.HEARD.value)
NOTHING: Final[Mapping[str, Any]] = {"sealed": None, "wrapped_key": None, "opinion": null()}
"""What is kept of a case that was given back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LentDocument:
    """A document lent with a case: named only, where it was too big (`lent_documents` opens the others)."""

    document_id: UUID
    type_code: str
    title: str
    mime_type: str
    act_at: datetime
    size: int
    is_lent: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LentCase:
    """A lent case as one of the session reads it; the question, who asks it (`rpps`, `name`, `profession`), the sheet
    and the documents are for whoever may read its sheet. `revision` counts what was written of the opinion."""

    referral_id: UUID
    session_id: UUID
    network: str
    board: str
    patient: Mapping[str, Any]
    state: LentState
    question: str | None = None
    requester: Mapping[str, str] | None = None
    sheet: BoardSheet | None = None
    revision: int = 0
    documents: tuple[LentDocument, ...] = ()


async def of_session(act: Act, session_id: UUID) -> list[LentCase]:
    """The lent cases of a session that the actor may read, each with a line in the journal; their patients are told in
    their own networks. Whoever may read none is answered none."""
    found = select(recourse_case).where(recourse_case.c.session_id == session_id, recourse_case.c.state.in_(HERE))
    rows = (
        await act.connection.execute(found.order_by(recourse_case.c.received_at, recourse_case.c.referral_id))
    ).all()
    standing = await access.facts_on_session(act, session_id)
    shown = []
    for row in rows:
        content = await content_of(act, row)
        facts = _for(act, standing, content)
        decision = _decide(act, facts, Kind.BOARD_CASE, Action.READ)
        if decision.allowed:
            await _journalled(act, decision, facts, Kind.BOARD_CASE, Action.READ, row.referral_id)
            await tell_of_reading(act, row.referral_id)
            shown.append(_shown(act, row, facts, content))
    return shown


async def write(act: Act, referral_id: UUID, revision: int, answers: Mapping[str, object]) -> LentCase:
    """Answer fields of the sheet of a lent case, as `sheets.write` does.

    Refused: CASE_UNKNOWN alike for one that is not here and one that the actor may not know of; CASE_ACTION_REFUSED but
    to the coordinator; LENT_CASE_HEARD; SHEET_CHANGED; as `sheets.write` for what is answered.
    """
    row, facts, content = await _held(act, referral_id, Kind.BOARD_SHEET, Action.WRITE)
    if row.state != LentState.RECEIVED:
        raise Conflict("LENT_CASE_HEARD")
    now_at = _revision(row)
    if revision != now_at:
        raise Conflict("SHEET_CHANGED", revision=now_at)
    sheets.must_be_answerable(act, answers)
    written = sheet_fields.put(_sheet(row, content), **answers)
    opinion = {"revision": now_at + 1, "sheet": written.to_json()}
    return _shown(act, await _now(act, row, opinion=opinion), facts, content)


async def give(act: Act, referral_id: UUID, revision: int) -> None:
    """Give the opinion of the board upon a lent case; it goes back, and nothing stays.

    Refused: as `write`; SHEET_SESSION_NOT_HELD, SHEET_WITHOUT_QUORUM (without those whom the patient keeps out),
    SHEET_ATTENDANCE_NOT_SIGNED, and `approval.NotReady` SHEET_INCOMPLETE.
    """
    row, _, content = await _held(act, referral_id, Kind.BOARD_SHEET, Action.APPROVE)
    if row.state != LentState.RECEIVED:
        raise Conflict("LENT_CASE_HEARD")
    if revision != _revision(row):
        raise Conflict("SHEET_CHANGED", revision=_revision(row))
    session = (
        await act.connection.execute(select(board_session).where(board_session.c.session_id == row.session_id))
    ).one()
    if session.state not in ("held", "held_without_quorum"):
        raise Conflict("SHEET_SESSION_NOT_HELD")
    signed = await _signed(act, row.session_id, content)
    rule = (await quorums.asked_of(act, row.session_id)).rule
    judged = quorums.judge(
        rule, (Present(specialty=Specialty(each.specialty), is_remote=bool(each.is_remote)) for each in signed)
    )
    if session.state != "held" or not judged.is_reached:
        raise Conflict("SHEET_WITHOUT_QUORUM")
    if act.context.actor.subject not in {each.subject for each in signed}:
        raise Conflict("SHEET_ATTENDANCE_NOT_SIGNED")
    sheet = sheet_fields.put(_sheet(row, content), quorum=quorums.QuorumState.REACHED.value)
    at_home = {each.name for each in table().wholes if not each.any_of}  # of the header, which is made there
    lacking = [each for each in sheet_fields.missing(sheet) if each not in sheets.KEPT | at_home]
    if lacking:
        raise approval.NotReady("SHEET_INCOMPLETE", [sheet_fields.label(each) for each in lacking])
    opinion = {"revision": revision, "sheet": sheet.to_json(), "approver": act.context.actor.id}
    await _now(act, row, state=LentState.HEARD.value, opinion=opinion)
    await outbox.publish(act, LentCaseChanged(referral_id=referral_id))


async def decline(act: Act, referral_id: UUID, because: DeclinedBecause) -> None:
    """Give a lent case back without an opinion. Refused: as `write`."""
    row, _, _ = await _held(act, referral_id, Kind.BOARD_SHEET, Action.APPROVE)
    if row.state != LentState.RECEIVED:
        raise Conflict("LENT_CASE_HEARD")
    await declined(act, row, because)


async def declined(act: Act, row: Row[Any], because: DeclinedBecause) -> None:
    """Forget a case, and say so to the network that lent it, already decided."""
    await _now(act, row, state=LentState.DECLINED.value, ended_at=act.now, declined_because=because.value, **NOTHING)
    await outbox.publish(act, LentCaseChanged(referral_id=row.referral_id))


async def tell_of_reading(act: Act, referral_id: UUID, document_id: UUID | None = None) -> None:
    """Have the patient read, in his own network, that the actor opened his case, or a document lent with it."""
    read = LentCaseRead(
        referral_id=referral_id, document_id=document_id, rpps=act.context.actor.id, read_at=act.now.isoformat()
    )
    await outbox.publish(act, read)


async def signed_for(act: Act, row: Row[Any], content: Mapping[str, Any]) -> list[Row[Any]]:
    """Who signed for the session of a lent case, but for those whom its patient keeps out."""
    return await _signed(act, row.session_id, content)


async def content_of(act: Act, row: Row[Any]) -> dict[str, Any]:
    """What is sealed in a row of a case that is here."""
    kept = Sealed(sealed=bytes(row.sealed), wrapped_key=bytes(row.wrapped_key))
    return await asyncio.to_thread(sealed_cases.opened, act.context.tenant, row.referral_id, kept)


def row_here(referral_id: UUID) -> Select[Any]:
    """The row of a case, if it is here."""
    return select(recourse_case).where(recourse_case.c.referral_id == referral_id, recourse_case.c.state.in_(HERE))


async def facts_of(act: Act, row: Row[Any]) -> tuple[Facts, dict[str, Any]]:
    """What holds between the actor and a lent case (his session, and whether its patient keeps him out), and what is
    sealed of it."""
    content = await content_of(act, row)
    return _for(act, await access.facts_on_session(act, row.session_id), content), content


def reads_sheet(act: Act, facts: Facts) -> bool:
    """Whether the actor reads the sheet of a lent case: who does not, reads nothing clinical of it."""
    return _decide(act, facts, Kind.BOARD_SHEET, Action.READ).allowed


def about(act: Act, said: Mapping[str, Any]) -> DocumentFacts:
    """What is to be decided upon of a document, as it was lent."""
    return DocumentFacts(
        type_code=said["type_code"],
        status=DocumentStatus.CURRENT,
        masked=False,
        hidden_from_patient=said["hidden_from_patient"],
        hidden_from_representatives=said["hidden_from_representatives"],
        by_actor=False,
        withheld=act.context.actor.subject in said["withheld"],
    )


async def _signed(act: Act, session_id: UUID, content: Mapping[str, Any]) -> list[Row[Any]]:
    seats = await act.connection.execute(
        select(board_seat).where(board_seat.c.session_id == session_id).order_by(board_seat.c.subject)
    )
    return [each for each in seats if attendance.is_genuine(each) and each.subject not in content["blocked"]]


def _for(act: Act, standing: Facts, content: Mapping[str, Any]) -> Facts:
    blocked = standing.blocked or act.context.actor.subject in content["blocked"]
    return replace(standing, blocked=blocked, dossier_state=DossierState.OPEN)


async def _held(act: Act, referral_id: UUID, kind: Kind, action: Action) -> tuple[Row[Any], Facts, dict[str, Any]]:
    """Lock one lent case, behind its session, decide upon it and journal it."""
    here = row_here(referral_id)
    row = (await act.connection.execute(here)).one_or_none()
    if row is not None:
        await cases.lock_sessions(act, row.session_id)
        row = (await act.connection.execute(here.with_for_update())).one_or_none()
    if row is None:
        facts = await access.facts_on_session(act, journal.NOBODY)
        content: dict[str, Any] = {}
    else:
        facts, content = await facts_of(act, row)
    decision = _decide(act, facts, kind, action)
    if row is None or not decision.allowed:
        knows = row is not None and _decide(act, facts, Kind.BOARD_CASE, Action.READ).allowed
        refused = replace(decision, allowed=False, code="CASE_ACTION_REFUSED" if knows else "CASE_UNKNOWN")
        raise Refused(refused.code or "", line=_line(refused, facts, kind, action, referral_id if row else None))
    await _journalled(act, decision, facts, kind, action, referral_id)
    return row, facts, content


def _decide(act: Act, facts: Facts, kind: Kind, action: Action) -> Decision:
    return decide(facts, kind, action, overrides=act.context.tenant.parameters)


def _line(decision: Decision, facts: Facts, kind: Kind, action: Action, referral_id: UUID | None) -> journal.Line:
    said = dossier_access.line(decision, kind, action, journal.NOBODY, facts)
    return said if referral_id is None else replace(said, facts={**said.facts, "referral": str(referral_id)})


async def _journalled(
    act: Act, decision: Decision, facts: Facts, kind: Kind, action: Action, referral_id: UUID
) -> None:
    await journal.append(act.connection, act.context, _line(decision, facts, kind, action, referral_id))


def _sheet(row: Row[Any], content: Mapping[str, Any]) -> BoardSheet:
    return BoardSheet.from_json(row.opinion["sheet"] if row.opinion else content["sheet"])


def _revision(row: Row[Any]) -> int:
    return int(row.opinion["revision"]) if row.opinion else 0


def _shown(act: Act, row: Row[Any], facts: Facts, content: Mapping[str, Any]) -> LentCase:
    lent = LentCase(
        referral_id=row.referral_id,
        session_id=row.session_id,
        network=content["network"],
        board=content["board"],
        patient=content["patient"],
        state=LentState(row.state),
    )
    if not reads_sheet(act, facts):
        return lent
    return replace(
        lent,
        question=content["question"],
        requester=content["requester"],
        sheet=_sheet(row, content),
        revision=_revision(row),
        documents=tuple(_documents(act, facts, content)),
    )


def _documents(act: Act, facts: Facts, content: Mapping[str, Any]) -> list[LentDocument]:
    overrides = act.context.tenant.parameters
    return [
        LentDocument(
            document_id=UUID(each["document_id"]),
            type_code=each["type_code"],
            title=each["title"],
            mime_type=each["mime_type"],
            act_at=datetime.fromisoformat(each["act_at"]),
            size=each["size"],
            is_lent=each["octets"] is not None,
        )
        for each in content["documents"]
        if decide(facts, Kind.DOCUMENT, Action.READ, about(act, each), overrides=overrides).allowed
    ]


async def _now(act: Act, row: Row[Any], **columns: Any) -> Row[Any]:
    changed = update(recourse_case).where(recourse_case.c.referral_id == row.referral_id).values(**columns)
    done: Row[Any] = (await act.connection.execute(changed.returning(recourse_case))).one()
    return done
