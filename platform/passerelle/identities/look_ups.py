"""Looking an identity up, by exact INS or by enough traits, never by browsing.

Sources: CSP L.1111-8-1; référentiel INS (arrêté of 27 May 2021). Each look-up is a journal line, and the lines of the
last hour are the counter (`patient_lookup.per_hour`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    DateTime,
    Integer,
    Text,
    bindparam,
    cast,
    func,
    literal,
    not_,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB

from passerelle.audit import journal
from passerelle.audit.transactions import Act
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus, Ins
from passerelle.identities.patients import Patient, Traits, folded
from passerelle.identities.tables import patient
from passerelle.kernel.clock import legal_day
from passerelle.kernel.context import Context
from passerelle.kernel.errors import InvalidInput, Refused, TryLater
from passerelle_policies.decision import Decision
from passerelle_policies.packs import pack_on
from passerelle_policies.vocabulary import Action, Kind

_HOUR, _PER_HOUR = timedelta(hours=1), "patient_lookup.per_hour"


async def find_by_ins(act: Act, ins: Ins) -> Patient | None:
    """The patient who holds exactly this INS, or nothing. Journalled and counted either way.

    Refused: PATIENT_LOOKUP_TOO_MANY (`TryLater`) past the hourly count, ACCESS_REFUSED by the matrix.
    """
    decision = await _may_look_up(act)
    key = patients.person_key(act.context, ins)
    row = (await act.connection.execute(patients.who_is(literal(key)))).one_or_none()
    await journal.append(
        act.connection, act.context, patients.line(decision, Action.FIND, row.patient_id if row else journal.NOBODY)
    )
    return patients.patient_of(row) if row else None


async def find_by_traits(act: Act, traits: Traits) -> Patient | None:
    """The one patient with these traits, or nothing.

    Refused: TRAITS_NOT_ENOUGH when fewer than the rule's minimum are given or when several patients answer
    (how many is not said), and as `find_by_ins`.
    """
    decision = await _may_look_up(act)
    given = [traits.family_name, traits.birth_date, " ".join(traits.given_names), traits.sex, traits.birth_place]
    minimum = _number(act.context, "patient_lookup.minimum_traits")
    if not (traits.family_name and traits.birth_date) or sum(1 for each in given if each) < minimum:
        raise InvalidInput("TRAITS_NOT_ENOUGH")
    wanted = select(patient).where(
        patient.c.search_name == folded(traits.family_name), patient.c.birth_date == traits.birth_date
    )
    if traits.sex:
        wanted = wanted.where(patient.c.sex == traits.sex)
    if traits.birth_place:
        wanted = wanted.where(patient.c.birth_place == traits.birth_place)
    rows = (await act.connection.execute(wanted.limit(20))).all()
    if traits.given_names:
        first = folded(traits.given_names[0])
        rows = [row for row in rows if first in {folded(name) for name in row.given_names}]
    if len(rows) > 1:
        ambiguous = replace(decision, allowed=False, code="TRAITS_NOT_ENOUGH")
        raise Refused("TRAITS_NOT_ENOUGH", line=patients.line(ambiguous, Action.FIND, journal.NOBODY))
    found = rows[0] if rows else None
    await journal.append(
        act.connection, act.context, patients.line(decision, Action.FIND, found.patient_id if found else journal.NOBODY)
    )
    return patients.patient_of(found) if found else None


async def register_and_show(
    act: Act, identifiers: Sequence[Ins], traits: Traits, status: IdentityStatus, *, source: str
) -> Patient:
    """`register`, then give the whole identity: what is given back may be of someone already known.

    It is therefore a look-up as well, journalled, counted and refused as one.
    """
    decision = await _may_look_up(act)
    patient_id = await patients.register(act, identifiers, traits, status, source=source)
    await journal.append(act.connection, act.context, patients.line(decision, Action.FIND, patient_id))
    return patients.patient_of(
        (await act.connection.execute(select(patient).where(patient.c.patient_id == patient_id))).one()
    )


@dataclass(frozen=True, slots=True)
class LookUp:
    """`find_by_ins` as one statement: `found` has one row, with the columns of `identity` and `too_many`."""

    found: CTE
    journal_line: CTE


def look_up() -> LookUp:
    """Count, limit, look-up and journal line in one; past the hourly count no line is written.

    Bind values in `look_up_parameters`.
    """
    actor_id, since = (
        bindparam("journal_actor_id", type_=Text()),
        bindparam("look_up_since", type_=DateTime(timezone=True)),
    )
    counted = journal.counted_by_actor(actor_id, Action.FIND, since).scalar_subquery()
    limit = bindparam("look_up_limit", type_=Integer())
    sought = patients.who_is(bindparam("look_up_person_key", type_=Text())).subquery("sought")
    asked = select((counted >= limit).label("too_many")).cte("asked")
    found = (
        select(asked.c.too_many, *sought.c).select_from(asked.outerjoin(sought, not_(asked.c.too_many))).cte("found")
    )
    line = journal.written_by(
        found,
        unless=found.c.too_many,
        patient_id=func.coalesce(found.c.patient_id, journal.NOBODY),
        kind=literal(Kind.PATIENT.value),
        action=literal(Action.FIND.value),
        outcome=literal(journal.Outcome.ALLOWED.value),
        rule=bindparam("look_up_rule", type_=Text()),
        pack=bindparam("look_up_pack", type_=Text()),
        facts=cast(literal("{}"), JSONB()),
    )
    return LookUp(found, line)


def look_up_parameters(context: Context, ins: Ins) -> dict[str, Any]:
    """Values for the bind parameters of `look_up`. Refused, with the line to be journalled: ACCESS_REFUSED."""
    decision = patients.decided(context, Action.FIND)
    return {
        **journal.parameters(context),
        "look_up_since": context.clock.now() - _HOUR,
        "look_up_limit": _number(context, _PER_HOUR),
        "look_up_person_key": patients.person_key(context, ins),
        "look_up_rule": decision.rule,
        "look_up_pack": decision.pack,
    }


def too_many_look_ups(context: Context) -> TryLater:
    """Past the hourly count."""
    limit = _number(context, _PER_HOUR)
    return TryLater("PATIENT_LOOKUP_TOO_MANY", retry_after=int(_HOUR.total_seconds()), limit=limit)


async def _may_look_up(act: Act) -> Decision:
    decision = patients.decided(act.context, Action.FIND)
    limit = _number(act.context, _PER_HOUR)
    if await journal.count_by_actor(act.connection, act.context, Action.FIND, _HOUR) >= limit:
        raise too_many_look_ups(act.context)
    return decision


def _number(context: Context, name: str) -> int:
    return pack_on(legal_day(context.clock)).number(name, context.tenant.parameters)
