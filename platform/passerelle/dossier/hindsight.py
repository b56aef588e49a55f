"""Could this person have read that document on that day, and why: asked afterwards, of what is dated.

Relations, teams, consents, blocks, objections, emergencies and withheld documents hold from one instant to another;
the state of a record and the visibility of a document are told by their histories. Nothing is kept for the purpose
(docs/decisions/0089). A network's own parameters are those of today. Sources: CSP R.1111-48; RGPD, art. 15 and 39.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from sqlalchemy import DateTime, Row, and_, select, union
from sqlalchemy import cast as cast_as
from sqlalchemy.ext.asyncio import AsyncConnection

from passerelle.audit import asked_again
from passerelle.audit.transactions import Act
from passerelle.dossier import access
from passerelle.dossier.searches import searched
from passerelle.dossier.tables import (
    block,
    care_team_member,
    document,
    document_author,
    document_version,
    document_withholding,
    dossier_act,
    emergency_access,
    emergency_objection,
    relation,
    team_consent,
    team_exclusion,
)
from passerelle.identities import patients
from passerelle.identities.directory import Directory
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, SetClock
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle_policies.decision import Decision, DocumentFacts, Facts, decide
from passerelle_policies.packs import NoPackInForce
from passerelle_policies.vocabulary import (
    Action,
    ActorKind,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    Relation,
)

_FLAGS = ("masked", "hidden_from_patient", "hidden_from_representatives")
_TOLD = ("status", *_FLAGS, "hidden_until")


class KnownFrom(StrEnum):
    """How the profession of the person asked about is known."""

    JOURNAL = "journal"  # as he came in for the last time until then
    DIRECTORY = "directory"  # as the directory has him today
    NOT_NEEDED = "not_needed"  # a citizen or an establishment


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The question: who, about whom, which document (the record as a whole without one), in which way.

    `start` alone is an instant; with `end`, every answer there was from the one to the other, `end` exclusive.
    Without `mode`, `explain` asks in each mode that was his: normal always, break-glass while he had the record open
    in an emergency, that of the regulation centre on a day on which he came in it.
    """

    patient_id: UUID
    actor: Actor
    known_from: KnownFrom
    document_id: UUID | None = None
    mode: Mode | None = None
    start: datetime
    end: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What would have been answered in that mode from `at` to `until` (None for an instant).

    The facts are those at `at`; `varied` when others followed that left the answer as it was. `presumed` are the flags
    of the document of which its history says nothing, taken from what followed.
    """

    at: datetime
    facts: Facts
    document: DocumentFacts | None
    presumed: tuple[str, ...]
    decision: Decision
    until: datetime | None = None
    varied: bool = False

    @property
    def mode(self) -> Mode:
        """The way in which he would have come."""
        return self.facts.mode


async def explain(act: Act, wanted: Wanted, *, reason: str) -> list[Answer]:
    """Answer the question, at one instant or over a period; itself an access, in the patient's journal with `reason`.

    Refused: REASON_MISSING, ACCESS_REFUSED but to a data-protection officer, PATIENT_UNKNOWN, RECORD_ERASED (for a
    day before the erasure: what there was is gone), NO_RULES_THAT_DAY.
    """
    await searched(act, wanted.patient_id, reason)
    if await patients.by_id(act, wanted.patient_id) is None:
        raise Conflict("PATIENT_UNKNOWN")
    connection = act.connection
    instants = [wanted.start]
    if wanted.end is not None:
        instants += await _turns(connection, wanted, wanted.end)
    came_in = await _modes_of_the_day(connection, wanted) if wanted.mode is None else frozenset[Mode]()
    by_mode: dict[Mode, list[Answer]] = {}
    for at, until in zip(instants, [*instants[1:], wanted.end], strict=True):
        for answer in await _answers_at(connection, act.context, wanted, at, came_in):
            _follow(by_mode.setdefault(answer.mode, []), replace(answer, until=until))
    told = [each for mode in Mode for each in by_mode.get(mode, ())]
    return sorted(told, key=lambda each: each.at)


async def answer_at(connection: AsyncConnection, context: Context, wanted: Wanted, at: datetime) -> Answer:
    """The answer at one instant, under the rules then in force; in normal mode when the question names none."""
    then = _then(context, wanted, at)
    standing = await _standing_at(connection, then, wanted.patient_id, at)
    if wanted.document_id is None:
        decision = decide(standing.facts, Kind.DOSSIER, Action.READ, overrides=context.tenant.parameters)
        return Answer(at=at, facts=standing.facts, document=None, presumed=(), decision=decision)
    about, presumed = await _document_at(connection, then, wanted, at, standing)
    if about is None:
        decision = access.unknown_document(then)
    else:
        decision = decide(standing.facts, Kind.DOCUMENT, Action.READ, about, overrides=context.tenant.parameters)
    return Answer(at=at, facts=standing.facts, document=about, presumed=presumed, decision=decision)


async def professional_at(
    connection: AsyncConnection, directory: Directory, rpps: str, at: datetime
) -> tuple[Actor, KnownFrom]:
    """A professional as he came in until then, else as the directory has him; PROFESSIONAL_UNKNOWN otherwise."""
    last = await asked_again.last_line_of(connection, rpps, at)
    if last is not None:
        actor = Actor(kind=ActorKind.PROFESSIONAL, id=rpps, name=last.actor_name, profession=last.actor_profession)
        return actor, KnownFrom.JOURNAL
    known = await directory.professional(rpps)
    if known is None:
        raise Conflict("PROFESSIONAL_UNKNOWN")
    actor = Actor(kind=ActorKind.PROFESSIONAL, id=rpps, name=known.name, profession=known.profession)
    return actor, KnownFrom.DIRECTORY


async def person_of(connection: AsyncConnection, patient_id: UUID) -> str:
    """The key under which the patient himself signs in; PERSON_WITHOUT_INS."""
    key = (await connection.execute(select(patients.key_of(patient_id)))).scalar_one()
    if key is None:
        raise Conflict("PERSON_WITHOUT_INS")
    return str(key)


async def document_named(connection: AsyncConnection, patient_id: UUID, name: str) -> UUID | None:
    """The document of a record by its id or its uniqueId."""
    try:
        chosen = document.c.document_id == UUID(name)
    except ValueError:
        chosen = document.c.unique_id == name
    found = select(document.c.document_id).where(document.c.patient_id == patient_id, chosen)
    return (await connection.execute(found)).scalars().first()


def _then(context: Context, wanted: Wanted, at: datetime) -> Context:
    """The request that the actor would have made."""
    then = replace(context, actor=wanted.actor, clock=SetClock(at), mode=wanted.mode or Mode.NORMAL)
    try:
        access.pack_in(then)
    except NoPackInForce as none:
        raise InvalidInput("NO_RULES_THAT_DAY") from none
    return then


async def _standing_at(connection: AsyncConnection, then: Context, patient_id: UUID, at: datetime) -> access.Standing:
    """What is dated is gathered as for a request of that instant; the state and the authorship of today are not."""
    was_told = await asked_again.was_done(connection, patient_id, Action.DECLARE_DEATH, at)
    deaths_by = None if was_told else date.min  # a death counts from the instant at which it was declared
    standing = await access.standing_of(then, connection, patient_id, deaths_by=deaths_by)
    state = await _state_at(connection, patient_id, at)
    relations = standing.facts.relations - {Relation.AUTHOR}
    if state is not DossierState.PURGED and await _had_written(connection, patient_id, then.actor.id, at):
        relations |= {Relation.AUTHOR}
    return replace(standing, facts=replace(standing.facts, dossier_state=state, relations=relations))


async def _state_at(connection: AsyncConnection, patient_id: UUID, at: datetime) -> DossierState | None:
    acts = (
        await connection.execute(
            select(dossier_act.c.at, dossier_act.c.from_state, dossier_act.c.to_state)
            .where(dossier_act.c.patient_id == patient_id)
            .order_by(dossier_act.c.at)
        )
    ).all()
    if any(each.to_state == DossierState.PURGED and each.at > at for each in acts):
        raise Conflict("RECORD_ERASED")
    state: str | None = None
    until_then = [each for each in acts if each.at <= at]
    while until_then:  # acts of one instant follow each other from state to state
        following = next((each for each in until_then if each.from_state == state), until_then[0])
        until_then.remove(following)
        state = following.to_state
    return DossierState(state) if state else None


async def _had_written(connection: AsyncConnection, patient_id: UUID, actor_id: str, at: datetime) -> bool:
    was_deleted = (
        select(document_version.c.document_id)
        .where(
            document_version.c.patient_id == document.c.patient_id,
            document_version.c.document_id == document.c.document_id,
            document_version.c.changed["status"].astext == DocumentStatus.DELETED.value,
            document_version.c.at <= at,
        )
        .exists()
    )
    of_actor = and_(
        document_author.c.patient_id == document.c.patient_id,
        document_author.c.document_id == document.c.document_id,
    )
    written = (
        select(document.c.document_id)
        .join(document_author, of_actor)
        .where(
            document.c.patient_id == patient_id,
            document_author.c.author_id == actor_id,
            document.c.filed_at <= at,
            ~was_deleted,
        )
        .limit(1)
    )
    return (await connection.execute(written)).first() is not None


async def _document_at(
    connection: AsyncConnection, then: Context, wanted: Wanted, at: datetime, standing: access.Standing
) -> tuple[DocumentFacts | None, tuple[str, ...]]:
    found = await connection.execute(
        select(document).where(
            document.c.patient_id == wanted.patient_id,
            document.c.document_id == wanted.document_id,
            document.c.filed_at <= at,
        )
    )
    row = found.one_or_none()
    if row is None:
        return None, ()
    history = await connection.execute(
        select(document_version.c.at, document_version.c.changed)
        .where(
            document_version.c.patient_id == wanted.patient_id,
            document_version.c.document_id == wanted.document_id,
        )
        .order_by(document_version.c.metadata_version)
    )
    told, presumed = _folded(row, history.all(), at)
    if standing.facts.dossier_state is DossierState.PURGED:
        told["status"] = DocumentStatus.DELETED.value
    as_it_was = cast(Row[Any], SimpleNamespace(**{**row._mapping, **told}))
    return access.document_facts(then, as_it_was, standing.withheld), presumed


def _folded(row: Row[Any], history: Sequence[Any], at: datetime) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The columns that change, as they were; and which of them are inferred from the first change that followed."""
    told: dict[str, Any] = {}
    for version in history:
        if version.at <= at:
            told |= {name: _read(name, value) for name, value in _changed(version).items()}
    presumed = []
    for name in _TOLD:
        if name in told:
            continue
        later = [_changed(version)[name] for version in history if version.at > at and name in _changed(version)]
        if not later:
            told[name] = getattr(row, name)
        elif name in _FLAGS:
            told[name] = not _read(name, later[0])
            presumed.append(name)
        else:
            told[name] = None if name == "hidden_until" else DocumentStatus.CURRENT.value
            presumed.append(name)
    return told, tuple(presumed)


