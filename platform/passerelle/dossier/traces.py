"""A patient's journal as he reads it: who, from where, when, what, and why that was allowed or refused.

Source: CSP L.1111-19. Whom a document is hidden from does not read of it either: its lines wait until it is shown,
and so does the visit that a representative is not to learn of (`visits`). Of the pharmacy record, which the attending
physician does not read, the journal is the patient's and his representatives' alone (L.1111-23).
The emergencies come first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Integer, Select, and_, bindparam, not_, or_, select, union_all

from passerelle.audit import asked_again, journal, shown_lines
from passerelle.audit.transactions import Act
from passerelle.dossier import access, judging, reading, visits
from passerelle.dossier.judging import Judged
from passerelle.dossier.recorded import Question, answer, question_of
from passerelle.kernel import messages
from passerelle.kernel.clock import PARIS
from passerelle.kernel.context import Context
from passerelle_policies.packs import Overrides, packs
from passerelle_policies.vocabulary import PHARMACY_KINDS, Action, Kind, Relation


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
    kinds = kinds_kept_from(standing)
    lines = await journal.page(
        act.connection,
        patient_id,
        first=size,
        before_line=before_line,
        but_about=hidden,
        but_visits=kept,
        but_kinds=kinds,
        chosen=chosen,
    )
    emergencies: list[journal.JournalLine] = []
    if before_line is None:
        only = replace(chosen, emergencies_only=True)
        emergencies = await journal.page(
            act.connection,
            patient_id,
            first=size,
            but_about=hidden,
            but_visits=kept,
            but_kinds=kinds,
            chosen=only,
        )
    overrides = act.context.tenant.parameters
    return Traces(
        lines=[told(each, overrides) for each in lines],
        emergencies=[told(each, overrides) for each in emergencies],
    )


def kinds_kept_from(standing: access.Standing) -> frozenset[Kind]:
    """What was asked for in the lines that this reader is not shown, whoever asked."""
    return PHARMACY_KINDS if _OWN.isdisjoint(standing.facts.relations) else frozenset()


_OWN: Final = frozenset({Relation.PATIENT, Relation.REPRESENTATIVE})
#: The columns of a line that its reason is made of, with the legal day on which it was written.
ASKED = (*asked_again.ASKED, "facts")
#: What stands in `facts` beside what was decided on: words that somebody wrote, and where a line is from.
WORDS = ("reason", "motive", shown_lines.NETWORK, shown_lines.LINE)


def reason_of(said: Mapping[str, Any], day: date, overrides: Overrides) -> Reason | None:
    """Asked again of the pack of that day; nothing where the rules had no part in it, or where they say otherwise.

    `said` has the columns `ASKED`.
    """
    pack = next((each for each in packs() if each.name == said["pack"]), None)
    if pack is None:
        return None
    question = question_of(said, day)
    if isinstance(question, Question):
        decision = answer(question, pack, overrides)
        if decision is not None and decision.allowed == (said["outcome"] == journal.Outcome.ALLOWED):
            return Reason(sentence=decision.sentence, source=decision.source)
    named = pack.line(said["rule"])
    return Reason(sentence=named.sentence, source=named.source) if named else None


def sentence_of(kind: str, action: str, outcome: str, rule: str) -> str:
    """What a line says, in French, to the patient."""
    if outcome != journal.Outcome.ALLOWED:
        return messages.sentence("JOURNAL_REFUSED", {})
    by_rule = f"JOURNAL_BY_RULE_{rule}".replace("-", "_").upper()
    return messages.sentence(by_rule if by_rule in messages.catalogue() else f"JOURNAL_{kind}_{action}".upper(), {})


def told(line: journal.JournalLine, overrides: Overrides) -> dict[str, Any]:
    """A line by name, with its `reason`."""
    said = asdict(line)
    return {**said, "reason": reason_of(said, line.at.astimezone(PARIS).date(), overrides)}


@dataclass(frozen=True, slots=True, kw_only=True)
class TracesRead:
    """A journal being read in one statement: `lines` and `emergencies` have the columns of `JournalLine`, newest first.

    Both hold the line of this very reading, which the statement wrote and could not select.
    """

    judged: Judged
    lines: Select[Any]
    emergencies: Select[Any]


def traces_read() -> TracesRead:
    """`read_traces` as selectables; bind values in `traces_parameters`."""
    judged = judging.judged(Kind.JOURNAL, *journal.JournalLine.__dataclass_fields__)
    before = bindparam("before_line", type_=BigInteger())
    journal_lines, is_new = journal.lines(), judged.journal_line
    of_patient = and_(journal_lines.c.patient_id == judged.patient_id, judged.is_allowed())
    # Each is asked for in both lists: as a CTE it is planned once.
    unseen = reading.out_of_sight_in_sql(judged.facts).cte("unseen")
    unseen_visits = visits.out_of_sight(judged.patient_id).cte("unseen_visit")

    def shown(entry: Any, *conditions: ColumnElement[bool]) -> Select[Any]:
        is_representative = and_(
            access.holds(judged.facts, Relation.REPRESENTATIVE), not_(access.holds(judged.facts, Relation.PATIENT))
        )
        is_own = or_(*(access.holds(judged.facts, each) for each in sorted(_OWN)))
        return select(*(entry.c[name] for name in journal.JournalLine.__dataclass_fields__)).where(
            shown_lines.is_not_about(entry, select(unseen.c.document_id)),
            or_(not_(is_representative), shown_lines.is_no_visit(entry, select(unseen_visits))),
            or_(is_own, shown_lines.is_of_other_kinds(entry, PHARMACY_KINDS)),
            shown_lines.is_chosen(entry),
            *conditions,
        )

    def newest(*conditions: Callable[[Any], ColumnElement[bool]]) -> Select[Any]:
        size = bindparam("page_size", type_=Integer())
        kept = shown(journal_lines, of_patient, *(each(journal_lines) for each in conditions))
        own = shown(is_new, judged.is_allowed(), *(each(is_new) for each in conditions))
        both = union_all(select(kept.order_by(journal_lines.c.line_id.desc()).limit(size).subquery()), own).subquery()
        return select(both).order_by(both.c.line_id.desc()).limit(size)

    return TracesRead(
        judged=judged,
        lines=newest(lambda entry: or_(before.is_(None), entry.c.line_id < before)),
        emergencies=newest(lambda _entry: before.is_(None), shown_lines.is_emergency),
    )


def traces_parameters(
    context: Context, patient_id: UUID, chosen: journal.Chosen, *, first: int | None, before_line: int | None
) -> dict[str, Any]:
    """Every bind value of `traces_read`. Refused: PAGE_SIZE_INVALID."""
    return {
        **judging.parameters(context, Kind.JOURNAL, patient_id),
        **chosen.parameters(),
        "page_size": reading.page_size(context, first),
        "before_line": before_line,
    }
