"""From the claims of a verified token to its bearer.

Professionals: Pro Santé Connect (ANS), `SubjectNameID` and `SubjectRefPro.exercices[].activities[]`, where
what is unknown is an empty string and whole levels may be missing (schema and samples: ansforge/PSC-POC).
Software: the VIHF of the DMP (SAML assertion of the CI-SIS "Authentification et identification"), whose
attributes keep their names as claims. Persons: no national text names the claims yet; ours is `ins`, an
object with `oid` and `value`, beside the standard `family_name` and `given_name` (docs/decisions/0022).
Data-protection officers and health authorities: two claims of ours, believed only from the issuers that the
installation declares as its networks' own (`Issuer.vouches_for`).

    claim                                            bearer
    SubjectNameID                                    national_id, rpps ("8" and the 11 digits of the RPPS)
    SubjectRefPro.exercices[]                        profession, category, specialty, names of practice
      .activities[]                                  sector, role, FINESS of the site and of its legal entity
    SubjectRole[0] ("10^<oid>")                      profession, when no exercice says it
    Acces_Regulation_Medicale ("VRAI")               may_regulate
    ins.oid, ins.value                               person.ins
    passerelle_role ("data_protection_officer",      officer, officer.office
      "health_authority")
    passerelle_network ("oncopl")                    officer.network: he is unknown to every other
    LPS_ID_HOMOLOGATION_DMP, LPS_Nom, LPS_Version    software
    Identifiant_Structure ("1" and the FINESS)       software.structure, the one activity's structure
    …:xacml:2.0:subject:role                         profession, then savoir-faire
    …:xspa:1.0:subject:subject-id                    name of the professional, in one string
    …:xspa:1.0:subject:purposeofuse                  mode (TRE_R248: normal, bris_de_glace, centre_15)
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from passerelle.identities.bearers import Activity, Bearer, BearerKind, Officer, Person, Professional, Software
from passerelle.identities.ins import LIVE_OIDS, Ins
from passerelle.kernel.errors import NotAuthenticated
from passerelle_policies.vocabulary import ActorKind, Mode

Claims = Mapping[str, object]

SUBJECT_ROLE: Final = "urn:oasis:names:tc:xacml:2.0:subject:role"
SUBJECT_ID: Final = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
PURPOSE_OF_USE: Final = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
MODES: Final[Mapping[str, Mode]] = {
    "normal": Mode.NORMAL,
    "bris_de_glace": Mode.BREAK_GLASS,
    "centre_15": Mode.REGULATION_CENTRE,
}
ROLE: Final = "passerelle_role"
NETWORK: Final = "passerelle_network"
DATA_PROTECTION_OFFICER: Final = "data_protection_officer"
HEALTH_AUTHORITY: Final = "health_authority"
CANCER_NETWORK: Final = "cancer_network"
_OFFICES: Final[Mapping[object, ActorKind]] = {
    DATA_PROTECTION_OFFICER: ActorKind.OFFICER,
    HEALTH_AUTHORITY: ActorKind.AUTHORITY,
    CANCER_NETWORK: ActorKind.NETWORK,
}
_SOFTWARE_CLAIMS: Final = ("LPS_ID_HOMOLOGATION_DMP", "LPS_Nom", "VIHF_Version")
_NATIONAL_RPPS: Final = re.compile(r"8([0-9]{11})")
_NATIONAL_ID: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z/._-]{0,63}")
_FINESS: Final = re.compile(r"[0-9][0-9AB][0-9]{7}")
_CODE: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.-]{0,31}")
_MATRICULE: Final = re.compile(r"[0-9]{6}[0-9AB][0-9]{6}(?:[0-9]{2})?")
_TEXT_LIMIT: Final = 200
_LIST_LIMIT: Final = 64


def bearer(claims: Claims, *, issuer: str, expires_at: datetime) -> Bearer:
    """The bearer that verified `claims` describe. Refused: TOKEN_CLAIMS_INCOMPLETE, with the claim's name."""
    subject = _text(claims, "sub")
    if subject is None:
        raise _incomplete("sub")
    kind = _kind(claims)
    if kind is BearerKind.PERSON:
        return Bearer(kind=kind, issuer=issuer, subject=subject, expires_at=expires_at, person=_person(claims))
    if kind is BearerKind.OFFICER:
        return Bearer(kind=kind, issuer=issuer, subject=subject, expires_at=expires_at, officer=_officer(claims))
    if kind is BearerKind.SOFTWARE:
        software = _software(claims)
        return Bearer(
            kind=kind,
            issuer=issuer,
            subject=subject,
            expires_at=expires_at,
            professional=_named_professional(claims, software),
            software=software,
            mode=_mode(claims),
        )
    return Bearer(kind=kind, issuer=issuer, subject=subject, expires_at=expires_at, professional=_professional(claims))


