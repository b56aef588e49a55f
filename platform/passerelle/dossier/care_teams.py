"""Care teams (équipes de soins, CSP L.1110-12): who founds one, joins one, leaves one, and reads who is in it.

A team opens no record by itself: a patient's consent to it does (`team_consents`). Its members are of health
professions or social workers (R.1110-2), known to the directory. A consent does not reach a member who was brought in
by somebody whom the patient had blocked (decision 0086); nobody but the patient's record knows of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, Select, Uuid, and_, func, insert, literal, or_, select, union, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from passerelle.audit import journal, outbox
from passerelle.audit.transactions import Act
from passerelle.dossier import access, house_rules
from passerelle.dossier.events import CareTeamChanged
from passerelle.dossier.formats import values
from passerelle.dossier.relations import known_professional, not_ended, professional
from passerelle.dossier.tables import block, care_team, care_team_member, team_consent, team_exclusion
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle_policies.roles import HEALTH_ROLES, role_of
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Role

_MEMBER_ROLES = HEALTH_ROLES | {Role.SOCIAL_WORKER}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a team: the directory's name and profession, and since when he is one."""

    subject: str
    name: str
    profession: str
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CareTeam:
    """A team with its members, longest in it first."""

    id: UUID
    name: str
    establishment: str | None
    members: list[Member]


async def create_care_team(act: Act, name: str, *, establishment: str | None = None) -> UUID:
    """Found a care team; its founder is its first member.

    Refused: TEAM_NAME_MISSING; TEAM_UNKNOWN for someone who has no part in care; ESTABLISHMENT_UNKNOWN.
    """
    name, establishment = values.text(name, "name") or "", values.key(establishment, "establishment")
    if not name:
        raise InvalidInput("TEAM_NAME_MISSING")
    if access.role_in(act.context) not in _MEMBER_ROLES | {Role.SYSTEM}:
        raise Conflict("TEAM_UNKNOWN", line=_line(act, Action.GRANT, "team-member", "TEAM_UNKNOWN"))
    if establishment is not None and await act.context.directory.establishment(establishment) is None:
        raise InvalidInput("ESTABLISHMENT_UNKNOWN")
    team_id = uuid4()
    await act.connection.execute(
        insert(care_team).values(team_id=team_id, name=name, establishment=establishment, created_at=act.now)
    )
    await _join(act, team_id, act.context.actor.subject)
    await journal.append(act.connection, act.context, _line(act, Action.GRANT, "team-founded"))
    return team_id


async def add_care_team_member(act: Act, team_id: UUID, rpps: str) -> None:
    """Bring a professional into a team; only a member may. The consents given to the team cover him at once, but
    those of patients who blocked the one who brings him in, or whom that one does not reach either; whoever removed
    him himself brings him back to all that he had.

    Every patient whose record this opens to him has a line of it in his journal. Refused: TEAM_UNKNOWN, RPPS_UNKNOWN,
    TEAM_ROLE_REFUSED (a secretary, an unknown profession), TEAM_FULL.
    """
    subject = professional(rpps)
    await _take_part(act, team_id, Action.GRANT)
    known = await known_professional(act, rpps)
    if role_of(known.profession, ActorKind.PROFESSIONAL) not in _MEMBER_ROLES:
        raise Conflict("TEAM_ROLE_REFUSED")
    if await is_member(act, team_id, subject):
        return
    limit = access.number(act.context, "care_team.members_max")
    members = select(func.count()).where(care_team_member.c.team_id == team_id, not_ended(care_team_member, act.now))
    if int(await act.connection.scalar(members) or 0) >= limit:
        raise LimitExceeded("TEAM_FULL", limit=limit)
    removed_at = await _removed_by_actor(act, team_id, subject)
    await _join(act, team_id, subject)
    await _leave_out(act, team_id, subject, removed_at)
    await _tell_other_networks(act, team_id)
    await _tell_the_journals(act, team_id, subject, Action.GRANT, "team-newcomer")


async def remove_care_team_member(act: Act, team_id: UUID, rpps: str) -> None:
    """End a membership, one's own or that of a fellow member; nothing for someone who is not in it.

    Every patient whose record this closes to him has a line of it in his journal. Refused: TEAM_UNKNOWN.
    """
    subject = professional(rpps)
    await _take_part(act, team_id, Action.WITHDRAW)
    if not await is_member(act, team_id, subject):
        return
    await _tell_the_journals(act, team_id, subject, Action.WITHDRAW, "team-departure")
    await act.connection.execute(
        update(care_team_member)
        .where(
            care_team_member.c.team_id == team_id,
            care_team_member.c.subject == subject,
            not_ended(care_team_member, act.now),
        )
        .values(valid_until=act.now, removed_by=act.context.actor.subject)
    )
    await _tell_other_networks(act, team_id)


