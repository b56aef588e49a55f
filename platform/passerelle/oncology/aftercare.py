"""The aftercare plan (PPAC) of a patient: begun, written, handed to him with its reminders, revised.

Sources: plan cancer 2009-2013, measure 25; CSP L.1110-4. Decision 0127. What it reminds of is told by `reminders`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import date
from typing import Final
from uuid import UUID

from dateutil.relativedelta import relativedelta

from passerelle.audit.transactions import Act
from passerelle.dossier import access as dossier_access
from passerelle.dossier import publishing
from passerelle.dossier.formats import values
from passerelle.dossier.formats.cda import read_cda
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded
from passerelle.oncology import plan_header, plan_versions, reminders
from passerelle.oncology.aftercare_plan import TITLE, AftercarePlan, Contact, Step, days_of
from passerelle.oncology.formats import ppac
from passerelle.oncology.plan_versions import CarePlanKind, Plan
from passerelle_policies.vocabulary import Action

_KIND: Final = CarePlanKind.AFTERCARE_PLAN


async def begin(act: Act, patient_id: UUID, case_id: UUID | None = None) -> Plan:
    """Begin an aftercare plan, of a case or of none. Refused: as `plan_versions.may_begin`."""
    plan_id = await plan_versions.may_begin(act, patient_id, _KIND, case_id)
    return await plan_versions.begun(act, patient_id, plan_id, _KIND, case_id, AftercarePlan().to_json())


async def write(act: Act, patient_id: UUID, plan_id: UUID, revision: int, said: AftercarePlan) -> Plan:
    """Write the whole plan. Refused: as `plan_versions.draft`, and as `checked`."""
    draft = await plan_versions.draft(act, patient_id, plan_id, _KIND, revision)
    return await plan_versions.written(act, draft, checked(act, said).to_json())


async def issue(act: Act, patient_id: UUID, plan_id: UUID, revision: int) -> Plan:
    """Hand a draft to the patient: filed in his record in the place of the version before, locked, and he will be
    reminded of each step that is to come. What the version before reminded of ends.

    Refused: as `plan_versions.draft`; PLAN_EMPTY, as `plan_header.draft_header`, and what
    `publishing.publish` refuses.
    """
    draft = await plan_versions.draft(act, patient_id, plan_id, _KIND, revision, Action.PUBLISH)
    content = AftercarePlan.from_json(draft.content)
    if not content.steps:
        raise Conflict("PLAN_EMPTY")
    begun = await plan_header.draft_header(act, patient_id, plan_id, TITLE)
    header = await plan_header.issued_header(act, draft, begun)
    years = _years(act)
    octets = await asyncio.to_thread(ppac.written, header, content, years)
    filed = await publishing.publish(act, patient_id, read_cda(octets), succeeds=draft.version > 1)
    done = await plan_versions.issued(act, draft, content.to_json(), filed)
    await reminders.renew(act, patient_id, plan_id, {day for each in content.steps for day in days_of(each, years)})
    return done


async def revise(act: Act, patient_id: UUID, plan_id: UUID) -> Plan:
    """Begin the next version of an issued plan, which says the same until it is written.

    Refused: as `plan_versions.newest`; PLAN_NOT_ISSUED.
    """
    issued = await plan_versions.newest(act, patient_id, plan_id, _KIND, Action.WRITE)
    return await plan_versions.revised(act, issued, issued.content)


def checked(act: Act, said: AftercarePlan) -> AftercarePlan:
    """What was said, as it is kept.

    Refused: AFTERCARE_STEPS_TOO_MANY, AFTERCARE_LISTS_TOO_LONG, AFTERCARE_STEP_EMPTY, AFTERCARE_STEP_RHYTHM,
    AFTERCARE_STEP_REVERSED, AFTERCARE_STEP_ONCE, AFTERCARE_TOO_FAR, AFTERCARE_DAYS_TOO_MANY, AFTERCARE_CONTACT_EMPTY,
    PLAN_DAY_MALFORMED, VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    most = dossier_access.number(act.context, "oncology.aftercare_steps_max")
    if len(said.steps) > most:
        raise LimitExceeded("AFTERCARE_STEPS_TOO_MANY", limit=most)
    if len(said.contacts) > most or len(said.warning_signs) > most:
        raise LimitExceeded("AFTERCARE_LISTS_TOO_LONG", limit=most)
    years = _years(act)
    steps = tuple(_step(act, each, years) for each in said.steps)
    days = dossier_access.number(act.context, "oncology.aftercare_days_max")
    if sum(len(days_of(each, years)) for each in steps) > days:
        raise LimitExceeded("AFTERCARE_DAYS_TOO_MANY", limit=days)
    return AftercarePlan(
        steps=steps,
        contacts=tuple(_contact(each) for each in said.contacts),
        warning_signs=tuple(_texts(said.warning_signs)),
        comment=values.text(said.comment, "comment"),
    )


def _years(act: Act) -> int:
    return dossier_access.number(act.context, "oncology.aftercare_years_max")


def _step(act: Act, given: Step, years: int) -> Step:
    what = values.text(given.what, "what")
    if what is None:
        raise InvalidInput("AFTERCARE_STEP_EMPTY")
    first, until = _day(given.first_on), _day(given.until) if given.until is not None else None
    if given.every_months is None and until is not None:
        raise InvalidInput("AFTERCARE_STEP_ONCE")
    if given.every_months is not None and given.every_months < 1:
        raise InvalidInput("AFTERCARE_STEP_RHYTHM")
    if until is not None and until < first:
        raise InvalidInput("AFTERCARE_STEP_REVERSED")
    horizon = legal_day(act.context.clock) + relativedelta(years=years)
    if (given.every_months or 0) > 12 * years or max(first, until or first) > horizon:
        raise LimitExceeded("AFTERCARE_TOO_FAR", limit=years)
    return Step(
        what=what,
        who=values.text(given.who, "who"),
        first_on=first.isoformat(),
        every_months=given.every_months,
        until=until.isoformat() if until else None,
    )


def _day(given: str) -> date:
    try:
        return date.fromisoformat(given)
    except ValueError as broken:
        raise InvalidInput("PLAN_DAY_MALFORMED") from broken


def _contact(given: Contact) -> Contact:
    name, reach = values.text(given.name, "name"), values.text(given.reach, "reach")
    if name is None or reach is None:
        raise InvalidInput("AFTERCARE_CONTACT_EMPTY")
    return Contact(name=name, reach=reach, role=values.text(given.role, "role"))


def _texts(given: Iterable[str]) -> Iterable[str]:
    return filter(None, (values.text(each, "warningSign") for each in given))
