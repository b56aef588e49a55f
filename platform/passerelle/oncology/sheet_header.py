"""The header of a board sheet: the patient, the board and its session, who asked, who was there, who answers for it.

Source: CI-SIS, volet CANCER-FRCP; roles RESP, REFB, PRF (353: counts for the quorum, CORRE: does not), INF (PCP), CON.
A header is composed anew from what the region holds whenever a sheet is begun or approved: nobody types it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final
from uuid import NAMESPACE_OID, UUID, uuid5

from sqlalchemy import literal, select

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import relations
from passerelle.dossier.formats.submission import RPPS_DOMAIN
from passerelle.identities import patients
from passerelle.kernel.errors import Conflict
from passerelle.oncology import attendance
from passerelle.oncology import header as cda
from passerelle.oncology.cases import Case
from passerelle.oncology.coded import (
    Code,
    Id,
    Moment,
    Name,
    NamePart,
    Organisation,
    Participation,
    Time,
)
from passerelle.oncology.people import NOWHERE, UNREACHED, People, instant, patient_of
from passerelle.oncology.sheet import (
    ATTENDING,
    BOARD_OID,
    CARE_TEAM,
    CORRESPONDENT,
    MANAGER_OID,
    NETWORK_OID,
    SESSION_OID,
)
from passerelle.oncology.specialties import PHYSICIANS, Specialty
from passerelle.oncology.tables import board, board_member, board_seat, board_session
from passerelle_policies.vocabulary import Relation

_MEETING: Final = Code(
    code="39", system="1.2.250.1.213.3.3.13", label="Réunion de Concertation Pluridisciplinaire (RCP)"
)
_IN_CARE: Final = Code(code=CARE_TEAM, system="1.2.250.1.213.1.6.1.107", label="Membre de l'équipe de soins")
_BESIDE: Final = Code(code=CORRESPONDENT, system="1.2.250.1.213.1.1.4.2.280", label="Correspondant")
ATTENDING_ROLE: Final = Code(code=ATTENDING, system="2.16.840.1.113883.5.88", label="Médecin traitant")
_NO_ROLE: Final = Code(null_flavor="NA")


@dataclass(frozen=True, slots=True, kw_only=True)
class Meeting:
    """A session with its board, and those who signed that they were there."""

    session: Any
    board: Any
    coordinator: str | None
    signed: tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """What an approval adds to a header: who approves, which version it is, and the document it replaces."""

    approver: str
    version: int = 1
    replaces: Id | None = None


async def meeting_of(act: Act, session_id: UUID) -> Meeting:
    """The session of a case. Whoever locked the case locked it first (`cases.locked`). Refused: SESSION_UNKNOWN."""
    found = select(board_session).where(board_session.c.session_id == session_id)
    session = (await act.connection.execute(found)).one_or_none()
    if session is None:
        raise Conflict("SESSION_UNKNOWN")
    its_board = (await act.connection.execute(select(board).where(board.c.board_id == session.board_id))).one()
    seats = await act.connection.execute(
        select(board_seat).where(board_seat.c.session_id == session_id).order_by(board_seat.c.subject)
    )
    seated = [*seats]
    coordinator = next((each.subject for each in seated if each.duty == "coordinator"), None)
    if coordinator is None:
        coordinator = await act.connection.scalar(
            select(board_member.c.subject)
            .where(
                board_member.c.board_id == session.board_id,
                board_member.c.duty == "coordinator",
                relations.not_ended(board_member, act.now),
            )
            .order_by(board_member.c.valid_from.desc())
            .limit(1)
        )
    signed = tuple(each for each in seated if attendance.is_genuine(each))
    return Meeting(session=session, board=its_board, coordinator=coordinator, signed=signed)


async def attending_physician(act: Act, patient_id: UUID) -> str | None:
    """The patient's médecin traitant, as `professional:<RPPS>`."""
    held = relations.held_at(literal(patient_id), literal(act.now)).relations.subquery("held")
    asked = select(held.c.subject).where(held.c.what == Relation.ATTENDING_PHYSICIAN.value).limit(1)
    found: str | None = await act.connection.scalar(asked, dossier_access.facts_parameters(act.context))
    return found


