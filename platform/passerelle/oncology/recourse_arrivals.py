"""What one network does of what another says about a case referred: whoever carries it, as often and as late as it is.

Source: decision 0126; the words are `recourse_words`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from sqlalchemy import Row, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act, transaction
from passerelle.dossier import access as dossier_access
from passerelle.dossier import named
from passerelle.dossier.access import Standing
from passerelle.dossier.named import Named
from passerelle.kernel.actors import Actor
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.oncology import approval, lent_cases, recourse, sealed_cases, sheet_header, sheets
from passerelle.oncology.cases import Case
from passerelle.oncology.events import LentCaseChanged
from passerelle.oncology.lent_cases import HERE, NOTHING, LentState
from passerelle.oncology.recourse import Referral, ReferralState
from passerelle.oncology.recourse_words import DeclinedBecause, Message, RecourseTransport, Word
from passerelle.oncology.sheet import BoardSheet
from passerelle.oncology.sheet_header import Meeting
from passerelle.oncology.sheets import Sheet, SheetState
from passerelle.oncology.tables import board, board_session, board_sheet, case_attachment, recourse_case
from passerelle_policies.vocabulary import Action, ActorKind, Kind

_BOARD = ("name", "kind", "organ", "establishment", "network_number", "manager_number", "board_number")


async def take(act: Act, message: Message) -> None:
    """Take a message in, in the name of the network that it is for. Nothing is done twice."""
    match message.word:
        case Word.CASE:
            await _lent(act, message)
        case Word.TAKEN_BACK:
            await _taken_back(act, message)
        case Word.OPINION:
            await _answered(act, message)
        case _:
            await _followed(act, message)


async def say(context: Context, referral_id: UUID, transport: RecourseTransport) -> None:
    """Tell the network that lent a case how it stands; once an opinion is there, nothing of it stays here."""
    async with transaction(context) as act:
        found = select(recourse_case).where(recourse_case.c.referral_id == referral_id)
        row = (await act.connection.execute(found.with_for_update())).one_or_none()
        if row is None:
            return
        match row.state:
            case LentState.RECEIVED:
                await transport.send(_to_home(context, row, Word.RECEIVED, {}))
            case LentState.DECLINED:
                await transport.send(_to_home(context, row, Word.DECLINED, {"because": row.declined_because}))
            case LentState.HEARD:
                await transport.send(_to_home(context, row, Word.OPINION, await _opinion(act, row)))
                await _now(act, referral_id, state=LentState.RETURNED.value, ended_at=act.now, **NOTHING)


async def say_read(context: Context, said: Mapping[str, Any], transport: RecourseTransport) -> None:
    """Tell the network that lent a case who of here opened it, or a document with it, and when (`LentCaseRead`): its
    patient reads of it there."""
    referral_id = UUID(said["referral_id"])
    async with context.tenant.database.transaction() as connection:
        found = select(recourse_case).where(recourse_case.c.referral_id == referral_id)
        row = (await connection.execute(found)).one_or_none()
    if row is not None:
        read = {"by": await _who(context, said["rpps"]), "at": said["read_at"], "document": said["document_id"]}
        await transport.send(_to_home(context, row, Word.READ, read))


async def forget_session(context: Context, session_id: UUID) -> None:
    """Give back, without an opinion, what was lent for a session that is over or will not be."""
    async with transaction(context) as act:
        left = select(recourse_case).where(
            recourse_case.c.session_id == session_id, recourse_case.c.state == LentState.RECEIVED.value
        )
        for row in (await act.connection.execute(left.with_for_update())).all():
            await lent_cases.declined(act, row, DeclinedBecause.SESSION_OVER)


async def _lent(act: Act, message: Message) -> None:
    body, referral_id = message.body, message.referral_id
    known = await _kept(act, message)
    if known is None:
        await _arrived(act, message)
        return
    if known.state in HERE:
        content = await lent_cases.content_of(act, known)
        if known.state == LentState.RECEIVED and datetime.fromisoformat(body["as_of"]) > datetime.fromisoformat(
            content["as_of"]
        ):
            newer = sealed_cases.sealed(act.context.tenant, referral_id, body, bytes(known.wrapped_key))
            await _now(act, referral_id, sealed=newer.sealed)
    if known.state != LentState.WITHDRAWN:
        await outbox.publish(act, LentCaseChanged(referral_id=referral_id))


async def _arrived(act: Act, message: Message) -> None:
    """Put a case that was not known of to the next session of its board, or decline it."""
    context, referral_id = act.context, message.referral_id
    reason = f"{message.from_network}/{referral_id}"
    await dossier_access.require(act, journal.NOBODY, Kind.BOARD_CASE, Action.REGISTER, reason=reason)
    row: dict[str, Any] = {
        "referral_id": referral_id,
        "from_network": message.from_network,
        "received_at": act.now,
    }
    session_id, because = await _place(act, UUID(message.body["to_board"]))
    if session_id is None:
        row |= {"state": LentState.DECLINED.value, "ended_at": act.now, "declined_because": because}
    else:
        kept = sealed_cases.sealed(context.tenant, referral_id, message.body)
        row |= {
            "session_id": session_id,
            "state": LentState.RECEIVED.value,
            "sealed": kept.sealed,
            "wrapped_key": kept.wrapped_key,
        }
    await act.connection.execute(upsert(recourse_case).values(row).on_conflict_do_nothing())
    await outbox.publish(act, LentCaseChanged(referral_id=referral_id))


async def _place(act: Act, board_id: UUID) -> tuple[UUID | None, str | None]:
    """The next session of a validated board, or why there is none."""
    state = await act.connection.scalar(select(board.c.state).where(board.c.board_id == board_id))
    if state != "validated":
        return None, DeclinedBecause.BOARD_UNKNOWN.value
    to_come = select(board_session.c.session_id).where(
        board_session.c.board_id == board_id,
        board_session.c.state.in_(["planned", "open"]),
        board_session.c.closed_at.is_(None),
        board_session.c.starts_at > act.now,
    )
    found = await act.connection.scalar(to_come.order_by(board_session.c.starts_at).limit(1))
    return (found, None) if found is not None else (None, DeclinedBecause.NO_SESSION.value)


async def _taken_back(act: Act, message: Message) -> None:
    """Forget a case; one that did not arrive yet leaves a mark, for it to be forgotten as it comes."""
    referral_id = message.referral_id
    known = await _kept(act, message)
    ended = {"state": LentState.WITHDRAWN.value, "ended_at": act.now}
    if known is None:
        row = {"referral_id": referral_id, "from_network": message.from_network, "received_at": act.now, **ended}
        await act.connection.execute(upsert(recourse_case).values(row).on_conflict_do_nothing())
    elif known.state in HERE:
        reason = f"{message.from_network}/{referral_id}"
        await dossier_access.require(act, journal.NOBODY, Kind.BOARD_CASE, Action.CANCEL, reason=reason)
        await _now(act, referral_id, **ended, **NOTHING)


async def _followed(act: Act, message: Message) -> None:
    """What the experts say of a case on its way: received, declined, read."""
    referral = await recourse.locked(act, message.referral_id, message.from_network)
    if referral is None:
        return
    runs = referral.state.value in recourse.RUNNING
    if message.word is Word.RECEIVED and referral.state is ReferralState.SENT:
        await recourse.now(act, referral, state=ReferralState.RECEIVED.value, received_at=act.now)
    elif message.word is Word.DECLINED and runs:
        await recourse.declined(act, referral, DeclinedBecause(message.body["because"]).value)
    elif message.word is Word.READ:
        await _read_there(act, referral, message)


async def _read_there(act: Act, referral: Referral, message: Message) -> None:
    """The patient's journal tells who of elsewhere opened his case or a document of it, once for each opening."""
    reader = replace(act.context, actor=_actor(message.body["by"]), request_id=f"{referral.referral_id}")
    paper = await _attached(act, referral, message.body["document"])
    kind, rule = (Kind.DOCUMENT, "read-board") if paper else (Kind.BOARD_CASE, "case-read")
    document_id, about = (paper.row.document_id, paper.about.as_json()) if paper else (None, None)
    line = _line(act, referral, kind, Action.READ, rule=rule, relation="board_member")
    facts = {**line.facts, "document": about, "read_at": message.body["at"]}
    line = replace(line, document_id=document_id, facts=facts)
    written = select(journal.lines().c.line_id).where(
        journal.lines().c.patient_id == referral.patient_id,
        journal.lines().c.request_id == reader.request_id,
        journal.lines().c.actor_id == reader.actor.id,
        journal.lines().c.document_id.is_not_distinct_from(document_id),
        journal.lines().c.facts["read_at"].astext == message.body["at"],
    )
    if (await act.connection.execute(written.limit(1))).first() is None:
        await journal.append(act.connection, reader, line)


