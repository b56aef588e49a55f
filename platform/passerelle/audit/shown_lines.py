"""Which lines of a journal a reader is shown, as conditions on a row of `journal` or of what has its columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, DateTime, Select, Text, and_, bindparam, exists, func, literal, not_, or_

from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode

#: In the facts of a line: the network where it happened, when that is not this one; the number of a line that it wrote.
NETWORK: Final = "network"
LINE: Final = "line_elsewhere"


def is_copy(entry: Any) -> ColumnElement[bool]:
    """SQL condition: another network wrote the line (`lines_elsewhere`), and counts it."""
    found: ColumnElement[bool] = entry.c.facts.has_key(LINE)
    return found


def is_emergency(entry: Any) -> ColumnElement[bool]:
    """SQL condition: the line is of an access in an emergency."""
    return or_(entry.c.mode != Mode.NORMAL.value, entry.c.action == Action.BREAK_GLASS.value)


def is_not_about(entry: Any, documents: Select[Any]) -> ColumnElement[bool]:
    """SQL condition: the line tells of none of the documents whose ids are selected, nor of one that was refused and
    would have been hidden from the patient or from his representatives: there is no document that will show it."""
    about = entry.c.facts["document"]
    is_hidden = or_(*(about[each].as_boolean() for each in ("hidden_from_patient", "hidden_from_representatives")))
    is_plain = and_(entry.c.document_id.is_(None), func.coalesce(is_hidden, literal(False)).is_(False))
    is_filed = and_(entry.c.document_id.is_not(None), entry.c.document_id.not_in(documents))
    return or_(is_plain, is_filed)


def is_no_visit(entry: Any, visits: Select[Any], *, even_emergencies: bool = False) -> ColumnElement[bool]:
    """SQL condition: the line is of none of the visits selected (`actor_id`, `since`, `until`), save emergencies
    unless told otherwise."""
    visit = visits.subquery()
    is_visit = exists().where(
        visit.c.actor_id == entry.c.actor_id, entry.c.at >= visit.c.since, entry.c.at < visit.c.until
    )
    return not_(is_visit) if even_emergencies else or_(is_emergency(entry), not_(is_visit))


def is_of_other_kinds(entry: Any, kinds: Iterable[Kind]) -> ColumnElement[bool]:
    """SQL condition: nothing of these kinds was asked for."""
    kind: ColumnElement[str] = entry.c.kind
    return kind.not_in(sorted(kinds))


def is_chosen(entry: Any) -> ColumnElement[bool]:
    """`journal.Chosen.condition`, for a statement that is made once: its values are bind parameters `chosen_*`."""
    since, until = (bindparam(f"chosen_{name}", type_=DateTime(timezone=True)) for name in ("since", "until"))
    rpps = bindparam("chosen_rpps", type_=Text())
    is_of_him = and_(entry.c.actor_kind == ActorKind.PROFESSIONAL.value, entry.c.actor_id == rpps)
    return and_(
        or_(since.is_(None), entry.c.at >= since),
        or_(until.is_(None), entry.c.at < until),
        or_(rpps.is_(None), is_of_him),
        or_(not_(bindparam("chosen_emergencies_only", type_=Boolean())), is_emergency(entry)),
    )