async def composed(
    act: Act,
    case: Case,
    meeting: Meeting,
    *,
    correspondents: Iterable[str] = (),
    kept_out: Collection[str] = (),
    release: Release | None = None,
) -> cda.Header:
    """The header of a case's sheet. `kept_out` are those whom the patient blocks: they took no part in his case.

    In: correspondents as `professional:<RPPS>`; `release` when it is being approved. Refused: PATIENT_UNKNOWN.
    """
    known = await patients.by_id(act, case.patient_id)
    if known is None:
        raise Conflict("PATIENT_UNKNOWN")
    people = People(act)
    place = await people.establishment(meeting.board.establishment)
    at = instant(act.now)
    begins = Time(low=Moment(value=instant(meeting.session.starts_at)))
    answers_for = release.approver if release else case.requester
    signer = None
    if release is not None:
        signer = await people.who("legalAuthenticator", release.approver, place, time=Time(value=at), signature="S")
    return cda.Header(
        id=Id(root=named(case.case_id, f"version/{release.version if release else 1}")),
        set_id=set_of(case.case_id),
        version=release.version if release else 1,
        title=f"Fiche RCP - {meeting.board.name}",
        created=Moment(value=at),
        patient=patient_of(known),
        authors=(await people.who("author", answers_for, place, time=Time(value=at)),),
        custodian=Organisation(ids=place.ids, name=place.name),
        legal_authenticator=signer,
        participants=await _participants(act, people, case, meeting, place, correspondents, kept_out),
        orders=(cda.Order(ids=(Id(root=named(case.case_id, "order")),)),),
        acts=(
            cda.Act(
                code=_MEETING,
                time=begins,
                performers=(await people.performer(answers_for, place),),
            ),
        ),
        related=(cda.Related(type_code="RPLC", ids=(release.replaces,)),) if release and release.replaces else (),
        encounter=cda.Encounter(
            ids=tuple(_board_ids(meeting)),
            time=begins,
            facility=Organisation(
                ids=place.ids,
                code=place.code,
                name=place.name,
                addresses=place.addresses,
            ),
        ),
    )


def set_of(case_id: UUID) -> Id:
    """What all versions of a case's sheet have in common."""
    return Id(root=named(case_id, "set"))


def named(case_id: UUID, purpose: str) -> str:
    """An OID of its own for what belongs to a case: the same work gives the same one (ITU-T X.667)."""
    return f"2.25.{uuid5(NAMESPACE_OID, f'passerelle/{case_id}/{purpose}').int}"


def subject_of(participation: Participation) -> str | None:
    """Who a participation names, as `professional:<RPPS>`."""
    rpps = next((each.extension for each in participation.ids if each.root == RPPS_DOMAIN and each.extension), None)
    return f"professional:{rpps[1:]}" if rpps else None


async def _participants(
    act: Act,
    people: People,
    case: Case,
    meeting: Meeting,
    place: Organisation,
    correspondents: Iterable[str],
    kept_out: Collection[str],
) -> tuple[Participation, ...]:
    took_part: list[Participation] = []
    for type_code, subject in (
        ("RESP", meeting.coordinator),
        ("REFB", case.requester),
        ("PRF", case.presenter),
    ):
        if subject is not None:
            took_part.append(await people.participant(type_code, subject, place, _NO_ROLE))
    attending = await attending_physician(act, case.patient_id)
    if attending is None:
        took_part.append(
            Participation(
                part="participant",
                type_code="INF",
                function=ATTENDING_ROLE,
                time=Time(null_flavor="UNK"),
                entity_class="PROV",
                ids=(Id(null_flavor="UNK"),),
                addresses=NOWHERE,
                telecoms=UNREACHED,
                name=Name(parts=(NamePart(kind="family", text="Inconnu"),)),
            )
        )
    else:
        took_part.append(await people.participant("INF", attending, place, ATTENDING_ROLE))
    for seat in meeting.signed:
        if seat.subject not in kept_out:
            counts = Specialty(seat.specialty) in PHYSICIANS
            took_part.append(
                await people.participant("PRF", seat.subject, place, _IN_CARE if counts else _BESIDE, name=seat.name)
            )
    told = [each for each in dict.fromkeys(correspondents) if each not in kept_out]
    return (*took_part, *[await people.participant("CON", each, place, _BESIDE) for each in told])


def _board_ids(meeting: Meeting) -> Iterable[Id]:
    of_board = meeting.board
    for root, number in (
        (NETWORK_OID, of_board.network_number),
        (MANAGER_OID, of_board.manager_number),
        (BOARD_OID, of_board.board_number),
        (SESSION_OID, str(meeting.session.session_id)),
    ):
        if number:
            yield Id(root=root, extension=number)
