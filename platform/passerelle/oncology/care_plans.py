"""The care plan (programme personnalisé de soins, PPS) of a patient: begun, written, handed to him, revised.

The draft that an approved sheet gives is `plan_drafting`; the versions are `plan_versions`. Sources: plan cancer 2003,
measure 40 (the patient is given his plan); CSP L.1110-4; CI-SIS, volet CANCER-PPS 2025.01. Decision 0127.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final
from uuid import UUID

from passerelle.audit.transactions import Act
from passerelle.dossier import publishing
from passerelle.dossier.formats.cda import read_cda
from passerelle.dossier.formats.submission import IncomingDocument
from passerelle.kernel.clock import legal_day
from passerelle.kernel.errors import Conflict, InvalidInput
from passerelle.oncology import plan_header, plan_lines, plan_status, plan_versions, sheet_fields
from passerelle.oncology.care_plan import CarePlan, is_section
from passerelle.oncology.coded import Code
from passerelle.oncology.formats import pps, schemas
from passerelle.oncology.formats.conformity import Finding
from passerelle.oncology.formats.rules.shapes import DocumentKind
from passerelle.oncology.plan_derivation import IN_PROGRESS, TITLE, derived_from
from passerelle.oncology.plan_items import items
from passerelle.oncology.plan_lines import Coded, Line
from passerelle.oncology.plan_versions import CarePlanKind, Plan
from passerelle_policies.vocabulary import Action

APPROVED: Final = "9571008"
_REFERENCED: Final = "1.2.250.1.213.1.1.2.55"
_POINTS_TOLD: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a plan that no sheet gives begins with. `topography` is a code of the CIM-10; `board_on` the day of the
    board that it follows, where one met elsewhere."""

    topography: Coded
    morphology: Coded | None = None
    by_screening: bool = False
    is_child: bool = False
    board_on: date | None = None


async def begin(act: Act, patient_id: UUID, said: Beginning, case_id: UUID | None = None) -> Plan:
    """Begin a care plan by hand, of a case or of none.

    Refused: as `plan_versions.may_begin`; PLAN_DIAGNOSIS_MISSING, PLAN_BOARD_DAY_LATER, VALUE_TOO_LONG,
    VALUE_MALFORMED, PLACE_MISSING, PATIENT_UNKNOWN.
    """
    topography, morphology = plan_lines.code_of(said.topography), plan_lines.code_of(said.morphology)
    if topography is None:
        raise InvalidInput("PLAN_DIAGNOSIS_MISSING")
    if said.board_on is not None and said.board_on > legal_day(act.context.clock):
        raise InvalidInput("PLAN_BOARD_DAY_LATER")
    plan_id = await plan_versions.may_begin(act, patient_id, CarePlanKind.CARE_PLAN, case_id)
    header = await plan_header.draft_header(act, patient_id, plan_id, TITLE)
    # A sheet that answers this much gives the plan the same sections as one of a board would.
    tumour: dict[str, Code] = {"topography": topography, **({"morphology": morphology} if morphology else {})}
    sheet = sheet_fields.put(
        sheet_fields.begun(header), tumours=[tumour], screening=said.by_screening, paediatric_board=said.is_child
    )
    author, created = header.authors[0], header.created
    plan = derived_from(
        sheet,
        id=header.id,
        set_id=plan_header.set_id(plan_id),
        author=author,
        created=(created.value if created else None) or "",
    )
    plan = replace(plan, sections=tuple(each for each in plan.sections if not is_section(each, _REFERENCED)))
    plan = plan_status.without(plan, plan_status.BOARD_DAY)
    if said.board_on is not None:
        plan = plan_status.decided_on(plan, f"{said.board_on:%Y%m%d}")
    return await plan_versions.begun(act, patient_id, plan_id, CarePlanKind.CARE_PLAN, case_id, plan.to_json())


async def write(act: Act, patient_id: UUID, plan_id: UUID, revision: int, lines: Sequence[Line]) -> Plan:
    """Write what is planned. Refused: as `plan_versions.draft`, and as `plan_lines.with_lines`."""
    draft = await plan_versions.draft(act, patient_id, plan_id, CarePlanKind.CARE_PLAN, revision)
    content = await plan_lines.with_lines(act, CarePlan.from_json(draft.content), lines)
    return await plan_versions.written(act, draft, content.to_json())


async def issue(act: Act, patient_id: UUID, plan_id: UUID, revision: int) -> Plan:
    """Hand a draft to the patient: filed in his record as CANCER-PPS, in the place of the version before, and locked.
    A colleague who may hand it out takes over from who handed out that version.

    Refused: as `plan_versions.draft`; PLAN_EMPTY, PLAN_NOT_CONFORM with what breaks a rule, as
    `plan_header.issued_header`, and what `publishing.publish` refuses.
    """
    draft = await plan_versions.draft(act, patient_id, plan_id, CarePlanKind.CARE_PLAN, revision, Action.PUBLISH)
    content = CarePlan.from_json(draft.content)
    if not items(content):
        raise Conflict("PLAN_EMPTY")
    header = await plan_header.issued_header(act, draft, content.header)
    day = f"{legal_day(act.context.clock):%Y%m%d}"
    content = plan_status.in_state(replace(content, header=header), APPROVED, day)
    content = plan_status.handed_over(content, day, header.authors[0])
    document, findings = await asyncio.to_thread(_checked, content)
    if findings:
        points = dict.fromkeys(each.message.rstrip(".") for each in findings)
        raise Conflict("PLAN_NOT_CONFORM", points=" ; ".join([*points][:_POINTS_TOLD]))
    filed = await publishing.publish(act, patient_id, document, succeeds=draft.version > 1)
    return await plan_versions.issued(act, draft, content.to_json(), filed)


async def revise(act: Act, patient_id: UUID, plan_id: UUID) -> Plan:
    """Begin the next version of an issued plan, which says the same until it is written.

    Refused: as `plan_versions.newest`; PLAN_NOT_ISSUED.
    """
    issued = await plan_versions.newest(act, patient_id, plan_id, CarePlanKind.CARE_PLAN, Action.WRITE)
    content = plan_status.without(CarePlan.from_json(issued.content), plan_status.HANDED)
    content = plan_status.in_state(content, IN_PROGRESS, f"{legal_day(act.context.clock):%Y%m%d}")
    return await plan_versions.revised(act, issued, content.to_json())


def _checked(content: CarePlan) -> tuple[IncomingDocument, tuple[Finding, ...]]:
    octets = pps.written(content)
    return read_cda(octets), schemas.check(octets, DocumentKind.CARE_PLAN)
