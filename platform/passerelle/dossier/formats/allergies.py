"""The allergies and hypersensitivities that structured documents record.

Sources: CI-SIS, entries FR-Allergie-ou-hypersensibilite (1.2.250.1.213.1.1.3.41) and IHE PCC Allergies and
Intolerances (1.3.6.1.4.1.19376.1.5.3.1.4.6), in the section 48765-2 of the medical summary (VSM), the DLU, the
liaison letters, the vaccination notes, the IPS; JDV absent-or-unknown-allergy and allergyintolerance-clinical.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.cda import clinical_document
from passerelle.dossier.formats.hl7v3 import NAMESPACE, attribute, content, find, find_all
from passerelle.dossier.formats.passages import Passages

_SECTION: Final = "48765-2"
_ENTRIES: Final = frozenset({"1.3.6.1.4.1.19376.1.5.3.1.4.6", "1.2.250.1.213.1.1.3.41"})
_NONE_KNOWN: Final = frozenset({
    "no-allergy-info", "no-known-allergies", "no-known-medication-allergies", "no-known-environmental-allergies",
    "no-known-food-allergies", "MED-274",
})  # fmt: skip
_STATUS: Final = "33999-4"
_CERTAINTY: Final = "66455-7"
_INACTIVE: Final = frozenset({"inactive", "resolved", "remission"})
_NOT_ONE: Final = frozenset({"refuted", "entered-in-error"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Allergy:
    """What somebody is allergic to: the agent's code and its system as given (ATC, CIS, CIP, CIM-11, SNOMED) where
    it is coded, and its words. `unknown` is a record that does not say whether it still holds."""

    code: str | None
    system: str | None
    label: str
    status: Literal["active", "inactive", "unknown"]


def allergies(data: bytes) -> list[Allergy]:
    """The allergies coded in a CDA, each once, in its order; none when it says that there are none, or does not say.

    Refused: what `cda.clinical_document` refuses; VALUE_TOO_LONG, VALUE_MALFORMED.
    """
    document = clinical_document(data)
    passages = Passages(document)
    found: dict[Allergy, None] = {}
    for section in document.iter(f"{{{NAMESPACE}}}section"):
        if attribute(section, "code", "code") != _SECTION:
            continue
        for concern in find_all(section, "entry/act"):
            is_active = attribute(concern, "statusCode", "code") == "active"
            for observation in find_all(concern, "entryRelationship/observation"):
                read = _read(observation, passages, is_active=is_active)
                if read is not None:
                    found[read] = None
    return list(found)


def _read(observation: etree._Element, passages: Passages, *, is_active: bool) -> Allergy | None:
    """One entry; None when it records an absence, what was refuted, or no agent at all."""
    if not any(each.get("root") in _ENTRIES for each in find_all(observation, "templateId")):
        return None
    value = find(observation, "value")
    if observation.get("negationInd") == "true" or (value is not None and value.get("code") in _NONE_KNOWN):
        return None
    said = {
        attribute(each, "code", "code"): attribute(each, "value", "code")
        for each in find_all(observation, "entryRelationship/observation")
    }
    if said.get(_CERTAINTY) in _NOT_ONE:
        return None
    agent = find(observation, "participant/participantRole/playingEntity")
    coded = value if agent is None else find(agent, "code")
    code = None if coded is None else values.key(coded.get("code"), "allergy/code")
    if agent is None and code is None:
        coded = find(observation, "code")  # no agent is named: the kind of allergy is all that is known
    label = _label(agent, coded, passages) or code
    if label is None:
        return None
    status: Literal["active", "inactive", "unknown"] = "active" if is_active else "unknown"
    if _STATUS in said:
        status = "inactive" if said[_STATUS] in _INACTIVE else "active"
    system = None if coded is None or code is None else values.key(coded.get("codeSystem"), "allergy/code")
    return Allergy(code=code, system=system, label=label, status=status)


def _label(agent: etree._Element | None, coded: etree._Element | None, passages: Passages) -> str | None:
    if coded is not None:
        said = values.text(coded.get("displayName"), "allergy/code") or passages.words(
            find(coded, "originalText"), "allergy/originalText"
        )
        if said is not None:
            return said
    return None if agent is None else values.text(content(find(agent, "name")), "allergy/name")
