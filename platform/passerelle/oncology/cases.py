"""Cases registered to a session of a board, and withdrawn from it. Carrying one to a later session: `deferral`.

Sources: CSP L.1110-4, L.1110-12 (the patient informed and not opposed); circular DHOS/SDO 2005-101 of 22 February 2005
(a case is discussed, or registered alone where an undisputed standard applies); INCa, référentiel of boards. A case is
its patient's: whoever may not know of it is answered as if it were not there.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Row, Select, Uuid, func, literal, select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import recipients, relations
from passerelle.dossier.formats import values
from passerelle.dossier.team_consents import InformedHow
from passerelle.kernel.clock import written_day
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle.notices import posting
from passerelle.oncology import access
from passerelle.oncology.events import BoardCaseChanged
from passerelle.oncology.tables import board, board_case, board_session
from passerelle_policies.decision import decide
from passerelle_policies.vocabulary import Action, Kind


class CaseDiscussion(StrEnum):
    """What is asked of the board."""

    DISCUSSED = "discussed"
    REGISTERED = "registered"  # an undisputed standard applies: known to the board, not discussed


class CaseState(StrEnum):
    """Where a case is."""

    REGISTERED = "registered"
    HEARD = "heard"
    DEFERRED = "deferred"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A case as it is asked for. `presenter` is an RPPS number; without one, who asks presents."""

    question: str
    informed_at: datetime
    informed_how: InformedHow
    agreed: bool
    discussion: CaseDiscussion = CaseDiscussion.DISCUSSED
    presenter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A case as it is kept; `requester` and `presenter` as `professional:<RPPS>`."""

    patient_id: UUID
    case_id: UUID
    session_id: UUID
    requester: str
    presenter: str
    question: str
    informed_at: datetime
    informed_how: str
    discussion: CaseDiscussion
    state: CaseState
    deferred_from: UUID | None
    off_standard: bool
    off_standard_because: str | None
    registered_at: datetime
    ended_at: datetime | None


async def register(act: Act, patient_id: UUID, session_id: UUID, said: Registration) -> Case:
    """Register a patient's case to a session; the patient is told.

    Refused: CASE_QUESTION_MISSING, CASE_AGREEMENT_MISSING, CASE_INFORMED_LATER, RPPS_INVALID, RPPS_UNKNOWN;
    ACCESS_REFUSED, DOSSIER_NOT_OPEN; CASE_SESSION_UNKNOWN, CASE_SESSION_TAKES_NONE once it was held, cancelled or
    closed, CASE_BOARD_NOT_VALIDATED, CASE_SESSION_FULL, CASE_PAEDIATRIC_NOT_DISCUSSED, CASE_ALREADY_REGISTERED.
    """
    question = values.text(said.question, "question")
    if question is None:
        raise InvalidInput("CASE_QUESTION_MISSING")
    if not said.agreed:
        raise InvalidInput("CASE_AGREEMENT_MISSING")
    if said.informed_at > act.now:
        raise InvalidInput("CASE_INFORMED_LATER")
    requester = act.context.actor.subject
    presenter = requester if said.presenter is None else relations.professional(said.presenter)
    # Of no case yet: what lets him in is what he is to the patient.
    await access.require_on_case(act, patient_id, journal.NOBODY, Kind.BOARD_CASE, Action.REGISTER)
    if said.presenter is not None:
        await relations.known_professional(act, said.presenter)
    session = await session_taking(act, session_id)
    if session.kind == "paediatric" and said.discussion is CaseDiscussion.REGISTERED:
        raise Conflict("CASE_PAEDIATRIC_NOT_DISCUSSED")
    case = await added(
        act,
        patient_id=patient_id,
        session_id=session_id,
        requester=requester,
        presenter=presenter,
        question=question,
        informed_at=said.informed_at,
        informed_how=said.informed_how.value,
        agreed=True,
        discussion=said.discussion.value,
        registered_at=act.now,
    )
    await tell(act, case, posting.NoticeKind.BOARD_CASE_REGISTERED, session.starts_at)
    return case


async def withdraw(act: Act, case_id: UUID, *, because: str | None = None) -> Case:
    """Take a case out of its session, by who asked for it, the coordinator or the patient himself; once held with
    its quorum no more.

    Refused: CASE_UNKNOWN alike for one that is not there and one that the actor may not know of; CASE_ACTION_REFUSED;
    CASE_ENDED.
    """
    case = await held(act, case_id, Kind.BOARD_CASE, Action.CANCEL, reason=values.text(because, "because"))
    session = await session_of(act, case.session_id)
    if session is None or session.state == "held" or case.state is not CaseState.REGISTERED:
        raise Conflict("CASE_ENDED")
    withdrawn = await ended(act, case, CaseState.WITHDRAWN)
    await tell(act, withdrawn, posting.NoticeKind.BOARD_CASE_WITHDRAWN, session.starts_at)
    return withdrawn


#: What a case shows to its patient, in the order of the read model.
OWN: Final = (
    "case_id", "question", "discussion", "state", "requester", "presenter", "informed_at", "registered_at", "ended_at",
    "deferred_from", "board_name", "starts_at",
)  # fmt: skip


async def of_patient(act: Act, patient_id: UUID) -> list[dict[str, Any]]:
    """Every case of a patient, the last registered first, for himself and his representatives; rows as `OWN`.

    Refused: ACCESS_REFUSED, DOSSIER_NOT_OPEN.
    """
    await dossier_access.require(act, patient_id, Kind.BOARD_CASE, Action.READ)
    return await shown_to_patient(act, patient_id)


async def shown_to_patient(act: Act, patient_id: UUID) -> list[dict[str, Any]]:
    """The same, as already decided and journalled."""
    found = await act.connection.execute(own_cases(literal(patient_id, Uuid())))
    return [dict(row) for row in found.mappings()]


def own_cases(patient_id: ColumnElement[UUID]) -> Select[Any]:
    """The cases of a patient, the last registered first; columns as `OWN`."""
    named = {"board_name": board.c.name, "starts_at": board_session.c.starts_at}
    return (
        select(*(named[name].label(name) if name in named else board_case.c[name] for name in OWN))
        .select_from(board_case.join(board_session).join(board))
        .where(board_case.c.patient_id == patient_id)
        .order_by(board_case.c.registered_at.desc(), board_case.c.case_id)
    )


async def trace_off_standard(act: Act, patient_id: UUID, case_id: UUID, because: str | None) -> None:
    """Say why the opinion upon a case departs from the standard, or, with nothing, that it does not; already decided.

    Refused: VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    reason = values.text(because, "because")
    await act.connection.execute(
        update(board_case)
        .where(board_case.c.patient_id == patient_id, board_case.c.case_id == case_id)
        .values(off_standard=reason is not None, off_standard_because=reason)
    )


