"""One record as a single database would have it, in plain Python: what networks must agree on once all is quiet.

It is told which acts were accepted, in which network, and what a network had heard by then of what the other decided.
The rule of marks is written here a second time, from docs/decisions/0131 and without the tables of the first: while
neither side has seen the other's newest decision the strictest holds, then what home decided in sight of it does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from passerelle.kernel.actors import Actor
from passerelle_policies.decision import DocumentFacts, Facts, decide
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

HOME = "home"
_STRICT = (DocumentStatus.CURRENT, DocumentStatus.ARCHIVED, DocumentStatus.DELETED)


@dataclass(frozen=True, slots=True)
class Marks:
    """What shows and hides a document."""

    masked: bool = False
    hidden: bool = False
    status: DocumentStatus = DocumentStatus.CURRENT


@dataclass(frozen=True, slots=True)
class Decided:
    """What home decided, in sight of so many decisions of the origin; null: left to the origin."""

    seen: int
    masked: bool | None = None
    hidden: bool | None = None
    status: DocumentStatus | None = None


@dataclass(slots=True)
class Sheet:
    """A document with the decisions of both sides, oldest first, and how many of them each has heard of the other's."""

    document_id: UUID
    network: str
    author: str
    type_code: str
    chain: UUID
    position: int
    before: UUID | None
    origin: list[Marks]
    home: list[Decided] = field(default_factory=list)
    known_at_home: int = 0
    known_at_origin: int = 0

    def at(self, network: str) -> Marks | None:
        """The document as a network has it now; nothing where it has not arrived."""
        if network == self.network:
            heard = self.home[self.known_at_origin - 1] if self.known_at_origin else None
            return following(self.origin[-1], len(self.origin), heard)
        if not self.known_at_home:
            return None
        own = self.home[-1] if self.home else None
        return following(self.origin[self.known_at_home - 1], self.known_at_home, own)

    def finally_(self) -> Marks:
        """As everybody has it once each side has heard everything."""
        return following(self.origin[-1], len(self.origin), self.home[-1] if self.home else None)


def following(ours: Marks, version: int, theirs: Decided | None) -> Marks:
    """What holds of what the origin decided, `version` times, and home."""
    if theirs is None:
        return ours
    in_sight = theirs.seen >= version

    def flag(origin: bool, home: bool | None) -> bool:
        if home is None:
            return origin
        return home if in_sight else origin or home

    status = ours.status
    if theirs.status is not None:
        status = theirs.status if in_sight else max(ours.status, theirs.status, key=_STRICT.index)
    if DocumentStatus.DELETED in (ours.status, theirs.status):
        status = DocumentStatus.DELETED
    return Marks(flag(ours.masked, theirs.masked), flag(ours.hidden, theirs.hidden), status)


@dataclass(slots=True)
class Tie:
    """A row of who is let in or kept out: it only ever ends sooner."""

    relation: Relation | None  # null: a block
    subject: str
    since: datetime
    until: datetime | None

    def holds(self, now: datetime) -> bool:
        return self.since <= now and (self.until is None or now < self.until)


