"""The care plan that the decision of a board gives: what it proposed, ready to be completed with the patient.

Source: loi n° 2014-1554, plan cancer (PPS remis au patient après la RCP); CI-SIS, volets CANCER-FRCP and CANCER-PPS,
whose shared sections (diagnosis, discovery, phase) have the same form in both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from passerelle.oncology import sheet_fields
from passerelle.oncology.answers import Answer
from passerelle.oncology.care_plan import CarePlan
from passerelle.oncology.coded import (
    CISIS,
    LOINC,
    Code,
    Element,
    Id,
    Link,
    Moment,
    Participation,
    Section,
    Statement,
    Time,
    Value,
    Words,
    unreferenced,
)
from passerelle.oncology.header import Act, Encounter, Header
from passerelle.oncology.plan_items import SECTIONS, TREATING, Kind, PlanItem, new_section, with_items
from passerelle.oncology.plan_status import decided_on, in_state
from passerelle.oncology.sheet import ATTENDING, CARE_TEAM, BoardSheet
from passerelle.oncology.sheet_making import identified
from passerelle.oncology.sheet_paths import section_of

TITLE: Final = "Programme personnalisé de soins en cancérologie"
IN_PROGRESS: Final = "385651009"
_NCIT: Final = "2.16.840.1.113883.3.26.1.1"
_SNOMED: Final = "2.16.840.1.113883.6.96"
_SUPPORT_CARE: Final = frozenset({"C15747", "C15252"})
"""Supportive and palliative care: proposals of a board that are support care in a plan."""
_OTHER_CARE: Final = Code(code="GEN-092.04.07", system=CISIS, label="Autre soins de support")
_OTHER_TREATMENT: Final = Code(code="GEN-092.03.01", system=CISIS, label="Autre(s) traitement(s)")
_AS_PLANNED: Final = {
    "C547": Code(code="C15445", system=_NCIT, label="hormonothérapie"),
    "GEN-092.03.02": _OTHER_TREATMENT,
}
"""Treatments of a sheet that the value set of the plan (JDV_TypeTraitement-PPS) names otherwise."""
_OTHER_FOLLOW_UP: Final = Code(code="GEN-092.04.06", system=CISIS, label="Autre type de suivi")
_SURVEILLANCE: Final = Code(code="MED-226", system=CISIS, label="Surveillance seule")
_SHARED: Final = ("diagnosis", "discovery", "progression")


def derived_from(sheet: BoardSheet, *, id: Id, set_id: Id, author: Participation, created: str) -> CarePlan:  # noqa: A002
    """The plan that the decision of a sheet gives, in progress, to be completed by `author`.

    In: the sheet, the identifiers of the new document, who writes it, when (HL7 time). Out: treatments in the order
    proposed with their dates and words, support care, requests and surveillance as follow-up; diagnosis, discovery and
    phase as the board had them; the sheet as referenced document; the people who care for the patient.
    """
    header = _header(sheet, id, set_id, author, created)
    sections = [each for name in _SHARED if (each := section_of(sheet, name)) is not None]
    plan = CarePlan(
        header=header,
        sections=(
            new_section(header, TREATING, SECTIONS[TREATING][0]),
            _paediatric(sheet, header),
            *map(unreferenced, sections),
            _reference(sheet, header),
        ),
    )
    day = created[:8]
    plan = in_state(decided_on(plan, _board_day(sheet) or day), IN_PROGRESS, day)
    return with_items(plan, _lines(sheet))


def _lines(sheet: BoardSheet) -> Iterator[PlanItem]:
    for each in sorted(sheet_fields.items(sheet, "proposals"), key=lambda it: _rank(it.get("rank"))):
        treatment = each.get("treatment")
        if not isinstance(treatment, Code):
            continue
        is_support = treatment.code in _SUPPORT_CARE
        what = _OTHER_CARE if is_support else _AS_PLANNED.get(treatment.code or "", _bare(treatment))
        yield PlanItem(
            kind=Kind.SUPPORT_CARE if is_support else Kind.TREATMENT,
            what=what,
            words=_words(each.get("precision")),
            rank=_words(each.get("rank")),
            planned_from=_words(each.get("starts")),
            planned_to=_words(each.get("ends")),
        )
    surveillance = _words(sheet_fields.answer(sheet, "surveillance"))
    if surveillance:
        yield PlanItem(kind=Kind.TREATMENT, what=_SURVEILLANCE, words=surveillance)
    for each in sheet_fields.items(sheet, "requests"):
        yield PlanItem(
            kind=Kind.FOLLOW_UP,
            what=_OTHER_FOLLOW_UP,
            words=_words(each.get("requested")),
            planned_from=_words(each.get("earliest")),
            planned_to=_words(each.get("latest")),
        )


def _rank(answer: Answer | None) -> tuple[bool, int]:
    given = str(answer or "").strip()
    return (False, int(given)) if given.isascii() and given.isdigit() else (True, 0)


def _words(answer: Answer | None) -> str | None:
    return answer if isinstance(answer, str) else None


def _bare(code: Code) -> Code:
    return Code(code=code.code, system=code.system, label=code.label, system_name=code.system_name)


def _board_day(sheet: BoardSheet) -> str | None:
    acts = [each.time for each in sheet.header.acts if each.time]
    encounter = sheet.header.encounter
    for time in (*([encounter.time] if encounter and encounter.time else []), *acts):
        if time.start:
            return time.start[:8]
    return None


def _header(sheet: BoardSheet, document: Id, set_id: Id, author: Participation, created: str) -> Header:
    given = sheet.header
    writes = replace(author, part="author", type_code=None, entity_class=None, time=Time(value=created), function=None)
    performs = replace(writes, part="performer", type_code="PRF", time=None)
    facility = given.encounter.facility if given.encounter else None
    return Header(
        id=document,
        set_id=set_id,
        version=1,
        title=TITLE,
        created=Moment(value=created),
        patient=given.patient,
        authors=(writes,),
        informants=given.informants,
        custodian=given.custodian,
        legal_authenticator=replace(writes, part="legalAuthenticator", signature="S"),
        participants=tuple(_caring(sheet)),
        acts=(Act(time=Time(low=Moment(value=created)), performers=(performs,)),),
        encounter=Encounter(time=Time(low=Moment(value=created)), facility=facility),
    )


def _caring(sheet: BoardSheet) -> Iterator[Participation]:
    """Who cares for the patient: his attending physician, who asked for the opinion, the correspondents; each once."""
    if sheet.attending_physician:
        yield sheet.attending_physician
    team = Code(code=CARE_TEAM, system="1.2.250.1.213.1.6.1.107", label="Membre de l'équipe de soins")
    seen: set[tuple[Id, ...]] = set()
    for each in (sheet.requester, *sheet.correspondents):
        if each is not None and each.ids not in seen and (each.function is None or each.function.code != ATTENDING):
            seen.add(each.ids)
            yield replace(each, type_code="PRF", function=team)


def _paediatric(sheet: BoardSheet, header: Header) -> Section:
    """Whether the plan is a child's: the reason for referral of a care plan says just this."""
    is_child = sheet_fields.answer(sheet, "paediatric_board") is True
    asked = Statement(
        kind="observation",
        class_code="OBS",
        mood="EVN",
        templates=_ids("1.3.6.1.4.1.19376.1.5.3.1.4.13", "1.2.250.1.213.1.1.3.48"),
        ids=(identified(header, "pediatrie"),),
        code=Code(code="ORG-116", system=CISIS, label="Pédiatrie", system_name="TerminologieCISIS"),
        status="completed",
        times=(Time(null_flavor="NA"),),
        values=(Value(type="BL", value="true" if is_child else "false"),),
    )
    reason = Code(code="42349-1", system=LOINC, label="Raison de la recommandation", original=Words(text="Pédiatrie"))
    problem = Statement(
        kind="observation",
        class_code="OBS",
        mood="EVN",
        templates=_ids("2.16.840.1.113883.10.20.1.28", "1.3.6.1.4.1.19376.1.5.3.1.4.5", "1.2.250.1.213.1.1.3.37"),
        ids=(identified(header, "pediatrie", "motif"),),
        code=Code(code="55607006", system=_SNOMED, label="problème"),
        status="completed",
        times=(Time(low=Moment(null_flavor="UNK")),),
        values=(Value(type="CD", code=reason),),
    )
    return Section(
        code=Code(code="42349-1", system=LOINC, label="Raison de la recommandation"),
        templates=_ids("1.2.250.1.213.1.1.2.128", "1.3.6.1.4.1.19376.1.5.3.1.3.2", "1.3.6.1.4.1.19376.1.5.3.1.3.1"),
        ids=(identified(header, "motif"),),
        title="Pédiatrie",
        entries=(Link(statement=asked), Link(statement=problem)),
    )