def _changed(version: Any) -> Mapping[str, str | None]:
    return {name: value for name, value in version.changed.items() if name in _TOLD}


def _read(name: str, value: str | None) -> Any:
    if name in _FLAGS:
        return value == "True"
    return datetime.fromisoformat(value) if name == "hidden_until" and value else value


async def _turns(connection: AsyncConnection, wanted: Wanted, end: datetime) -> list[datetime]:
    """Every instant between the two at which something may have changed for this actor and this patient."""
    patient_id, subject = wanted.patient_id, wanted.actor.subject
    dated = (
        (relation, (relation.c.patient_id == patient_id, relation.c.subject == subject)),
        (block, (block.c.patient_id == patient_id, block.c.subject == subject)),
        (team_consent, (team_consent.c.patient_id == patient_id,)),
        (team_exclusion, (team_exclusion.c.patient_id == patient_id, team_exclusion.c.subject == subject)),
        (care_team_member, (care_team_member.c.subject == subject,)),
        (emergency_objection, (emergency_objection.c.patient_id == patient_id,)),
        (emergency_access, (emergency_access.c.patient_id == patient_id, emergency_access.c.subject == subject)),
        (
            document_withholding,
            (document_withholding.c.patient_id == patient_id, document_withholding.c.subject == subject),
        ),
    )
    turns = [
        select(column.label("at")).where(*conditions)
        for table, conditions in dated
        for column in (table.c.valid_from, table.c.valid_until)
    ]
    until = cast_as(document_version.c.changed["hidden_until"].astext, DateTime(timezone=True))
    turns += [
        select(dossier_act.c.at).where(dossier_act.c.patient_id == patient_id),
        select(document.c.filed_at).where(document.c.patient_id == patient_id),
        select(document.c.hidden_until).where(document.c.patient_id == patient_id),
        select(document_version.c.at).where(document_version.c.patient_id == patient_id),
        select(until).where(document_version.c.patient_id == patient_id),
    ]
    found = (await connection.execute(union(*turns))).scalars().all()
    return sorted(each for each in found if each is not None and wanted.start < each < end)