async def read_care_team(act: Act, team_id: UUID, *, patient_id: UUID | None = None) -> CareTeam:
    """A team and its members: for a member, or for `patient_id` (and whoever reads his authorisations) who has
    consented to it. Refused: TEAM_UNKNOWN, alike for a team that is not there."""
    if patient_id is None:
        await _take_part(act, team_id, Action.READ)
    else:
        await access.require(act, patient_id, Kind.AUTHORIZATIONS, Action.READ)
        consent = consenting(team_id, act.now).where(team_consent.c.patient_id == patient_id)
        if (await act.connection.execute(consent)).first() is None:
            raise unknown()
    team = (await act.connection.execute(called(literal(team_id, Uuid())))).one()
    rows = await act.connection.execute(members(literal(team_id, Uuid()), literal(act.now)))
    shown = [await _member(act.context, row.subject, row.since) for row in rows]
    return CareTeam(id=team.team_id, name=team.name, establishment=team.establishment, members=shown)


def unknown() -> Conflict:
    """There is no such team for whoever asks."""
    return Conflict("TEAM_UNKNOWN")


def called(team_id: ColumnElement[UUID]) -> Select[Any]:
    """A team: `team_id`, `name`, `establishment`."""
    return select(care_team.c.team_id, care_team.c.name, care_team.c.establishment).where(
        care_team.c.team_id == team_id
    )


def members(team_id: ColumnElement[UUID], now: ColumnElement[datetime]) -> Select[Any]:
    """Who is in a team: `subject`, and `since` when; longest in it first."""
    return (
        select(care_team_member.c.subject, care_team_member.c.valid_from.label("since"))
        .where(care_team_member.c.team_id == team_id, not_ended(care_team_member, now))
        .order_by(care_team_member.c.valid_from, care_team_member.c.subject)
    )


async def named(context: Context, subject: str) -> tuple[str, str]:
    """The directory's name and profession of a member; empty for who is not in it."""
    known = await context.directory.professional(subject.partition(":")[2])
    return (known.name, known.profession) if known else ("", "")


async def is_member(act: Act, team_id: UUID, subject: str) -> bool:
    """Whether someone is in a team now."""
    held = select(literal(1)).where(
        care_team_member.c.team_id == team_id,
        care_team_member.c.subject == subject,
        not_ended(care_team_member, act.now),
    )
    return (await act.connection.execute(held)).first() is not None


async def _member(context: Context, subject: str, since: datetime) -> Member:
    name, profession = await named(context, subject)
    return Member(subject=subject, name=name, profession=profession, since=since)


async def _take_part(act: Act, team_id: UUID, action: Action) -> None:
    """Lock a team, so that those who change it take turns, and journal what a member does with it."""
    team = select(care_team.c.team_id).where(care_team.c.team_id == team_id).with_for_update(key_share=True)
    is_there = (await act.connection.execute(team)).first() is not None
    if not (is_there and await is_member(act, team_id, act.context.actor.subject)):
        raise Conflict("TEAM_UNKNOWN", line=_line(act, action, "team-member", "TEAM_UNKNOWN"))
    await journal.append(act.connection, act.context, _line(act, action, "team-member"))


async def _join(act: Act, team_id: UUID, subject: str) -> None:
    by = act.context.actor.subject
    new = upsert(care_team_member).values(team_id=team_id, subject=subject, valid_from=act.now, added_by=by)
    key = ["team_id", "subject", "valid_from"]
    await act.connection.execute(
        new.on_conflict_do_update(index_elements=key, set_={"valid_until": None, "added_by": by, "removed_by": None})
    )


async def _removed_by_actor(act: Act, team_id: UUID, subject: str) -> datetime | None:
    """When the actor ended this one's last membership; nothing when it was not he."""
    last = (
        select(care_team_member.c.valid_until, care_team_member.c.removed_by)
        .where(care_team_member.c.team_id == team_id, care_team_member.c.subject == subject)
        .order_by(care_team_member.c.valid_from.desc())
        .limit(1)
    )
    row = (await act.connection.execute(last)).first()
    return row.valid_until if row is not None and row.removed_by == act.context.actor.subject else None


