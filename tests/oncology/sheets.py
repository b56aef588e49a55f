"""Board sheets of invented people, for tests: a header, a full sheet, its answers."""

from __future__ import annotations

from typing import Any, Final

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
from passerelle.oncology.header import Act, Encounter, Header, Order, Patient, Related
from passerelle.oncology.sheet import BOARD_OID, MANAGER_OID, NETWORK_OID, NEWEST, SESSION_OID, BoardSheet, Edition
from passerelle.oncology.sheet_fields import begun, put

CIM_10: Final = "2.16.840.1.113883.6.3"
CIM_O: Final = "2.16.840.1.113883.6.43.1"
TNM: Final = "2.16.840.1.113883.15.6"
_AT: Final = "20260218171100+0100"
_PROFESSIONS: Final = "1.2.250.1.213.1.1.4.5"

HOSPITAL: Final = Organisation(
    ids=(Id(root="1.2.250.1.71.4.2.2", extension="1750100125"),),
    name="Centre hospitalier d'Essai-les-Bains",
    telecoms=(Telecom(value="tel:+33-2-00-00-00-00", use="WP"),),
    addresses=(Address(lines=(("streetName", "rue des Tests"), ("postalCode", "49000"), ("city", "ESSAI"))),),
    setting=Code(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", label="Etablissement de santé"),
)


def who(part: str, number: int = 1, **role: Any) -> Participation:
    """An invented physician in a role."""
    return Participation(
        part=part,
        time=Time(value=_AT) if part in {"author", "legalAuthenticator"} else Time(null_flavor="UNK"),
        entity_class="PROV" if part == "participant" else None,
        ids=(Id(root="1.2.250.1.71.4.2.1", extension=f"8{10_100_000_000 + number}"),),
        code=Code(code="G15_10/SM36", system=_PROFESSIONS, label="Médecin - Oncologie, opt médicale (SM)"),
        addresses=(Address(null_flavor="NASK"),),
        telecoms=(Telecom(null_flavor="NASK"),),
        name=Name(parts=(NamePart(kind="family", text=f"ESSAI-{number}"), NamePart(kind="given", text="Camille"))),
        organisation=HOSPITAL,
        **role,
    )


def a_header(number: int = 1, *, replaces: Id | None = None) -> Header:
    """A full header of an invented patient with a test INS."""
    care_team = Code(code="353", system="1.2.250.1.213.1.6.1.107", label="Membre de l'équipe de soins")
    correspondent = Code(code="CORRE", system="1.2.250.1.213.1.1.4.2.280", label="Correspondant")
    attending = Code(code="PCP", system="2.16.840.1.113883.5.88", label="Médecin traitant")
    return Header(
        id=Id(root=f"1.2.250.1.999.1.{number}"),
        set_id=Id(root=f"1.2.250.1.999.2.{number}"),
        version=1 if replaces is None else 2,
        title="FRCP Réseau d'essai / 3C d'Essai / Sein",
        created=Moment(value=_AT),
        patient=Patient(
            ids=(Id(root="1.2.250.1.213.1.4.10", extension="279035121518989"),),
            addresses=(Address(null_flavor="NASK"),),
            telecoms=(Telecom(null_flavor="NASK"),),
            names=(
                Name(
                    parts=(
                        NamePart(kind="family", text="PAT-TROIS", qualifier="BR"),
                        NamePart(kind="given", text="DOMINIQUE MARIE-LOUISE"),
                        NamePart(kind="given", text="DOMINIQUE", qualifier="BR"),
                    )
                ),
            ),
            sex=Code(code="F", system="2.16.840.1.113883.5.1", label="Féminin"),
            birth=Moment(value="19790328"),
            birthplace=Address(lines=(("county", "51215"),)),
        ),
        authors=(who("author"),),
        custodian=Organisation(ids=HOSPITAL.ids, name=HOSPITAL.name),
        legal_authenticator=who("legalAuthenticator", signature="S"),
        participants=(
            who("participant", type_code="RESP", function=Code(null_flavor="NA")),
            who("participant", 2, type_code="REFB", function=Code(null_flavor="NA")),
            who("participant", 3, type_code="PRF", function=Code(null_flavor="NA")),
            who("participant", 4, type_code="INF", function=attending),
            *(who("participant", each, type_code="PRF", function=care_team) for each in (1, 5, 6)),
            who("participant", 7, type_code="PRF", function=correspondent),
        ),
        orders=(Order(ids=(Id(root=f"1.2.250.1.999.3.{number}"),)),),
        acts=(
            Act(
                code=Code(
                    code="39", system="1.2.250.1.213.3.3.13", label="Réunion de Concertation Pluridisciplinaire (RCP)"
                ),
                time=Time(low=Moment(value=_AT)),
                performers=(who("performer", type_code="PRF"),),
            ),
            Act(code=Code(code="C50.2", system=CIM_10, label="Quadrant supéro-interne du sein")),
        ),
        related=() if replaces is None else (Related(type_code="RPLC", ids=(replaces,)),),
        encounter=Encounter(
            ids=(
                Id(root=NETWORK_OID, extension="5201"),
                Id(root=MANAGER_OID, extension="520114"),
                Id(root=BOARD_OID, extension="27011113"),
                Id(root=SESSION_OID, extension=str(number)),
            ),
            code=Code(code="VR", system="2.16.840.1.113883.5.4", label="Virtuelle"),
            time=Time(low=Moment(value=_AT)),
            facility=Organisation(
                ids=HOSPITAL.ids,
                code=Code(code="SA01", system="1.2.250.1.71.4.2.4", label="Etablissement public de santé"),
                name=HOSPITAL.name,
                addresses=HOSPITAL.addresses,
            ),
        ),
    )


def tumour(**others: object) -> dict[str, object]:
    """A tumour with everything that is compulsory of it."""
    return {
        "topography": Code(code="C50.2", system=CIM_10, label="Quadrant supéro-interne du sein"),
        "morphology": Code(code="8000/3", system=CIM_O, label="Tumeur maligne, SAI"),
        "tnm_t": Code(code="T1b", system=TNM, label="T1b"),
        "tnm_n": Code(code="N1", system=TNM, label="N1"),
        "tnm_m": Code(code="M0", system=TNM, label="M0"),
        **others,
    }


COMPULSORY: Final[dict[str, Any]] = {
    "nature": "ORG-117",
    "organ_system": "76752008",
    "organ": "76752008",
    "recourse_board": False,
    "paediatric_board": False,
    "diagnostic_opinion": True,
    "treatment_proposal": True,
    "recourse_motive": False,
    "paediatric_motive": False,
    "presented_as": "ORG-134",
    "screening": True,
    "tumours": [tumour()],
    "phase": "MED-268",
    "progressing": False,
    "case_summary": "Tumeur découverte au dépistage.\nQuelle chirurgie proposer ?",
    "complete": True,
    "quorum": "ORG-126",
    "proposals": [{"treatment": "C15313", "rank": "1", "starts": "20260301", "precision": "50 Gy en 25 séances"}],
    "trial": False,
    "document_status": "385651009",
}
"""The least that a sheet must answer before it is approved."""

OPTIONAL: Final[dict[str, Any]] = {
    "board_comment": "Premier passage",
    "motive_comment": "À la demande de la patiente",
    "medical_history": "1998 : appendicectomie\n2004 : fracture du poignet",
    "comorbidities": "Diabète sucré\n\nÉpilepsie",
    "performance_status": "LA9622-7",
    "performance_status_at": "20260215",
    "evaluations": [{"tool": "G8", "score": 12, "evaluated": "20260215"}],
    "examinations": "Mammographie : nodule de 2 cm",
    "phase_at": "20260215",
    "phase_comment": "Rien à signaler",
    "past_treatments": [
        {"treated_by": "424313000", "treated_status": "active", "treated_from": "20251002", "treated_comment": "Suivi"},
        {"treated_by": "GEN-092.03.01", "treated_precision": "Autre <traitement> & soins"},
    ],
    "operation_conclusion": "Exérèse complète",
    "operated": "20260115",
    "pathology_conclusion": "Carcinome canalaire infiltrant",
    "pathology_at": "20260115",
    "genetics_conclusion": "Absence de variant pathogène",
    "other_data": "Vit seule",
    "case_comment": "Dossier complet le jour de la séance",
    "referral": "Oui, RCP de recours",
    "requests": [{"requested": "IRM mammaire", "earliest": "20260218", "latest": "20260228"}, {"requested": "TEP"}],
    "surveillance": "Tous les six mois",
    "proposal_comment": "À revoir après l'IRM",
    "guideline": "Référentiel régional, version 4",
    "guideline_at": "2025",
    "frame_comment": "Conforme",
    "patient_comment": "Souhaite être accompagnée",
    "document_status_at": "20260219",
    "document_comment": "Relue",
}


def a_sheet(number: int = 1, edition: Edition = NEWEST, **answers: object) -> BoardSheet:
    """A sheet that answers everything compulsory and most of the rest."""
    return put(begun(a_header(number), edition), **(COMPULSORY | OPTIONAL | answers))