async def _attached(act: Act, referral: Referral, said: str | None) -> Named | None:
    """The document of that number, where it is or was attached to the case of a referral."""
    if said is None:
        return None
    found = select(case_attachment.c.document_id).where(
        case_attachment.c.patient_id == referral.patient_id,
        case_attachment.c.case_id == referral.case_id,
        case_attachment.c.document_id == UUID(said),
    )
    document_id = await act.connection.scalar(found)
    if document_id is None:
        return None
    standing = Standing(await dossier_access.facts_of(act.context, act.connection, referral.patient_id), frozenset())
    read = await named.decided(act, referral.patient_id, [document_id], standing)
    return read.get(document_id)


async def _answered(act: Act, message: Message) -> None:
    """The opinion is the sheet of the case: approved and filed in the name of who gave it.

    Where it cannot be (its case has an approved sheet since, the record is closed), it is there to be approved.
    """
    by = replace(act, context=replace(act.context, actor=_actor(message.body["by"])))
    try:
        async with act.connection.begin_nested():
            await _file(by, message)
    except (Refused, Conflict, InvalidInput) as refused:
        if isinstance(refused, (Refused, Conflict)) and isinstance(refused.line, journal.Line):
            await journal.append(act.connection, by.context, refused.line)
        await _file(act, message, approved=False)


