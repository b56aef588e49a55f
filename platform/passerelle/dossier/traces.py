"""A patient's journal as he reads it: who, from where, when, what, and why that was allowed or refused.

Source: CSP L.1111-19. Whom a document is hidden from does not read of it either: its lines wait until it is shown,
and so does the visit that a representative is not to learn of (`visits`).
The emergencies come first.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import UUID

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.dossier import access, reading, visits
from passerelle.dossier.recorded import Question, answer, question_of
from passerelle.kernel import messages
from passerelle.kernel.clock import PARIS
from passerelle_policies.packs import Overrides, Pack, packs
from passerelle_policies.vocabulary import Action, Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a line came out as it did, to the patient; `source` is the text that the rule comes from."""

    sentence: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """One page, newest first, and the emergencies of the period that it is taken from, a page of them at most.

    The emergencies come with the first page only. Rows are `journal.JournalLine` by name, with `reason`.
    """

    lines: list[dict[str, Any]]
    emergencies: list[dict[str, Any]]


async def read_traces(
    act: Act,
    patient_id: UUID,
    chosen: journal.Chosen,
    *,
    first: int | None = None,
    before_line: int | None = None,
) -> Traces:
    """Read a patient's journal, itself journalled. Refused: ACCESS_REFUSED, PAGE_SIZE_INVALID."""
    await access.require(act, patient_id, Kind.JOURNAL, Action.READ)
    standing = await access.standing_of(act.context, act.connection, patient_id)
    size = reading.page_size(act.context, first)
    hidden, kept = reading.out_of_sight(act, patient_id, standing), visits.for_reader(standing, patient_id)
    lines = await journal.page(
        act.connection,
        patient_id,
        first=size,
        before_line=before_line,
        but_about=hidden,
        but_visits=kept,
        chosen=chosen,
    )
    emergencies: list[journal.JournalLine] = []
    if before_line is None:
        only = replace(chosen, emergencies_only=True)
        emergencies = await journal.page(
            act.connection, patient_id, first=size, but_about=hidden, but_visits=kept, chosen=only
        )
    overrides = act.context.tenant.parameters
    return Traces(
        lines=[told(each, overrides) for each in lines],
        emergencies=[told(each, overrides) for each in emergencies],
    )


def reason_of(line: journal.JournalLine, pack: Pack, overrides: Overrides) -> Reason | None:
    """Asked again of the pack of that day; nothing where the rules had no part in it, or where they say otherwise."""
    said = {name: getattr(line, name) for name in (*journal.ASKED, "facts")}
    question = question_of(said, line.at.astimezone(PARIS).date())
    if isinstance(question, Question):
        decision = answer(question, pack, overrides)
        if decision is not None and decision.allowed == (line.outcome == journal.Outcome.ALLOWED):
            return Reason(sentence=decision.sentence, source=decision.source)
    named = pack.line(line.rule)
    return Reason(sentence=named.sentence, source=named.source) if named else None


def sentence_of(kind: str, action: str, outcome: str, rule: str) -> str:
    """What a line says, in French, to the patient."""
    if outcome != journal.Outcome.ALLOWED:
        return messages.sentence("JOURNAL_REFUSED", {})
    by_rule = f"JOURNAL_BY_RULE_{rule}".replace("-", "_").upper()
    return messages.sentence(by_rule if by_rule in messages.catalogue() else f"JOURNAL_{kind}_{action}".upper(), {})


def told(line: journal.JournalLine, overrides: Overrides) -> dict[str, Any]:
    """A line by name, with its `reason`."""
    pack = next((each for each in packs() if each.name == line.pack), None)
    return {**asdict(line), "reason": reason_of(line, pack, overrides) if pack else None}
