"""Sheets of a tumour board (CANCER-FRCP) of people who do not exist."""

from __future__ import annotations

from typing import Final

from passerelle.oncology import header as cda
from passerelle.oncology.coded import Address, Code, Id, Moment, Name, NamePart, Organisation, Participation, Time
from passerelle.oncology.sheet import BOARD_OID, CARE_TEAM, MANAGER_OID, NETWORK_OID, BoardSheet
from passerelle.oncology.sheet_fields import begun, put

_MEMBERS: Final = 12
_AT: Final = "20260218171100+0100"
_CIM_10, _CIM_O, _TNM = "2.16.840.1.113883.6.3", "2.16.840.1.113883.6.43.1", "2.16.840.1.113883.15.6"
_PLACE: Final = Organisation(
    ids=(Id(root="1.2.250.1.71.4.2.2", extension="1310790003"),),
    name="Centre hospitalier d’essai",
    addresses=(Address(null_flavor="NASK"),),
    setting=Code(code="ETABLISSEMENT", system="1.2.250.1.213.1.1.4.9", label="Etablissement de santé"),
)
_TUMOUR: Final = {
    "topography": Code(code="C50.2", system=_CIM_10, label="Quadrant supéro-interne du sein"),
    "morphology": Code(code="8500/3", system=_CIM_O, label="Carcinome canalaire infiltrant"),
    "tnm_t": Code(code="T2", system=_TNM, label="T2"),
    "tnm_n": Code(code="N1", system=_TNM, label="N1"),
    "tnm_m": Code(code="M0", system=_TNM, label="M0"),
}


def sheet(number: int) -> BoardSheet:
    """A sheet that lacks nothing, and breaks no rule."""
    return put(
        begun(_header(number)),
        nature="ORG-117", organ_system="76752008", organ="76752008", recourse_board=False, paediatric_board=False,
        diagnostic_opinion=True, treatment_proposal=True, recourse_motive=False, paediatric_motive=False,
        presented_as="ORG-134", screening=number % 2 == 0, tumours=[_TUMOUR, {**_TUMOUR, "tnm_n": _TUMOUR["tnm_n"]}],
        phase="MED-268", progressing=False, case_summary=f"Cas n° {number}.\nQuelle chirurgie proposer ?",
        medical_history="1998 : appendicectomie\n2004 : fracture du poignet", examinations="Nodule de 2 cm",
        pathology_conclusion="Carcinome canalaire infiltrant", complete=True, quorum="ORG-126",
        proposals=[
            {"treatment": "C15313", "rank": "1", "starts": "20260301", "precision": "50 Gy en 25 séances"},
            {"treatment": "C15632", "rank": "2", "precision": "Selon le protocole"},
        ],
        guideline="Référentiel régional, version 4", trial=False, document_status="9571008",
    )  # fmt: skip


def _who(part: str, number: int, **role: object) -> Participation:
    given: dict[str, object] = {
        "ids": (Id(root="1.2.250.1.71.4.2.1", extension=f"8{89970000000 + number}"),),
        "code": Code(code="G15_10/SM36", system="1.2.250.1.213.1.1.4.5", label="Médecin - Oncologie (SM)"),
        "addresses": (Address(null_flavor="NASK"),),
        "name": Name(parts=(NamePart(kind="family", text=f"ESSAI-{number}"), NamePart(kind="given", text="Camille"))),
        "organisation": _PLACE,
        **role,
    }
    return Participation(part=part, **given)  # type: ignore[arg-type]


def _participant(number: int, type_code: str, function: str | None = None) -> Participation:
    code = Code(code=function, system="1.2.250.1.213.1.6.1.107") if function else Code(null_flavor="NA")
    return _who(
        "participant", number, type_code=type_code, function=code, time=Time(null_flavor="UNK"), entity_class="PROV"
    )


def _header(number: int) -> cda.Header:
    period = Time(low=Moment(value=_AT))
    attending = Code(code="PCP", system="2.16.840.1.113883.5.88", label="Médecin traitant")
    return cda.Header(
        id=Id(root=f"1.2.250.1.999.1.{number}"),
        set_id=Id(root=f"1.2.250.1.999.2.{number}"),
        version=1,
        title="Fiche RCP de sénologie",
        created=Moment(value=_AT),
        patient=cda.Patient(
            ids=(Id(root="1.2.250.1.213.1.4.10", extension="279035121518989"),),
            names=(
                Name(
                    parts=(
                        NamePart(kind="family", text=f"ESSAI-{number}", qualifier="BR"),
                        NamePart(kind="given", text="ALIX DOMINIQUE"),
                        NamePart(kind="given", text="ALIX", qualifier="BR"),
                    )
                ),
            ),
            sex=Code(code="F", system="2.16.840.1.113883.5.1", label="Féminin"),
            birth=Moment(value="19790328"),
            birthplace=Address(lines=(("county", "51215"),)),
        ),
        authors=(_who("author", 1, time=Time(value=_AT)),),
        custodian=Organisation(ids=_PLACE.ids, name=_PLACE.name),
        legal_authenticator=_who("legalAuthenticator", 1, time=Time(value=_AT), signature="S"),
        participants=(
            _participant(1, "RESP"),
            _participant(2, "REFB"),
            _participant(3, "PRF"),
            _who(
                "participant",
                4,
                type_code="INF",
                function=attending,
                time=Time(null_flavor="UNK"),
                entity_class="PROV",
            ),
            *(_participant(each, "PRF", CARE_TEAM) for each in range(_MEMBERS)),
        ),
        orders=(cda.Order(ids=(Id(root=f"1.2.250.1.999.3.{number}"),)),),
        acts=(
            cda.Act(
                code=Code(code="39", system="1.2.250.1.213.3.3.13", label="Réunion de concertation (RCP)"),
                time=period,
                performers=(_who("performer", 1, type_code="PRF"),),
            ),
        ),
        encounter=cda.Encounter(
            ids=tuple(
                Id(root=root, extension=str(each))
                for root, each in ((NETWORK_OID, 52), (MANAGER_OID, 520), (BOARD_OID, 2701))
            ),
            time=period,
            facility=Organisation(
                ids=_PLACE.ids,
                code=Code(code="SA01", system="1.2.250.1.71.4.2.4", label="Etablissement public de santé"),
                name=_PLACE.name,
                addresses=_PLACE.addresses,
            ),
        ),
    )
