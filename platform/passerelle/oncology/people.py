"""Patients, professionals and establishments as the documents of the oncology record name them.

Source: CI-SIS, volet Structuration minimale des documents de santé (IdNat_PS, IdNat_Struct, INS).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from passerelle.audit.transactions import Act
from passerelle.dossier.formats.submission import RPPS_DOMAIN, STRUCTURE_DOMAIN
from passerelle.identities import patients
from passerelle.kernel.clock import PARIS
from passerelle.oncology import header as cda
from passerelle.oncology.coded import (
    Address,
    Code,
    Id,
    Moment,
    Name,
    NamePart,
    Organisation,
    Participation,
    Telecom,
    Time,
)
from passerelle_policies import nomenclatures

NOWHERE: Final = (Address(null_flavor="NASK"),)
UNREACHED: Final = (Telecom(null_flavor="NASK"),)
_AUTHOR_SPECIALTY: Final = "1.2.250.1.213.1.1.4.5"
_ESTABLISHMENT: Final = Code(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", label="Etablissement de santé")
_SOME_ESTABLISHMENT: Final = "SA12"
_SEX: Final = {"M": "Masculin", "F": "Féminin", "U": "Inconnu"}


def rpps_of(subject: str) -> str:
    """The RPPS number of `professional:<RPPS>`."""
    return subject.rpartition(":")[2]


class People:
    """Professionals and establishments, as the directory knows them."""

    def __init__(self, act: Act) -> None:
        self._directory = act.context.directory
        self._tenant = act.context.tenant.id

    async def who(
        self, part: str, subject: str, place: Organisation, *, name: str | None = None, **role: Any
    ) -> Participation:
        """A professional (`professional:<RPPS>`) in a role, at `place` unless he practises elsewhere."""
        rpps = rpps_of(subject)
        known = await self._directory.professional(rpps)
        code = None
        parts: tuple[NamePart, ...] = (NamePart(kind="family", text=name or rpps),)
        structure = place
        if known is not None:
            code = _profession(known.profession, known.specialty)
            parts = (NamePart(kind="family", text=known.family_name),)
            if known.given_name:
                parts = (*parts, NamePart(kind="given", text=known.given_name))
            practices = {each.finess for each in known.practices_in(self._tenant) if each.finess}
            own = {each.extension for each in place.ids}
            if practices and not own & {f"1{each}" for each in practices}:
                structure = await self.establishment(min(practices))
        return Participation(
            part=part,
            ids=(Id(root=RPPS_DOMAIN, extension=f"8{rpps}"),),
            code=code,
            addresses=NOWHERE,
            telecoms=UNREACHED,
            name=Name(parts=parts),
            organisation=replace(structure, code=None),
            **role,
        )

    async def participant(
        self, type_code: str, subject: str, place: Organisation, function: Code, *, name: str | None = None
    ) -> Participation:
        """The same as a participant of the document."""
        unknown = Time(null_flavor="UNK")
        role = {"type_code": type_code, "function": function, "time": unknown, "entity_class": "PROV"}
        return await self.who("participant", subject, place, name=name, **role)

    async def performer(self, subject: str, place: Organisation) -> Participation:
        """The same as who did what the document tells of."""
        return await self.who("performer", subject, place, type_code="PRF", time=Time(null_flavor="UNK"))

    async def establishment(self, finess: str) -> Organisation:
        """An establishment by its FINESS number."""
        known = await self._directory.establishment(finess)
        category = nomenclatures.facility_type((known.category if known else None) or _SOME_ESTABLISHMENT)
        return Organisation(
            ids=(Id(root=STRUCTURE_DOMAIN, extension=f"1{finess}"),),
            name=known.name if known else finess,
            addresses=NOWHERE,
            telecoms=UNREACHED,
            setting=_ESTABLISHMENT,
            code=Code(code=category.code, system=category.system, label=category.label) if category else None,
        )


def _profession(profession: str, specialty: str | None) -> Code | None:
    for code in (f"G15_{profession}/{specialty}", f"G15_{profession}"):
        known = nomenclatures.author_specialty(code)
        if known is not None:
            return Code(code=known.code, system=known.system or _AUTHOR_SPECIALTY, label=known.label)
    return None


def patient_of(known: patients.Patient) -> cda.Patient:
    """The patient of a document, with his INS where it is known."""
    traits = known.traits
    given = " ".join(traits.given_names)
    parts = [NamePart(kind="family", text=traits.family_name, qualifier="BR")]
    if given:
        parts.append(NamePart(kind="given", text=given))
        parts.append(NamePart(kind="given", text=traits.given_names[0], qualifier="BR"))
    if traits.used_name:
        parts.append(NamePart(kind="family", text=traits.used_name, qualifier="CL"))
    return cda.Patient(
        ids=(Id(root=known.ins.oid, extension=known.ins.value),) if known.ins else (),
        addresses=NOWHERE,
        telecoms=UNREACHED,
        names=(Name(parts=tuple(parts)),),
        sex=Code(code=traits.sex, system="2.16.840.1.113883.5.1", label=_SEX.get(traits.sex)) if traits.sex else None,
        birth=Moment(value=traits.birth_date) if traits.birth_date else Moment(null_flavor="UNK"),
        birthplace=Address(lines=(("county", traits.birth_place),)) if traits.birth_place else None,
    )


def instant(at: datetime) -> str:
    """An instant as documents write it, in the time of Paris."""
    return f"{at.astimezone(PARIS):%Y%m%d%H%M%S%z}"
