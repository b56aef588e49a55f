"""The people and structures in a CDA header: patient, authors, signer, organisations."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from lxml import etree

from passerelle.dossier.formats import values
from passerelle.dossier.formats.hl7v3 import attribute, content, find, find_all
from passerelle.dossier.formats.submission import Author, PatientIdentity
from passerelle.identities.ins import INS_C, LIVE_OIDS, Ins

_PERSON_OIDS: Final = LIVE_OIDS | {INS_C}


class Organisation(NamedTuple):
    """A structure: its FINESS number, or the identifier it gives itself, and its name."""

    id: str | None = None
    name: str | None = None


class _Name(NamedTuple):
    family: str | None = None
    given: str | None = None


def patient(role: etree._Element) -> PatientIdentity:
    """The patient of a `patientRole`, with every identifier that has a root and an extension."""
    identifiers = []
    for element in find_all(role, "id"):
        root, value = values.key(element.get("root"), "patient/id"), values.key(element.get("extension"), "patient/id")
        if root and value:
            identifiers.append(Ins(root, value))
    traits = find(role, "patient")
    if traits is None:
        return PatientIdentity(identifiers=tuple(dict.fromkeys(identifiers)))
    families = _by_qualifier(traits, "name/family")
    givens = _by_qualifier(traits, "name/given")
    return PatientIdentity(
        identifiers=tuple(dict.fromkeys(identifiers)),
        family_name=families.get("BR") or families.get(""),
        used_name=families.get("CL") or families.get("SP"),
        given_names=_birth_given_names(givens.get("BR"), givens.get("")),
        used_given_name=givens.get("CL"),
        birth_date=values.key(attribute(traits, "birthTime", "value"), "patient/birthTime"),
        sex=values.key(attribute(traits, "administrativeGenderCode", "code"), "patient/administrativeGenderCode"),
        birth_place=values.key(content(find(traits, "birthplace/place/addr/county")), "patient/birthplace"),
    )


def author(element: etree._Element) -> Author:
    """One `author` of the document: a professional, the patient himself or a device."""
    assigned = find(element, "assignedAuthor")
    if assigned is None:
        return Author(kind="professional")
    function = find(element, "functionCode")
    role = None
    if function is not None:
        role = values.text(function.get("displayName") or function.get("code"), "author/functionCode")
    return person(assigned, "author", role=role)


def person(assigned: etree._Element, field: str, *, role: str | None = None) -> Author:
    """Who stands in an `assignedAuthor` or `assignedEntity`."""
    oid, given_id = _identifier(assigned, f"{field}/id")
    code = values.profession(values.key(attribute(assigned, "code", "code"), f"{field}/code"))
    label = values.text(attribute(assigned, "code", "displayName"), f"{field}/code")
    device = find(assigned, "assignedAuthoringDevice")
    structure = organisation(find(assigned, "representedOrganization"), f"{field}/representedOrganization")
    name = _person_name(find(assigned, "assignedPerson"), field)
    kind: Literal["professional", "patient", "device"] = "professional"
    if oid in _PERSON_OIDS:
        kind = "patient"
    elif device is not None:
        kind = "device"
        model = content(find(device, "softwareName")) or content(find(device, "manufacturerModelName"))
        name = _Name(values.text(model, f"{field}/softwareName"))
    return Author(
        kind=kind,
        id=None if given_id is None else values.professional_id(oid, given_id),
        id_oid=oid,
        family_name=name.family,
        given_name=name.given,
        profession=code.code,
        profession_label=label,
        specialty=code.specialty,
        role=role,
        structure_id=structure.id,
        structure_name=structure.name,
    )


def organisation(element: etree._Element | None, field: str) -> Organisation:
    """Identifier and name of an organisation element; empty when there is none."""
    if element is None:
        return Organisation()
    oid, value = _identifier(element, f"{field}/id")
    return Organisation(
        None if value is None else values.structure_id(oid, value),
        values.text(content(find(element, "name")), f"{field}/name"),
    )


def _identifier(element: etree._Element, field: str) -> tuple[str | None, str | None]:
    """OID and value of the first identifier; a root without extension identifies by itself."""
    for each in find_all(element, "id"):
        root = values.key(each.get("root"), field)
        if root is not None:
            return root, values.key(each.get("extension"), field) or root
    return None, None


def _by_qualifier(traits: etree._Element, path: str) -> dict[str, str]:
    """The texts at `path` by their qualifier: BR (birth), CL (used), SP (spouse), empty when none is given."""
    found: dict[str, list[str]] = {}
    for element in find_all(traits, path):
        part = values.text(content(element), f"patient/{path}")
        if part is not None:
            for qualifier in (element.get("qualifier") or "").split() or [""]:
                found.setdefault(qualifier, []).append(part)
    return {qualifier: " ".join(parts) for qualifier, parts in found.items()}


def _birth_given_names(first: str | None, every: str | None) -> tuple[str, ...]:
    """The given names of the birth certificate, the first one first.

    The CI-SIS gives the whole list in one unqualified element and the first name, which may hold a blank,
    in an element qualified BR.
    """
    if first is None:
        return tuple(every.split()) if every else ()
    if every is None or every == first:
        return (first,)
    rest = every.removeprefix(first + " ") if every.startswith(first + " ") else every
    return (first, *(each for each in rest.split() if each != first))


def _person_name(element: etree._Element | None, field: str) -> _Name:
    if element is None:
        return _Name()
    family = find(element, "name/family")
    given = find(element, "name/given")
    if family is None and given is None:
        return _Name(values.text(content(find(element, "name")), f"{field}/name"))
    return _Name(values.text(content(family), f"{field}/family"), values.text(content(given), f"{field}/given"))