async def _file(act: Act, message: Message, *, approved: bool = True) -> None:
    found = await recourse.locked_with_case(act, message.referral_id, message.from_network)
    if found is None or found[0].state.value not in recourse.RUNNING:
        return
    referral, case = found
    meeting = _meeting(message.body)
    given = BoardSheet.from_json(message.body["sheet"])
    home = await sheet_header.composed(act, case, meeting)
    sheet = await _to_approve(act, case, replace(given, header=home), approve_anew=not approved)
    if approved:
        done = (Kind.BOARD_SHEET, Action.APPROVE)
        line = _line(act, referral, *done, rule="sheet-approve", relation="board_coordinator")
        await journal.append(act.connection, act.context, line)
        await approval.approve_opinion(act, case, meeting, sheet)
    await recourse.now(
        act,
        referral,
        state=ReferralState.ANSWERED.value,
        received_at=referral.received_at or act.now,
        ended_at=act.now,
    )


async def _to_approve(act: Act, case: Case, content: BoardSheet, *, approve_anew: bool) -> Sheet:
    """The version of the sheet that holds the opinion: the one being written, or the next."""
    newest = await sheets.newest(act, case)
    being_written = newest is not None and newest.state in (SheetState.IN_PROGRESS, SheetState.DONE)
    if newest is not None and not being_written and not approve_anew:
        raise Conflict("SHEET_APPROVED")
    said: dict[str, Any] = {
        "state": SheetState.DONE.value,
        "content": content.to_json(),
        "missing": [],
        "sources": None,
        "written_by": act.context.actor.subject,
        "written_at": act.now,
    }
    if newest is not None and being_written:
        return await sheets.changed(act, newest, revision=newest.revision + 1, **said)
    key = {"patient_id": case.patient_id, "case_id": case.case_id, "version": newest.version + 1 if newest else 1}
    because = {"correction_because": "avis de recours"} if newest else {}
    new = insert(board_sheet).values(**key, **said, **because).returning(board_sheet)
    return sheets.sheet_of((await act.connection.execute(new)).one())