async def held(
    act: Act, case_id: UUID, kind: Kind, action: Action, *, reason: str | None = None, to: UUID | None = None
) -> Case:
    """Lock one case, decide upon it, its sheet or its plan, and journal it; `to` is the session that is to take it.
    Refused: as `decided`."""
    case, line = await decided(act, case_id, kind, action, to=to)
    if reason is not None:
        line = replace(line, facts={**line.facts, "reason": reason})
    await journal.append(act.connection, act.context, line)
    return case


async def decided(
    act: Act, case_id: UUID, kind: Kind, action: Action, *, to: UUID | None = None
) -> tuple[Case, journal.Line]:
    """Lock one case and decide upon it; the line that says so is yet to be written.

    `Refused` with CASE_UNKNOWN alike for a case that is not there and one that the actor may not know of;
    CASE_ACTION_REFUSED for who knows of it and may not do this.
    """
    row = await locked(act, case_id, to=to)
    patient_id = row.patient_id if row else journal.NOBODY
    to_correct = kind is Kind.BOARD_SHEET and action is Action.REPLACE
    facts = (await access.standing_on_case(act, patient_id, case_id, to_correct=to_correct)).facts
    overrides = act.context.tenant.parameters
    decision = decide(facts, kind, action, overrides=overrides)
    line = dossier_access.line(decision, kind, action, patient_id, facts)
    if row is None and decision.allowed:
        raise Conflict("CASE_UNKNOWN")
    if row is None or not decision.allowed:
        knows = row is not None and decide(facts, Kind.BOARD_CASE, Action.READ, overrides=overrides).allowed
        raise Refused("CASE_ACTION_REFUSED" if knows else "CASE_UNKNOWN", line=line)
    return case_of(row), line


async def locked(act: Act, case_id: UUID, *, to: UUID | None = None) -> Row[Any] | None:
    """Lock one case, behind its session and the one that is to take it; None where there is none of that number."""
    session_id = await act.connection.scalar(select(board_case.c.session_id).where(board_case.c.case_id == case_id))
    if session_id is None:
        return None
    await lock_sessions(act, session_id, to)
    found = select(board_case).where(board_case.c.case_id == case_id).with_for_update()
    row: Row[Any] = (await act.connection.execute(found)).one()
    return row


