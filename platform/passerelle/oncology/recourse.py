"""Cases referred to a board of another network, where their patients are at home.

A case is lent, for one session, to a board that a coordinator or the requester names; the opinion that comes back is
the sheet of the case. Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005 and INCa, référentiel des RCP (RCP
de recours); CSP, L.1110-4, L.1110-12. Decision 0126.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, Uuid, insert, literal, select, update

from passerelle.audit import outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as dossier_access
from passerelle.dossier import named, withholding
from passerelle.dossier.access import Standing
from passerelle.dossier.blocking import blocked_subjects
from passerelle.identities import patients
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology import access, attachments, cases, sheet_header, sheets
from passerelle.oncology.cases import Case, CaseState
from passerelle.oncology.events import ReferralChanged
from passerelle.oncology.recourse_words import DeclinedBecause, Message, NetworkUnknown, RecourseTransport, Word
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheets import SheetState
from passerelle.oncology.tables import board, board_case, board_session, recourse_referral
from passerelle_policies.vocabulary import Action, Kind, Relation, Role


class ReferralState(StrEnum):
    """Where a referral is."""

    SENT = "sent"
    RECEIVED = "received"
    DECLINED = "declined"
    ANSWERED = "answered"
    WITHDRAWN = "withdrawn"


RUNNING: Final = (ReferralState.SENT.value, ReferralState.RECEIVED.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Referral:
    """A referral as it is kept here."""

    patient_id: UUID
    referral_id: UUID
    case_id: UUID
    to_network: str
    to_board: UUID
    state: ReferralState
    sent_at: datetime
    sent_by: str
    received_at: datetime | None
    ended_at: datetime | None
    declined_because: str | None


async def refer(act: Act, case_id: UUID, to_network: str, to_board: UUID) -> Referral:
    """Refer a case to a board of another network; it leaves once this is committed, as it is then.

    Refused: as `cases.decided`; CASE_ENDED, RECOURSE_AT_HOME, RECOURSE_RUNNING, SHEET_APPROVED.
    """
    case = await cases.held(act, case_id, Kind.BOARD_CASE, Action.REFER)
    if case.state not in (CaseState.REGISTERED, CaseState.HEARD):
        raise Conflict("CASE_ENDED")
    if to_network == act.context.tenant.id:
        raise InvalidInput("RECOURSE_AT_HOME")
    sheet = await sheets.newest(act, case)
    if sheet is not None and sheet.state in (SheetState.APPROVED, SheetState.CLOSED):
        raise Conflict("SHEET_APPROVED")
    running = _of_case(case).where(recourse_referral.c.state.in_(RUNNING))
    if (await act.connection.execute(running)).first() is not None:
        raise Conflict("RECOURSE_RUNNING")
    row = await act.connection.execute(
        insert(recourse_referral)
        .values(
            patient_id=case.patient_id,
            referral_id=uuid4(),
            case_id=case_id,
            to_network=to_network,
            to_board=to_board,
            state=ReferralState.SENT.value,
            sent_at=act.now,
            sent_by=act.context.actor.subject,
        )
        .returning(recourse_referral)
    )
    sent = referral_of(row.one())
    await _tell(act, sent)
    return sent


async def take_back(act: Act, case_id: UUID) -> Referral:
    """Take back a referral that runs: nothing of the case stays with the experts.

    Refused: as `cases.decided`; RECOURSE_NOT_RUNNING.
    """
    case = await cases.held(act, case_id, Kind.BOARD_CASE, Action.REFER)
    running = _of_case(case).where(recourse_referral.c.state.in_(RUNNING)).with_for_update()
    row = (await act.connection.execute(running)).one_or_none()
    if row is None:
        raise Conflict("RECOURSE_NOT_RUNNING")
    return await _withdrawn(act, referral_of(row))


async def of_case(act: Act, patient_id: UUID, case_id: UUID) -> list[Referral]:
    """The referrals of a patient's case, the newest first. Refused: ACCESS_REFUSED but to who may know of it."""
    await access.require_on_case(act, patient_id, case_id, Kind.BOARD_CASE, Action.READ)
    found = await act.connection.execute(referrals(literal(patient_id, Uuid()), literal(case_id, Uuid())))
    return [referral_of(row) for row in found]


