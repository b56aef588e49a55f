"""Before a session: would it have its quorum, which specialty is missing, and who could fill it, here or elsewhere.

Counted on who is expected, not on who signed. For one case it is counted, and people are proposed, without those whom
its patient blocks: it does not say that there are any. Decision 0123.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select

from passerelle.audit.transactions import Act
from passerelle.dossier.access import number
from passerelle.dossier.blocking import blocked_subjects
from passerelle.dossier.relations import holds
from passerelle.kernel.experts import Expert
from passerelle.oncology import access, quorum, seats
from passerelle.oncology.quorum import Present, Quorum
from passerelle.oncology.seats import SeatAnswer
from passerelle.oncology.specialties import PHYSICIANS, Specialty
from passerelle.oncology.tables import board, board_member, board_session
from passerelle_policies.vocabulary import Action


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Someone of this network who could sit: `establishments` are FINESS numbers, from the directory."""

    rpps: str
    name: str
    specialty: Specialty
    establishments: tuple[str, ...]
    is_deputy: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A specialty that the rule asks for by name and that nobody expected bears."""

    specialty: Specialty
    candidates: tuple[Candidate, ...]
    was_asked_elsewhere: bool
    experts: tuple[Expert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What is to be expected. `others` could bring one more specialty, where the number alone falls short."""

    quorum: Quorum
    gaps: tuple[Gap, ...]
    others: tuple[Candidate, ...]


async def of_session(act: Act, session_id: UUID) -> Forecast:
    """The forecast of a session. Refused: ACCESS_REFUSED but to professionals; SESSION_UNKNOWN."""
    await access.require_on_session(act, session_id, Action.READ)
    return await _of(act, session_id, frozenset())


async def of_case(act: Act, session_id: UUID, patient_id: UUID) -> Forecast:
    """The same for one case of it; whoever calls has been let in to the case. Refused: SESSION_UNKNOWN."""
    return await _of(act, session_id, await blocked_subjects(act, patient_id, act.now))


async def _of(act: Act, session_id: UUID, without: Collection[str]) -> Forecast:
    asked = await quorum.asked_of(act, session_id)
    everyone = await seats.all_of(act, session_id)
    coming = [each for each in everyone if each.answer is SeatAnswer.EXPECTED and each.subject not in without]
    expected = quorum.judge(
        asked.rule, (Present(specialty=each.specialty, is_remote=bool(each.is_remote)) for each in coming)
    )
    wanted = set(expected.missing)
    if expected.lacking:
        wanted |= PHYSICIANS - set(expected.counted)
    found = await _candidates(act, session_id, wanted, {each.subject for each in everyone} | set(without))
    gaps = [await _gap(act, each, found, asked.starts_at) for each in expected.missing]
    others = (each for each in found if each.specialty not in expected.missing) if expected.lacking else ()
    return Forecast(quorum=expected, gaps=tuple(gaps), others=_most(act, others))


async def _gap(act: Act, specialty: Specialty, found: Iterable[Candidate], starts_at: datetime) -> Gap:
    heard = await act.context.elsewhere_experts.of_specialty(act.context.tenant.id, specialty.value, starts_at)
    return Gap(
        specialty=specialty,
        candidates=_most(act, (each for each in found if each.specialty is specialty)),
        was_asked_elsewhere=heard.was_asked,
        experts=heard.experts,
    )


async def _candidates(
    act: Act, session_id: UUID, wanted: Collection[Specialty], seated: Collection[str]
) -> list[Candidate]:
    """The deputies of its board first, then those of this network's other boards; each once."""
    if not wanted:
        return []
    its_board = select(board_session.c.board_id).where(board_session.c.session_id == session_id).scalar_subquery()
    is_its_deputy = and_(board_member.c.board_id == its_board, board_member.c.duty == "deputy")
    is_deputy = is_its_deputy.label("is_deputy")
    of_another = and_(board_member.c.board_id != its_board, board.c.state == "validated")
    asked = (
        select(board_member.c.subject, board_member.c.name, board_member.c.specialty, is_deputy)
        .select_from(board_member.join(board))
        .where(
            board_member.c.specialty.in_([each.value for each in wanted]),
            board_member.c.subject.not_in(list(seated)),
            holds(board_member, act.now),
            or_(is_its_deputy, of_another),
        )
        .distinct()
        .order_by(is_deputy.desc(), board_member.c.name, board_member.c.subject)
        .limit(number(act.context, "oncology.forecast_experts_max") * (len(wanted) + 1))
    )
    found: dict[str, Candidate] = {}
    for row in await act.connection.execute(asked):
        if row.subject in found:
            continue
        rpps = row.subject.partition(":")[2]
        known = await act.context.directory.professional(rpps)
        if known is not None and known.is_active:
            places = tuple(each.finess for each in known.practices_in(act.context.tenant.id) if each.finess)
            found[row.subject] = Candidate(
                rpps=rpps,
                name=known.name,
                specialty=Specialty(row.specialty),
                establishments=places,
                is_deputy=row.is_deputy,
            )
    return list(found.values())


def _most(act: Act, found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    return tuple(found)[: number(act.context, "oncology.forecast_experts_max")]