def _kind(claims: Claims) -> BearerKind:
    """What the token is about. A token that is about several at once is refused."""
    is_person = "ins" in claims
    is_software = any(claim in claims for claim in _SOFTWARE_CLAIMS)
    if is_person and (is_software or "SubjectNameID" in claims):
        raise _incomplete("ins")
    if ROLE in claims:
        if _text(claims, ROLE) not in _OFFICES or is_person or is_software or "SubjectNameID" in claims:
            raise _incomplete(ROLE)
        return BearerKind.OFFICER
    if is_person:
        return BearerKind.PERSON
    return BearerKind.SOFTWARE if is_software else BearerKind.PROFESSIONAL


def _person(claims: Claims) -> Person:
    ins = claims.get("ins")
    if not isinstance(ins, dict):
        raise _incomplete("ins")
    oid, value = _text(ins, "oid"), _text(ins, "value")
    if oid not in LIVE_OIDS:
        raise _incomplete("ins.oid")
    matricule = "".join((value or "").split()).upper()
    if not _MATRICULE.fullmatch(matricule):
        raise _incomplete("ins.value")
    return Person(
        ins=Ins(oid, matricule),
        family_name=_text(claims, "family_name") or "",
        given_name=_text(claims, "given_name") or "",
    )


def _officer(claims: Claims) -> Officer:
    network = _text(claims, NETWORK)
    if network is None:
        raise _incomplete(NETWORK)
    return Officer(
        network=network,
        office=_OFFICES[_text(claims, ROLE)],
        family_name=_text(claims, "family_name") or "",
        given_name=_text(claims, "given_name") or "",
    )


def _professional(claims: Claims) -> Professional:
    national_id = _national_id(claims)
    practices = list(_objects(_object(claims, "SubjectRefPro"), "exercices"))
    activities = tuple(activity for practice in practices for activity in _activities(practice))
    if not any(activity.profession for activity in activities):
        roles = _coded(claims.get("SubjectRole"))
        if not roles:
            raise _incomplete("SubjectRefPro")
        activities = (Activity(profession=roles[0], structure_name=_text(claims, "SubjectOrganization")),)
    names: Claims = practices[0] if practices else {}
    return Professional(
        national_id=national_id,
        rpps=_rpps(national_id),
        family_name=_text(names, "nomDexercice") or _text(claims, "family_name") or "",
        given_name=_text(names, "prenomDexercice") or _text(claims, "given_name") or "",
        activities=activities,
        may_regulate=_text(claims, "Acces_Regulation_Medicale") == "VRAI",
    )


def _activities(practice: Claims) -> Iterator[Activity]:
    """An exercice without activities still practises: one activity, in no structure."""
    for activity in list(_objects(practice, "activities")) or [{}]:
        yield Activity(
            profession=_code(practice, "codeProfession"),
            category=_code(practice, "codeCategorieProfessionnelle"),
            specialty=_code(practice, "codeSavoirFaire"),
            role=_code(activity, "codeRole"),
            practice_mode=_code(activity, "codeModeExercice"),
            sector=_code(activity, "codeSecteurDactivite"),
            finess=_finess(activity, "numeroFinessSite"),
            legal_finess=_finess(activity, "numeroFinessetablissementJuridique"),
            structure_name=_text(activity, "raisonSocialeSite"),
        )