def _meeting(body: Mapping[str, Any]) -> Meeting:
    """The session and the board of the experts, as `sheet_header` reads its own."""
    session = {name: datetime.fromisoformat(body["session"][name]) for name in ("starts_at", "held_at")}
    return Meeting(
        session=SimpleNamespace(session_id=body["session"]["session_id"], state="held", **session),
        board=SimpleNamespace(**body["board"]),
        coordinator=f"professional:{body['by']['id']}",
        signed=tuple(SimpleNamespace(**each) for each in body["signed"]),
    )


async def _opinion(act: Act, row: Row[Any]) -> dict[str, Any]:
    asked = select(board_session.c.starts_at, board_session.c.held_at, *(board.c[name] for name in _BOARD))
    held = (
        await act.connection.execute(
            asked.select_from(board_session.join(board)).where(board_session.c.session_id == row.session_id)
        )
    ).one()
    signed = await lent_cases.signed_for(act, row, await lent_cases.content_of(act, row))
    return {
        "by": await _who(act.context, row.opinion["approver"]),
        "sheet": row.opinion["sheet"],
        "board": {name: held._mapping[name] for name in _BOARD},
        "session": {
            "session_id": str(row.session_id),
            "starts_at": held.starts_at.isoformat(),
            "held_at": held.held_at.isoformat(),
        },
        "signed": [{"subject": each.subject, "name": each.name, "specialty": each.specialty} for each in signed],
    }


async def _who(context: Context, rpps: str) -> dict[str, Any]:
    known = await context.directory.professional(rpps)
    if known is None:
        return {"id": rpps, "name": "", "profession": None, "specialty": None}
    return {"id": rpps, "name": known.name, "profession": known.profession, "specialty": known.specialty}


def _actor(said: Mapping[str, Any]) -> Actor:
    return Actor(kind=ActorKind.PROFESSIONAL, **said)


def _line(act: Act, referral: Referral, kind: Kind, action: Action, *, rule: str, relation: str) -> journal.Line:
    """What was decided where the experts are, by the same lines."""
    return journal.Line(
        kind=kind,
        action=action,
        outcome=journal.Outcome.ALLOWED,
        rule=rule,
        pack=dossier_access.pack_in(act.context).name,
        patient_id=referral.patient_id,
        facts={
            "role": "physician",
            "relations": [relation],
            "blocked": False,
            "objection": False,
            "state": "open",
            "document": None,
            "network": referral.to_network,
        },
    )


def _to_home(context: Context, row: Row[Any], word: Word, body: Mapping[str, Any]) -> Message:
    return Message(
        word=word,
        referral_id=row.referral_id,
        from_network=context.tenant.id,
        to_network=row.from_network,
        body=body,
    )


async def _kept(act: Act, message: Message) -> Row[Any] | None:
    """What is kept of a referral of this network, locked. Refused: RECOURSE_OF_ANOTHER for a number that is taken."""
    found = select(recourse_case).where(recourse_case.c.referral_id == message.referral_id)
    row: Row[Any] | None = (await act.connection.execute(found.with_for_update())).one_or_none()
    if row is not None and row.from_network != message.from_network:
        raise Conflict("RECOURSE_OF_ANOTHER")
    return row


async def _now(act: Act, referral_id: UUID, **columns: Any) -> None:
    await act.connection.execute(
        update(recourse_case).where(recourse_case.c.referral_id == referral_id).values(**columns)
    )