async def lock_sessions(act: Act, session_id: UUID, to: UUID | None = None) -> None:
    """Have a session stay as it is until the act ends; with `to`, both are the act's own."""
    # The order of every act, or two of them wait for each other: sessions by their number, then cases, then what is of
    # a case (sheets, referrals, plans). A case never changes its session.
    these = select(board_session.c.session_id).where(board_session.c.session_id.in_([session_id, to or session_id]))
    ordered = these.order_by(board_session.c.session_id)
    await act.connection.execute(ordered.with_for_update(read=to is None, key_share=to is not None))


async def session_taking(act: Act, session_id: UUID) -> Row[Any]:
    """Lock a session that takes a case more; its row with `kind` and `board_state` of its board.

    Refused: CASE_SESSION_UNKNOWN, CASE_BOARD_NOT_VALIDATED, CASE_SESSION_TAKES_NONE, CASE_SESSION_FULL.
    """
    session = await session_of(act, session_id, locked=True)
    if session is None:
        raise Conflict("CASE_SESSION_UNKNOWN")
    if session.board_state != "validated":
        raise Conflict("CASE_BOARD_NOT_VALIDATED")
    if session.state not in _BEFORE_IT_IS_HELD or (session.closed_at is not None and session.closed_at <= act.now):
        raise Conflict("CASE_SESSION_TAKES_NONE")
    limit = dossier_access.number(act.context, "oncology.session_cases_max")
    counted = select(func.count()).where(
        board_case.c.session_id == session_id, board_case.c.state == CaseState.REGISTERED.value
    )
    if (await act.connection.execute(counted)).scalar_one() >= limit:
        raise LimitExceeded("CASE_SESSION_FULL", limit=limit)
    return session


async def session_of(act: Act, session_id: UUID, *, locked: bool = False) -> Row[Any] | None:
    """A session's row, with `kind` and `board_state` of its board."""
    asked = (
        select(board_session, board.c.kind, board.c.state.label("board_state"))
        .join(board, board.c.board_id == board_session.c.board_id)
        .where(board_session.c.session_id == session_id)
    )
    # Who registers two at once takes turns; who only refers to the session is not kept waiting.
    asked = asked.with_for_update(of=board_session, key_share=True) if locked else asked
    found: Row[Any] | None = (await act.connection.execute(asked)).one_or_none()
    return found


async def added(act: Act, **said: Any) -> Case:
    """Write a case that is registered, and publish it. Refused: CASE_ALREADY_REGISTERED."""
    new = upsert(board_case).values(**said, case_id=uuid4(), state=CaseState.REGISTERED.value)
    # In so many words: a prepared statement finds no index by the values of parameters.
    standing = text("state in ('registered','heard')")
    once = new.on_conflict_do_nothing(index_elements=["patient_id", "session_id"], index_where=standing)
    row = (await act.connection.execute(once.returning(board_case))).one_or_none()
    if row is None:
        raise Conflict("CASE_ALREADY_REGISTERED")
    case = case_of(row)
    await _changed(act, case)
    return case


async def ended(act: Act, case: Case, state: CaseState) -> Case:
    """Write that a case was heard, withdrawn or deferred, and publish it."""
    done = await act.connection.execute(
        update(board_case)
        .where(board_case.c.patient_id == case.patient_id, board_case.c.case_id == case.case_id)
        .values(state=state.value, ended_at=act.now)
        .returning(board_case)
    )
    changed = case_of(done.one())
    await _changed(act, changed)
    return changed


async def tell(act: Act, case: Case, kind: posting.NoticeKind, starts_at: datetime) -> None:
    """Tell the patient and his representatives what became of his case, but for whom did it himself."""
    for recipient in await recipients.people_of(act, case.patient_id, representatives=True):
        if recipient != act.context.actor.subject:
            await posting.post(
                act,
                recipient=recipient,
                key=f"{kind}:{case.case_id}",
                kind=kind,
                patient_id=case.patient_id,
                about={"day": written_day(starts_at)},
            )


def case_of(row: Row[Any]) -> Case:
    """A row of `board_case`."""
    said = {each.name: row._mapping[each.name] for each in fields(Case)}
    return Case(**{**said, "discussion": CaseDiscussion(row.discussion), "state": CaseState(row.state)})


_BEFORE_IT_IS_HELD = frozenset({"planned", "open"})


async def _changed(act: Act, case: Case) -> None:
    await outbox.publish(
        act,
        BoardCaseChanged(
            patient_id=case.patient_id, case_id=case.case_id, session_id=case.session_id, state=case.state.value
        ),
    )