async def _leave_out(act: Act, team_id: UUID, subject: str, removed_at: datetime | None) -> None:
    """Note the patients whose consent does not reach a newcomer: they blocked whoever brings him in, or are out of
    that one's reach for the same reason. What was noted of an earlier membership of his counts no more.

    Who is brought back by the one who removed him at `removed_at` is reached as he was then, if that reason stood
    already: else somebody who is blocked could keep others out."""
    inviter = act.context.actor.subject
    await act.connection.execute(
        update(team_exclusion)
        .where(
            team_exclusion.c.team_id == team_id,
            team_exclusion.c.subject == subject,
            not_ended(team_exclusion, act.now),
        )
        .values(valid_until=act.now)
    )
    blocking = select(block.c.patient_id, block.c.subject.label("because_of"), block.c.valid_from.label("since")).where(
        block.c.subject == inviter, not_ended(block, act.now)
    )
    inherited = select(
        team_exclusion.c.patient_id, team_exclusion.c.because_of, team_exclusion.c.valid_from.label("since")
    ).where(
        team_exclusion.c.team_id == team_id,
        team_exclusion.c.subject == inviter,
        not_ended(team_exclusion, act.now),
    )
    out = union(blocking, inherited).subquery("out")
    is_left_out: ColumnElement[bool] = out.c.patient_id.in_(consenting(team_id, act.now))
    if removed_at is not None:
        was_reached = _reached_at(act, team_id, subject, removed_at)
        is_left_out = and_(is_left_out, or_(out.c.since >= removed_at, out.c.patient_id.not_in(was_reached)))
    await act.connection.execute(
        insert(team_exclusion).from_select(
            ["patient_id", "exclusion_id", "team_id", "subject", "because_of", "valid_from"],
            select(
                out.c.patient_id,
                func.gen_random_uuid(),
                literal(team_id),
                literal(subject),
                out.c.because_of,
                literal(act.now),
            ).where(is_left_out),
        )
    )


def _reached_at(act: Act, team_id: UUID, subject: str, instant: datetime) -> Select[tuple[UUID]]:
    """The patients whose consent, not ended since, reached a member up to an instant."""
    was_left_out = select(team_exclusion.c.patient_id).where(
        team_exclusion.c.team_id == team_id,
        team_exclusion.c.subject == subject,
        team_exclusion.c.valid_from <= instant,
        or_(team_exclusion.c.valid_until.is_(None), team_exclusion.c.valid_until >= instant),
    )
    return consenting(team_id, act.now).where(
        team_consent.c.valid_from < instant, team_consent.c.patient_id.not_in(was_left_out)
    )


def consenting(team_id: UUID | ColumnElement[UUID], now: datetime | ColumnElement[datetime]) -> Select[tuple[UUID]]:
    """The patients who consent to a team: `patient_id`."""
    return select(team_consent.c.patient_id).where(team_consent.c.team_id == team_id, not_ended(team_consent, now))


def has_consented(
    patient_id: ColumnElement[UUID], team_id: ColumnElement[UUID], now: ColumnElement[datetime]
) -> ColumnElement[bool]:
    """SQL condition: the patient consents to the team."""
    return consenting(team_id, now).where(team_consent.c.patient_id == patient_id).exists()


async def _tell_the_journals(act: Act, team_id: UUID, subject: str, action: Action, rule: str) -> None:
    """A line for each patient whose consent reaches this member, in one statement."""
    left_out = (
        select(literal(1))
        .where(
            team_exclusion.c.patient_id == team_consent.c.patient_id,
            team_exclusion.c.team_id == team_id,
            team_exclusion.c.subject == subject,
            not_ended(team_exclusion, act.now),
        )
        .exists()
    )
    reached = consenting(team_id, act.now).where(~left_out).distinct().cte("reached")
    said = _line(act, action, rule)
    lines = journal.written_by(
        reached,
        patient_id=reached.c.patient_id,
        kind=literal(said.kind.value),
        action=literal(said.action.value),
        outcome=literal(said.outcome.value),
        rule=literal(said.rule),
        pack=literal(said.pack),
        facts=literal({}, JSONB),
    )
    await act.connection.execute(select(lines.c.line_id), journal.parameters(act.context))


async def _tell_other_networks(act: Act, team_id: UUID) -> None:
    """An event for each patient who consents to a team, in one statement: it is theirs wherever they have a record."""
    theirs = consenting(team_id, act.now).distinct().subquery()
    facts = select(theirs.c.patient_id, func.jsonb_build_object("team_id", literal(team_id)).label("payload"))
    told = outbox.published_by(CareTeamChanged, facts, at=literal(act.now))
    await act.connection.execute(select(literal(1)).add_cte(told))


def _line(act: Act, action: Action, rule: str, code: str | None = None) -> journal.Line:
    """A line of what happens in a team, about no patient."""
    return house_rules.line(act, Kind.AUTHORIZATIONS, action, rule, code=code)