async def _answers_at(
    connection: AsyncConnection, context: Context, wanted: Wanted, at: datetime, came_in: frozenset[Mode]
) -> list[Answer]:
    first = await answer_at(connection, context, wanted, at)
    further = set[Mode]()
    if wanted.mode is None:
        further = {Mode.REGULATION_CENTRE} & came_in
        if Relation.EMERGENCY in first.facts.relations:
            further.add(Mode.BREAK_GLASS)
    return [first, *[await answer_at(connection, context, replace(wanted, mode=each), at) for each in further]]


async def _modes_of_the_day(connection: AsyncConnection, wanted: Wanted) -> frozenset[Mode]:
    """The modes in which he came to this patient in the period; that legal day, for an instant."""
    since, until = wanted.start, wanted.end
    if until is None:
        day = wanted.start.astimezone(PARIS).date()
        since, until = (datetime(each.year, each.month, each.day, tzinfo=PARIS) for each in (day, day + timedelta(1)))
    return await asked_again.modes_of(connection, wanted.patient_id, wanted.actor, since, until)


def _follow(answers: list[Answer], next_one: Answer) -> None:
    """Add an answer, or let the one before last longer when it says the same."""
    before = answers[-1] if answers else None
    if before is None or before.until != next_one.at or _what(before) != _what(next_one):
        answers.append(next_one)
        return
    varied = before.varied or (before.facts, before.document) != (next_one.facts, next_one.document)
    answers[-1] = replace(before, until=next_one.until, varied=varied)


def _what(answer: Answer) -> tuple[object, ...]:
    decision = answer.decision
    return decision.allowed, decision.rule, decision.code, decision.pack, answer.presumed