def _reference(sheet: BoardSheet, header: Header) -> Section:
    """The sheet, named as the document that the plan follows."""
    named = sheet.header.id
    attributes = tuple(
        (name, value) for name, value in (("root", named.root), ("extension", named.extension)) if value is not None
    )
    external = Element(
        name="externalDocument",
        attributes=(("classCode", "DOC"), ("moodCode", "EVN")),
        children=(Element(name="id", attributes=attributes),),
    )
    statement = Statement(
        kind="act",
        class_code="ACT",
        mood="EVN",
        templates=_ids("1.3.6.1.4.1.19376.1.5.3.1.4.4", "1.2.250.1.213.1.1.3.35"),
        ids=(identified(header, "fiche-rcp"),),
        code=Code(null_flavor="NA"),
        text=Words(text=sheet.header.title or "Fiche RCP"),
        others=(Element(name="reference", attributes=(("typeCode", "REFR"),), children=(external,)),),
    )
    return Section(
        code=Code(code="55107-7", system=LOINC, label="Documents référencés"),
        templates=_ids("1.2.250.1.213.1.1.2.55"),
        ids=(identified(header, "documents"),),
        title="Documents référencés",
        entries=(Link(statement=statement),),
    )


def _ids(*roots: str) -> tuple[Id, ...]:
    return tuple(Id(root=each) for each in roots)