def referrals(patient_id: ColumnElement[UUID], case_id: ColumnElement[UUID]) -> Select[Any]:
    """The referrals of a case, the newest first."""
    of = recourse_referral.c
    return (
        select(recourse_referral)
        .where(of.patient_id == patient_id, of.case_id == case_id)
        .order_by(of.sent_at.desc(), of.referral_id)
    )


async def end_with_case(context: Context, case_id: UUID) -> None:
    """Take back what runs for a case that was withdrawn or carried over: the experts hear of it."""
    await _end(context, recourse_referral.c.case_id == case_id)


async def end_with_record(context: Context, patient_id: UUID) -> None:
    """Take back what runs for a patient whose record serves nobody any more."""
    await _end(context, recourse_referral.c.patient_id == patient_id)


async def _end(context: Context, which: ColumnElement[bool]) -> None:
    async with transaction(context) as act:
        running = select(recourse_referral).where(which, recourse_referral.c.state.in_(RUNNING))
        for row in (await act.connection.execute(running.with_for_update())).all():
            await _withdrawn(act, referral_of(row))


async def tell_again(context: Context, patient_id: UUID) -> None:
    """Have what runs for a patient sent again as it is now: whom he keeps out, and from what, may have changed."""
    async with transaction(context) as act:
        running = select(recourse_referral).where(
            recourse_referral.c.patient_id == patient_id, recourse_referral.c.state.in_(RUNNING)
        )
        for row in (await act.connection.execute(running)).all():
            await _tell(act, referral_of(row))


async def say(context: Context, referral_id: UUID, transport: RecourseTransport) -> None:
    """Tell the other network how a referral stands: the case as it is now, or that it was taken back."""
    async with transaction(context) as act:
        row = (await act.connection.execute(_locked(referral_id))).one_or_none()
        referral = None if row is None else referral_of(row)
        if referral is None or referral.state in (ReferralState.DECLINED, ReferralState.ANSWERED):
            return
        word = Word.TAKEN_BACK if referral.state is ReferralState.WITHDRAWN else Word.CASE
        body = await _lent(act, referral) if word is Word.CASE else {}
        message = Message(
            word=word,
            referral_id=referral_id,
            from_network=context.tenant.id,
            to_network=referral.to_network,
            body=body,
        )
        try:
            await transport.send(message)
        except NetworkUnknown:
            if word is Word.CASE:
                await declined(act, referral, DeclinedBecause.NETWORK_UNKNOWN.value)


async def declined(act: Act, referral: Referral, because: str) -> None:
    """Keep that the experts gave a case back without an opinion."""
    await now(act, referral, state=ReferralState.DECLINED.value, ended_at=act.now, declined_because=because)


async def now(act: Act, referral: Referral, **columns: Any) -> Referral:
    """Write columns of a referral; the referral as it is then."""
    row = await act.connection.execute(
        update(recourse_referral)
        .where(
            recourse_referral.c.patient_id == referral.patient_id,
            recourse_referral.c.referral_id == referral.referral_id,
        )
        .values(**columns)
        .returning(recourse_referral)
    )
    return referral_of(row.one())


async def locked(act: Act, referral_id: UUID, to_network: str) -> Referral | None:
    """A referral to a network, which stays as it is until the act ends."""
    found = _locked(referral_id).where(recourse_referral.c.to_network == to_network)
    row = (await act.connection.execute(found)).one_or_none()
    return None if row is None else referral_of(row)


async def locked_with_case(act: Act, referral_id: UUID, to_network: str) -> tuple[Referral, Case] | None:
    """The same behind its case, which is locked too."""
    its_case = select(recourse_referral.c.case_id).where(recourse_referral.c.referral_id == referral_id)
    case_id = await act.connection.scalar(its_case)
    case = None if case_id is None else await cases.locked(act, case_id)
    referral = None if case is None else await locked(act, referral_id, to_network)
    return None if case is None or referral is None else (referral, cases.case_of(case))


