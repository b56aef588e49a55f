"""Whether a session, or one case of it, has its quorum: by the rules of the session's day, upon signed attendance.

A rule asks for so many different specialties of physicians, and for some of them by name; it depends on the type of
the board. Sources: circulaire DHOS/SDO n° 2005-101 of 22 February 2005 (three physicians of different specialties);
INCa, référentiel des RCP, 2023; codes of jdv-statut-quorum-cisis. Decision 0123.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select

from passerelle.audit.transactions import Act
from passerelle.dossier.blocking import blocked_subjects
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict
from passerelle.oncology import attendance
from passerelle.oncology.boards import BoardKind
from passerelle.oncology.specialties import PHYSICIANS, Specialty
from passerelle.oncology.tables import board, board_seat, board_session
from passerelle_policies.packs import pack_on

_HAEMATOLOGY: Final = "57171008"  # of jdv-rcp-appareil-cisis


class QuorumState(StrEnum):
    """As the sheet codes it (jdv-statut-quorum-cisis)."""

    REACHED = "ORG-126"
    NOT_REACHED = "ORG-133"
    UNKNOWN = "GEN-010"  # nothing was judged yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What one day's rules ask of one type of board; `type` is the word that its parameters are named by."""

    pack: str
    type: str
    different: int
    required: tuple[Specialty, ...]
    counts_remote: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """Someone who sits, as a quorum sees him: his specialty, and whether by videoconference. Not who he is."""

    specialty: Specialty
    is_remote: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Quorum:
    """How a quorum was judged. `lacking` is how many specialties, whichever, are still short of the number."""

    state: QuorumState
    pack: str
    type: str
    needed: int
    counted: tuple[Specialty, ...]
    missing: tuple[Specialty, ...]
    lacking: int

    @property
    def is_reached(self) -> bool:
        return self.state is QuorumState.REACHED

    def as_json(self) -> dict[str, Any]:
        """What `board_session.quorum` keeps."""
        return {
            "state": self.state.value,
            "pack": self.pack,
            "type": self.type,
            "needed": self.needed,
            "counted": [each.value for each in self.counted],
            "missing": [each.value for each in self.missing],
            "lacking": self.lacking,
        }


def read(said: Mapping[str, Any]) -> Quorum:
    """The quorum that `board_session.quorum` holds."""
    return Quorum(
        state=QuorumState(said["state"]),
        pack=said["pack"],
        type=said["type"],
        needed=said["needed"],
        counted=tuple(map(Specialty, said["counted"])),
        missing=tuple(map(Specialty, said["missing"])),
        lacking=said["lacking"],
    )


def rule_on(context: Context, day: date, kind: BoardKind, organ: str | None) -> Rule:
    """What the rules in force on a session's day ask of a board."""
    pack, own = pack_on(day), context.tenant.parameters
    type_ = f"{kind}_haematology" if kind is BoardKind.STANDARD and organ == _HAEMATOLOGY else kind.value
    required = str(pack.parameter(f"board.quorum.{type_}.required", own)).split()
    return Rule(
        pack=pack.name,
        type=type_,
        different=pack.number(f"board.quorum.{type_}.different_specialties", own),
        required=tuple(map(Specialty, required)),
        counts_remote=pack.holds("board.quorum.counts_videoconference", own),
    )


def judge(rule: Rule, present: Iterable[Present]) -> Quorum:
    """Whether those who are there make a quorum. A specialty counts once, however many bear it; only physicians do."""
    there = {each.specialty for each in present if rule.counts_remote or not each.is_remote} & PHYSICIANS
    missing = tuple(each for each in rule.required if each not in there)
    lacking = max(0, rule.different - len(there))
    return Quorum(
        state=QuorumState.NOT_REACHED if missing or lacking else QuorumState.REACHED,
        pack=rule.pack,
        type=rule.type,
        needed=rule.different,
        counted=tuple(sorted(there)),
        missing=missing,
        lacking=lacking,
    )


async def of_session(act: Act, session_id: UUID) -> Quorum:
    """The quorum of a session, of who has signed so far. Refused: SESSION_UNKNOWN."""
    return await _of(act, session_id, None)


async def of_case(act: Act, session_id: UUID, patient_id: UUID) -> Quorum:
    """The same for one case: without those whom its patient blocked when the session was held; blocks now, before that.

    It says neither that there are any nor who. Nothing is decided here: whoever calls has been let in to the case.
    Refused: SESSION_UNKNOWN.
    """
    return await _of(act, session_id, patient_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What is asked of a session: by which rule, when it begins, and as of when it is judged."""

    rule: Rule
    starts_at: datetime
    judged_at: datetime


async def asked_of(act: Act, session_id: UUID) -> Asked:
    """What is asked of a session. Refused: SESSION_UNKNOWN."""
    asked = select(board.c.kind, board.c.organ, board_session.c.starts_at, board_session.c.held_at).select_from(
        board_session.join(board)
    )
    row = (await act.connection.execute(asked.where(board_session.c.session_id == session_id))).one_or_none()
    if row is None:
        raise Conflict("SESSION_UNKNOWN")
    day = row.starts_at.astimezone(PARIS).date()
    rule = rule_on(act.context, day, BoardKind(row.kind), row.organ)
    return Asked(rule=rule, starts_at=row.starts_at, judged_at=row.held_at or act.now)


async def _of(act: Act, session_id: UUID, patient_id: UUID | None) -> Quorum:
    asked = await asked_of(act, session_id)
    without: Collection[str] = ()
    if patient_id is not None:
        without = await blocked_subjects(act, patient_id, asked.judged_at)
    signed = select(board_seat).where(board_seat.c.session_id == session_id, board_seat.c.signed_at.is_not(None))
    seats = [seat for seat in await act.connection.execute(signed) if seat.subject not in without]
    return judge(
        asked.rule,
        (
            Present(specialty=Specialty(seat.specialty), is_remote=bool(seat.is_remote))
            for seat in seats
            if attendance.is_genuine(seat)
        ),
    )