class Oracle:
    """The record of one patient."""

    def __init__(self) -> None:
        self.state = DossierState.OPEN
        self.sheets: dict[UUID, Sheet] = {}
        self.ties: dict[UUID, Tie] = {}

    def filed(self, sheet: Sheet) -> None:
        """A document was filed; the marks are those that it was filed with."""
        self.sheets[sheet.document_id] = sheet

    def decided(self, document_id: UUID, network: str, changes: Mapping[str, Any]) -> None:
        """Somebody changed marks there, and a new version was written for it."""
        sheet = self.sheets[document_id]
        now = sheet.at(network)
        assert now is not None, "an act on what is not there was accepted"
        after = replace(now, **changes)
        if network == sheet.network:
            sheet.origin.append(after)
            assert sheet.at(network) == after, "what home decided was loosened where the document is kept"
            return
        last = sheet.home[-1] if sheet.home else Decided(0)
        chosen = {
            name: getattr(after, name) if name in changes or getattr(last, name) is not None else None
            for name in ("masked", "hidden", "status")
        }
        sheet.home.append(Decided(sheet.known_at_home, **chosen))

    def would_loosen(self, document_id: UUID, changes: Mapping[str, Any]) -> bool:
        """Whether, where it is kept, this is less than what home decided."""
        sheet = self.sheets[document_id]
        now = sheet.at(sheet.network)
        assert now is not None
        after = replace(now, **changes)
        heard = sheet.home[sheet.known_at_origin - 1] if sheet.known_at_origin else None
        return following(after, len(sheet.origin) + 1, heard) != after

    def heard_at_home(self, document_id: UUID, version: int) -> None:
        """So many decisions of the origin were committed at home. A version that is new there is no more visible than
        the one before it."""
        sheet = self.sheets[document_id]
        is_new = not sheet.known_at_home
        sheet.known_at_home = max(sheet.known_at_home, version)
        before = self.sheets.get(sheet.before) if sheet.before else None
        if not is_new or before is None or not before.home:
            return
        kept, own = before.home[-1], sheet.origin[sheet.known_at_home - 1]
        masked, hidden = kept.masked and not own.masked, kept.hidden and not own.hidden
        if masked or hidden:
            sheet.home.append(Decided(sheet.known_at_home, masked or None, hidden or None))

    def heard_at_origin(self, document_id: UUID, version: int) -> None:
        """So many decisions of home were committed where the document is kept."""
        sheet = self.sheets[document_id]
        sheet.known_at_origin = max(sheet.known_at_origin, version)

    def tied(self, row_id: UUID, tie: Tie) -> None:
        """Somebody was let in or kept out, or is no more."""
        known = self.ties.setdefault(row_id, tie)
        ends = [each for each in (known.until, tie.until) if each is not None]
        known.until = min(ends, default=None)

    def facts(self, who: Actor, now: datetime) -> Facts:
        """What holds between somebody and the patient: a person is the patient himself."""
        held = [each for each in self.ties.values() if each.subject == who.subject and each.holds(now)]
        relations = {each.relation for each in held if each.relation is not None}
        if who.kind is ActorKind.PERSON:
            relations.add(Relation.PATIENT)
        elif any(self._wrote(who.id)):
            relations.add(Relation.AUTHOR)
        return Facts(
            role=role_of(who.profession, who.kind),
            relations=frozenset(relations),
            blocked=any(each.relation is None for each in held),
            dossier_state=self.state,
            mode=Mode.NORMAL,
            purpose=Purpose.CARE,
            day=now.date(),
        )

    def shown(self, who: str, facts: Facts) -> dict[UUID, DocumentStatus]:
        """The documents that somebody may read, and what each is to him."""
        seen = {
            each.document_id: (each, marks)
            for each in self.sheets.values()
            if decide(facts, Kind.DOCUMENT, Action.READ, _about(each, marks := each.finally_(), who)).allowed
        }
        return {
            each: DocumentStatus.SUPERSEDED
            if any(other.chain == sheet.chain and other.position > sheet.position for other, _ in seen.values())
            else marks.status
            for each, (sheet, marks) in seen.items()
        }

    def opens(self, facts: Facts) -> bool:
        """Whether the record opens to him at all."""
        return decide(facts, Kind.DOSSIER, Action.READ).allowed

    def _wrote(self, who: str) -> Iterator[bool]:
        for each in self.sheets.values():
            yield each.author == who and each.finally_().status is not DocumentStatus.DELETED


def _about(sheet: Sheet, marks: Marks, who: str) -> DocumentFacts:
    return DocumentFacts(
        type_code=sheet.type_code,
        status=marks.status,
        masked=marks.masked,
        hidden_from_patient=marks.hidden,
        hidden_from_representatives=False,
        by_actor=sheet.author == who,
    )