def referral_of(row: Row[Any]) -> Referral:
    """A row of `recourse_referral`."""
    said = {name: row._mapping[name] for name in Referral.__dataclass_fields__}
    return Referral(**{**said, "state": ReferralState(row.state)})


def _of_case(case: Case) -> Select[Any]:
    return select(recourse_referral).where(
        recourse_referral.c.patient_id == case.patient_id, recourse_referral.c.case_id == case.case_id
    )


def _locked(referral_id: UUID) -> Select[Any]:
    return select(recourse_referral).where(recourse_referral.c.referral_id == referral_id).with_for_update()


async def _withdrawn(act: Act, referral: Referral) -> Referral:
    done = await now(act, referral, state=ReferralState.WITHDRAWN.value, ended_at=act.now)
    await _tell(act, done)
    return done


async def _tell(act: Act, referral: Referral) -> None:
    await outbox.publish(act, ReferralChanged(patient_id=referral.patient_id, referral_id=referral.referral_id))


async def _lent(act: Act, referral: Referral) -> Mapping[str, Any]:
    """What the experts are lent: who he is by name, the question, the sheet so far, what is attached and may be read
    by a board. No number of his: neither INS nor what he is called by here."""
    found = select(board_case).where(
        board_case.c.patient_id == referral.patient_id, board_case.c.case_id == referral.case_id
    )
    case = cases.case_of((await act.connection.execute(found)).one())
    known = await patients.by_id(act, case.patient_id)
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    asking = select(board.c.name).select_from(board_session.join(board))
    own_board = await act.connection.scalar(asking.where(board_session.c.session_id == case.session_id))
    sheet = (await _sheet(act, case)).to_json()
    return {
        "to_board": str(referral.to_board),
        "as_of": act.now.isoformat(),
        "network": act.context.tenant.name,
        "board": own_board,
        "patient": asdict(known.traits),
        "question": case.question,
        "discussion": case.discussion.value,
        "requester": await _requester(act, case.requester),
        "sheet": sheet,
        "documents": await _documents(act, case),
        "blocked": sorted(await blocked_subjects(act, case.patient_id, act.now)),
    }


async def _requester(act: Act, subject: str) -> dict[str, str]:
    rpps = subject.rpartition(":")[2]
    known = await act.context.directory.professional(rpps)
    return {"rpps": rpps, "name": known.name if known else "", "profession": known.profession if known else ""}


async def _sheet(act: Act, case: Case) -> BoardSheet:
    sheet = await sheets.newest(act, case)
    if sheet is not None:
        content = sheet.content
    else:
        meeting = await sheet_header.meeting_of(act, case.session_id)
        content = sheets.begun(await sheet_header.composed(act, case, meeting), case, meeting)
    header = content.header
    unnumbered = replace(header.patient, ids=(), addresses=(), telecoms=())
    return replace(content, header=replace(header, patient=unnumbered))


async def _documents(act: Act, case: Case) -> list[dict[str, Any]]:
    """What is attached, by what the rules let any physician of a board read; each reading is journalled."""
    facts = await dossier_access.facts_of(act.context, act.connection, case.patient_id)
    board_physician = replace(facts, role=Role.PHYSICIAN, relations=frozenset({Relation.BOARD_MEMBER}))
    ids = [row.document_id for row in await attachments.attached_to(act, case)]
    found = await named.contents(act, case.patient_id, ids, Standing(board_physician, frozenset()))
    kept = await withholding.kept_from_some(act, case.patient_id)
    room = dossier_access.number(act.context, "oncology.recourse_max_bytes")
    lent = []
    for document_id, (each, octets) in sorted(found.items(), key=lambda item: len(item[1][1])):
        room -= len(octets)
        lent.append(
            {
                "document_id": str(document_id),
                "type_code": each.row.type_code,
                "title": each.row.title,
                "mime_type": each.row.mime_type,
                "act_at": each.row.act_at.isoformat(),
                "size": each.row.size,
                "hidden_from_patient": each.about.hidden_from_patient,
                "hidden_from_representatives": each.about.hidden_from_representatives,
                "withheld": sorted(kept.get(document_id, ())),
                "octets": base64.b64encode(octets).decode("ascii") if room >= 0 else None,
            }
        )
    return lent
