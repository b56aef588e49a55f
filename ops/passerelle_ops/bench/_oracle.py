"""What should come of a world: a model in plain Python that keeps its own relations, blocks, dates and versions.

It looks at no table and at no SQL: it is told which steps were accepted and when, and answers with the facts that
`decide` needs. The filter in SQL is judged by it (`tests/proofs/test_filter.py`), and `passerelle bench leak` asks it
who may not see a document.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from passerelle_ops.bench._worlds import CAST, Step
from passerelle_policies.decision import DocumentFacts, Facts, decide
from passerelle_policies.packs import Pack, pack_on
from passerelle_policies.roles import role_of
from passerelle_policies.vocabulary import (
    Action,
    ActorKind,
    DocumentStatus,
    DossierState,
    Kind,
    Mode,
    Purpose,
    Relation,
)

_PARIS: Final = ZoneInfo("Europe/Paris")


@dataclass(slots=True)
class _Tie:
    """What holds for someone from an instant until another, excluded. `by` is who declared it."""

    whom: str
    since: datetime
    until: datetime | None = None
    by: str = ""
    team: int = -1
    ended_by: str = ""
    of_a_minor: bool = False

    def holds(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


@dataclass(slots=True)
class _LeftOut(_Tie):
    """Someone whom a consent to his team does not reach."""

    because_of: str = ""


@dataclass(slots=True)
class _Sheet:
    """One document as the record has it."""

    type_code: str
    authors: frozenset[str]
    masked: bool
    hidden_until: datetime | None
    hidden_from_representatives: bool
    chain: int
    position: int
    status: DocumentStatus = DocumentStatus.CURRENT
    withheld: set[str] = field(default_factory=set)


class Oracle:
    """One patient's record, as the accepted steps made it."""

    def __init__(self, born: str, now: datetime) -> None:
        self.now = now
        self.state = DossierState.OPEN
        self.sheets: dict[int, _Sheet] = {}
        self.of_age = _birthday(born, self._number("majority.years"))
        self._ties: dict[Relation, list[_Tie]] = {each: [] for each in Relation}
        self._members: list[_Tie] = []
        self._left_out: list[_LeftOut] = []
        self._blocks: dict[str, datetime] = {}
        self._objects = False

    # What it is told.

    def accepted(self, step: Step, number: int = -1) -> None:
        """Someone did this just now. `number` is that of the document or team that came of it."""
        getattr(self, f"_{step.verb}", _nothing)(step, number)

    def _publish(self, step: Step, number: int, parent: _Sheet | None = None) -> None:
        paper = step.paper
        if paper is None:
            return
        sheet = _Sheet(
            type_code=paper.type_code,
            authors=frozenset({paper.author, *({"hospital"} if step.by == "hospital" else ())}),
            masked=paper.masked,
            hidden_until=_a_month_after(self.now, self._months()) if paper.hidden_from_patient else None,
            hidden_from_representatives=paper.hidden_from_representatives,
            chain=number,
            position=1,
        )
        if parent is not None:
            chain = [each for each in self.sheets.values() if each.chain == parent.chain]
            sheet.chain, sheet.position = parent.chain, max(each.position for each in chain) + 1
            sheet.masked |= parent.masked
            sheet.hidden_from_representatives |= parent.hidden_from_representatives
            if self._awaits(parent):
                sheet.hidden_until = parent.hidden_until
            sheet.withheld = {whom for each in chain for whom in each.withheld}
        self.sheets[number] = sheet

    def _replace(self, step: Step, number: int) -> None:
        self._publish(step, number, self.sheets[step.which])

    def _authorize(self, step: Step, _: int) -> None:
        self._ties[Relation.AUTHORIZED].append(self._tie(step))

    def _withdraw_authorization(self, step: Step, _: int) -> None:
        self._end(self._ties[Relation.AUTHORIZED], step.whom)

    def _attend(self, step: Step, _: int) -> None:
        self._end(self._ties[Relation.ATTENDING_PHYSICIAN])
        self._ties[Relation.ATTENDING_PHYSICIAN].append(self._tie(step))

    def _end_attending(self, step: Step, _: int) -> None:
        self._end(self._ties[Relation.ATTENDING_PHYSICIAN], step.whom)

    def _represent(self, step: Step, _: int) -> None:
        tie = self._tie(step)
        tie.of_a_minor = self.now < self.of_age
        self._ties[Relation.REPRESENTATIVE].append(tie)

    def _end_representation(self, step: Step, _: int) -> None:
        self._end(
            self._ties[Relation.REPRESENTATIVE], step.whom, None if step.by in {"operator", step.whom} else step.by
        )

    def _found_team(self, step: Step, number: int) -> None:
        self._members.append(_Tie(step.by, self.now, team=number))

    def _join(self, step: Step, _: int) -> None:
        if self.is_member(step.which, step.whom):
            return
        team, before = step.which, [each for each in self._members if (each.team, each.whom) == (step.which, step.whom)]
        removed_at = before[-1].until if before and before[-1].ended_by == step.by else None
        since = {each.because_of: each.since for each in self._out_of(team, step.by)}
        since |= {step.by: self._blocks[step.by]} if step.by in self._blocks else {}
        had = removed_at is not None and self._was_reached(team, step.whom, removed_at)
        self._end([*self._out_of(team, step.whom)])
        self._members.append(_Tie(step.whom, self.now, team=team))
        if any(each.team == team and each.holds(self.now) for each in self._ties[Relation.CARE_TEAM]):
            for why, stood in since.items():
                if not (had and removed_at is not None and stood < removed_at):
                    self._left_out.append(_LeftOut(step.whom, self.now, team=team, because_of=why))

    def _was_reached(self, team: int, who: str, instant: datetime) -> bool:
        """Whether a consent that still holds reached a member up to an instant."""
        return any(
            each.team == team and each.since < instant and each.holds(self.now)
            for each in self._ties[Relation.CARE_TEAM]
        ) and not any(
            (each.team, each.whom) == (team, who)
            and each.since <= instant
            and (each.until is None or each.until >= instant)
            for each in self._left_out
        )

    def _out_of(self, team: int, who: str) -> Iterator[_LeftOut]:
        return (each for each in self._left_out if (each.team, each.whom) == (team, who) and each.holds(self.now))

    def _leave(self, step: Step, _: int) -> None:
        for each in self._members:
            if (each.team, each.whom) == (step.which, step.whom) and each.holds(self.now):
                each.until, each.ended_by = self.now, step.by

    def _consent(self, step: Step, _: int) -> None:
        tie = self._tie(step)
        tie.team = step.which
        self._ties[Relation.CARE_TEAM].append(tie)
        self._end([each for each in self._left_out if each.team == step.which])

    def _withdraw_consent(self, step: Step, _: int) -> None:
        for each in self._ties[Relation.CARE_TEAM]:
            if each.team == step.which and each.holds(self.now):
                each.until = self.now

    def _block(self, step: Step, _: int) -> None:
        self._blocks.setdefault(step.whom, self.now)

    def _unblock(self, step: Step, _: int) -> None:
        self._blocks.pop(step.whom, None)
        self._end([each for each in self._left_out if each.because_of == step.whom])

    def _object(self, _: Step, __: int) -> None:
        self._objects = True
        self._end(self._ties[Relation.EMERGENCY])

    def _withdraw_objection(self, _: Step, __: int) -> None:
        self._objects = False

    def _break_glass(self, step: Step, _: int) -> None:
        held = self._ties[Relation.EMERGENCY]
        if not any(each.whom == step.by and each.holds(self.now) for each in held):
            until = self.now + timedelta(minutes=self._number("break_glass.minutes"))
            held.append(_Tie(step.by, self.now, until))

    def _end_emergency(self, step: Step, _: int) -> None:
        self._end(self._ties[Relation.EMERGENCY], step.by)

    def _mask(self, step: Step, _: int) -> None:
        self.sheets[step.which].masked = True

    def _unmask(self, step: Step, _: int) -> None:
        self.sheets[step.which].masked = False

    def _hide_from_patient(self, step: Step, _: int) -> None:
        sheet = self.sheets[step.which]
        if not self._awaits(sheet):
            sheet.hidden_until = _a_month_after(self.now, self._months())

    def _show_to_patient(self, step: Step, _: int) -> None:
        self.sheets[step.which].hidden_until = None

    def _hide_from_representatives(self, step: Step, _: int) -> None:
        self.sheets[step.which].hidden_from_representatives = True

    def _show_to_representatives(self, step: Step, _: int) -> None:
        self.sheets[step.which].hidden_from_representatives = False

    def _archive(self, step: Step, _: int) -> None:
        self.sheets[step.which].status = DocumentStatus.ARCHIVED

    def _unarchive(self, step: Step, _: int) -> None:
        self.sheets[step.which].status = DocumentStatus.CURRENT

    def _delete(self, step: Step, _: int) -> None:
        self.sheets[step.which].status = DocumentStatus.DELETED

    def _withhold(self, step: Step, _: int) -> None:
        for each in self._versions(step.which):
            self.sheets[each].withheld.add(step.whom)

    def _lift(self, step: Step, _: int) -> None:
        facts = self.facts(step.by)
        for each in self._versions(step.which):
            about = self.about(each, step.by)
            if decide(facts, Kind.DOCUMENT, Action.UNMASK_FROM, about).allowed:
                self.sheets[each].withheld.discard(step.whom)

    def _close(self, _: Step, __: int) -> None:
        self.state = DossierState.CLOSED

    def _suspend(self, _: Step, __: int) -> None:
        self.state = DossierState.SUSPENDED

    def _reopen(self, _: Step, __: int) -> None:
        self.state = DossierState.OPEN

    _resume = _reopen

    # What it answers.

    def facts(self, who: str, mode: Mode = Mode.NORMAL) -> Facts:
        """What holds between someone of the cast and the patient now."""
        character = CAST[who]
        return Facts(
            role=role_of(character.profession, character.kind),
            relations=frozenset(self._relations(who)),
            blocked=who in self._blocks,
            dossier_state=self.state,
            mode=mode,
            purpose=Purpose.CARE,
            day=self._day,
            emergency_objection=self._objects,
        )

    def about(self, number: int, who: str) -> DocumentFacts:
        """One document, to someone."""
        sheet = self.sheets[number]
        return DocumentFacts(
            type_code=sheet.type_code,
            status=sheet.status,
            masked=sheet.masked,
            hidden_from_patient=self._awaits(sheet),
            hidden_from_representatives=sheet.hidden_from_representatives,
            by_actor=who in sheet.authors,
            withheld=who in sheet.withheld,
        )

    def shown(self, who: str, mode: Mode = Mode.NORMAL) -> dict[int, DocumentStatus]:
        """The documents that someone may read, and what each is to him."""
        facts = self.facts(who, mode)
        seen = {
            each: sheet
            for each, sheet in self.sheets.items()
            if decide(facts, Kind.DOCUMENT, Action.READ, self.about(each, who)).allowed
        }
        return {
            each: DocumentStatus.SUPERSEDED
            if any(other.chain == sheet.chain and other.position > sheet.position for other in seen.values())
            else sheet.status
            for each, sheet in seen.items()
        }

    def opens(self, who: str, mode: Mode = Mode.NORMAL) -> bool:
        """Whether the record opens to someone at all."""
        return decide(self.facts(who, mode), Kind.DOSSIER, Action.READ).allowed

    def reads_of(self, number: int, who: str) -> bool:
        """Whether someone reads of a document in the journal, were it deleted or the record closed since."""
        facts, about = self.facts(who), self.about(number, who)
        if not facts.relations & {Relation.PATIENT, Relation.REPRESENTATIVE}:
            return False
        was = replace(facts, dossier_state=DossierState.OPEN), replace(about, status=DocumentStatus.CURRENT)
        return decide(was[0], Kind.DOCUMENT, Action.READ, was[1]).allowed

    def has_ties(self, who: str) -> bool:
        """Whether anything but authorship ties someone to the patient."""
        return bool({*self._relations(who)} - {Relation.AUTHOR})

    def is_member(self, team: int, who: str) -> bool:
        """Whether someone is in a team now."""
        return any((each.team, each.whom) == (team, who) and each.holds(self.now) for each in self._members)

    def _relations(self, who: str) -> Iterator[Relation]:
        if who == "patient":
            yield Relation.PATIENT
        for relation in (Relation.AUTHORIZED, Relation.ATTENDING_PHYSICIAN, Relation.EMERGENCY):
            if any(each.whom == who and each.holds(self.now) for each in self._ties[relation]):
                yield relation
        for each in self._ties[Relation.REPRESENTATIVE]:
            if each.whom == who and each.holds(self.now) and not (each.of_a_minor and self.now >= self.of_age):
                yield Relation.REPRESENTATIVE
        for each in self._ties[Relation.CARE_TEAM]:
            is_out = any(self._out_of(each.team, who))
            if each.holds(self.now) and self.is_member(each.team, who) and not is_out:
                yield Relation.CARE_TEAM
        if CAST[who].kind is ActorKind.PROFESSIONAL and any(
            who in each.authors and each.status is not DocumentStatus.DELETED for each in self.sheets.values()
        ):
            yield Relation.AUTHOR

    def _awaits(self, sheet: _Sheet) -> bool:
        return sheet.hidden_until is not None and self.now < sheet.hidden_until

    def _versions(self, which: int) -> list[int]:
        return [each for each, sheet in self.sheets.items() if sheet.chain == self.sheets[which].chain]

    def _tie(self, step: Step) -> _Tie:
        until = self.now + timedelta(days=step.days) if step.days is not None else None
        return _Tie(step.whom, self.now, until, step.by)

    def _end(self, ties: Sequence[_Tie], whom: str | None = None, by: str | None = None) -> None:
        for each in ties:
            if whom in (None, each.whom) and by in (None, each.by) and each.holds(self.now):
                each.until = self.now

    @property
    def _day(self) -> date:
        return self.now.astimezone(_PARIS).date()

    def _pack(self) -> Pack:
        return pack_on(self._day)

    def _number(self, name: str) -> int:
        return self._pack().number(name, {})

    def _months(self) -> int:
        return self._number("hidden_from_patient.visible_months")


def _nothing(_: Step, __: int) -> None:
    """Most of what happens leaves no trace of its own: somebody read something, some time passed."""


def _birthday(born: str, years: int) -> datetime:
    day = date(int(born[:4]) + years, int(born[4:6]), int(born[6:]))
    return datetime.combine(day, time(), _PARIS).astimezone(UTC)


def _a_month_after(now: datetime, months: int) -> datetime:
    there = now.astimezone(_PARIS)
    year, month = divmod(there.year * 12 + there.month - 1 + months, 12)
    day = min(there.day, calendar.monthrange(year, month + 1)[1])
    return there.replace(year=year, month=month + 1, day=day).astimezone(UTC)