def _software(claims: Claims) -> Software:
    client = _text(claims, "client_id") or _text(claims, "azp") or _text(claims, "sub")
    for claim in ("LPS_ID_HOMOLOGATION_DMP", "LPS_Nom"):
        if _text(claims, claim) is None:
            raise _incomplete(claim)
    structure = _text(claims, "Identifiant_Structure") or ""
    finess = structure[1:] if len(structure) == 10 and structure.startswith("1") else structure
    if not _FINESS.fullmatch(finess):
        raise _incomplete("Identifiant_Structure")
    return Software(
        id=client or "",
        name=_text(claims, "LPS_Nom") or "",
        version=_text(claims, "LPS_Version") or "",
        structure=finess,
    )


def _named_professional(claims: Claims, software: Software) -> Professional:
    """The professional that a software client names: one activity, in the client's own structure."""
    national_id = _national_id(claims)
    roles = _coded(claims.get(SUBJECT_ROLE))
    if not roles:
        raise _incomplete(SUBJECT_ROLE)
    name = _text(claims, "family_name") or _text(claims, SUBJECT_ID)
    if name is None:
        raise _incomplete(SUBJECT_ID)
    sector = _coded(claims.get("Secteur_Activite"))
    activity = Activity(
        profession=roles[0],
        specialty=roles[1] if len(roles) > 1 else None,
        sector=sector[0] if sector else None,
        finess=software.structure,
    )
    return Professional(
        national_id=national_id,
        rpps=_rpps(national_id),
        family_name=name,
        given_name=_text(claims, "given_name") or "",
        activities=(activity,),
    )


def _mode(claims: Claims) -> Mode:
    if PURPOSE_OF_USE not in claims:
        return Mode.NORMAL
    purposes = _coded(claims[PURPOSE_OF_USE])
    if len(purposes) != 1 or purposes[0] not in MODES:
        raise _incomplete(PURPOSE_OF_USE)
    return MODES[purposes[0]]


def _national_id(claims: Claims) -> str:
    national_id = _text(claims, "SubjectNameID")
    if national_id is None or not _NATIONAL_ID.fullmatch(national_id):
        raise _incomplete("SubjectNameID")
    return national_id


def _rpps(national_id: str) -> str | None:
    """PS_IdNat: the type of identifier (8 for the RPPS), then the identifier."""
    match = _NATIONAL_RPPS.fullmatch(national_id)
    return match[1] if match else None


def _coded(value: object) -> list[str]:
    """The codes of "code^system" strings or of {"code", "codeSystem"} objects (HL7 CE), one or several."""
    codes = []
    for each in value[:_LIST_LIMIT] if isinstance(value, list) else [value]:
        code = each.get("code") if isinstance(each, dict) else each
        if isinstance(code, str) and _CODE.fullmatch(code := code.partition("^")[0].strip()):
            codes.append(code)
    return codes


def _text(claims: Claims, claim: str) -> str | None:
    """A string worth having: None for the empty string, another type or an endless value."""
    value = claims.get(claim)
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        return None
    return "".join(letter for letter in value if letter.isprintable()).strip() or None


def _code(claims: Claims, claim: str) -> str | None:
    value = _text(claims, claim)
    return value if value is not None and _CODE.fullmatch(value) else None


def _finess(claims: Claims, claim: str) -> str | None:
    value = _text(claims, claim)
    return value if value is not None and _FINESS.fullmatch(value) else None


def _object(claims: Claims, claim: str) -> Claims:
    value = claims.get(claim)
    return value if isinstance(value, dict) else {}


def _objects(claims: Claims, claim: str) -> Iterator[Claims]:
    value = claims.get(claim)
    for each in value[:_LIST_LIMIT] if isinstance(value, list) else []:
        if isinstance(each, dict):
            yield each


def _incomplete(claim: str) -> NotAuthenticated:
    return NotAuthenticated("TOKEN_CLAIMS_INCOMPLETE", claim=claim)
