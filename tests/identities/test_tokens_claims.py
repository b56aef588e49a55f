"""From claims to bearers: the samples of Pro Santé Connect, the VIHF, a person's own, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.identities.bearers import Bearer, BearerKind
from passerelle.identities.claims import PURPOSE_OF_USE, SUBJECT_ID, SUBJECT_ROLE, bearer
from passerelle.identities.ins import NIR_TEST, Ins
from passerelle.kernel.errors import NotAuthenticated, Refused
from passerelle.kernel.keys import KEY_BYTES, Keys
from passerelle_policies.vocabulary import ActorKind, Mode

KEYS = Keys(bytes(range(KEY_BYTES)))
EXPIRES = datetime(2026, 11, 2, 21, 0, tzinfo=UTC)
PSC = Path(__file__).resolve().parents[3] / "shared" / "data" / "identity" / "psc"

ACTIVITIES = [
    {"codeSecteurDactivite": "SA07", "numeroFinessSite": "", "raisonSocialeSite": "CABINET DU CANAL"},
    {
        "codeSecteurDactivite": "SA01",
        "numeroFinessSite": "310000001",
        "numeroFinessetablissementJuridique": "310000009",
        "raisonSocialeSite": "HOPITAL DU CANAL",
    },
    {"codeSecteurDactivite": "SA05", "numeroFinessetablissementJuridique": "2A0000005"},
]
PROFESSIONAL: Mapping[str, object] = {
    "sub": "f:0:899700000011",
    "SubjectNameID": "899700000011",
    "family_name": "ESSAI",
    "given_name": "Camille",
    "Acces_Regulation_Medicale": "FAUX",
    "SubjectRole": ["10^1.2.250.1.213.1.1.5.5"],
    "SubjectRefPro": {
        "codeCivilite": "",
        "exercices": [
            {
                "codeProfession": "10",
                "codeCategorieProfessionnelle": "C",
                "nomDexercice": "ESSAI-PRATIQUE",
                "prenomDexercice": "Camille",
                "codeTypeSavoirFaire": "S",
                "codeSavoirFaire": "SM54",
                "activities": ACTIVITIES,
            }
        ],
    },
}
PERSON: Mapping[str, object] = {
    "sub": "person:1",
    "ins": {"oid": NIR_TEST, "value": "255069999999934"},
    "family_name": "ESSAI",
    "given_name": "Dominique",
}
SOFTWARE: Mapping[str, object] = {
    "sub": "dpi-canal",
    "client_id": "dpi-canal",
    "VIHF_Version": "3.0",
    "Authentification_mode": "INDIRECTE",
    "LPS_Nom": "DPI DU CANAL",
    "LPS_Version": "7.1",
    "LPS_ID_HOMOLOGATION_DMP": "DEMO-000000-0000",
    "Identifiant_Structure": "1310000001",
    "Secteur_Activite": "SA01^1.2.250.1.71.4.2.4",
    "SubjectNameID": "899700000011",
    SUBJECT_ID: "ESSAI Camille",
    SUBJECT_ROLE: [
        {"code": "10", "codeSystem": "1.2.250.1.71.1.2.7", "displayName": "Médecin"},
        {"code": "SM54", "codeSystem": "1.2.250.1.71.4.2.5"},
    ],
    PURPOSE_OF_USE: {"code": "normal", "codeSystem": "1.2.250.1.213.1.1.4.248"},
}


def _bearer(claims: Mapping[str, object]) -> Bearer:
    return bearer(claims, issuer="https://issuer.example", expires_at=EXPIRES)


def _incomplete(claims: Mapping[str, object]) -> object:
    with pytest.raises(NotAuthenticated) as refused:
        _bearer(claims)
    assert refused.value.code == "TOKEN_CLAIMS_INCOMPLETE"
    return refused.value.fields["claim"]


def test_a_professional_practises_where_the_token_says() -> None:
    professional = _bearer(PROFESSIONAL).professional
    assert professional is not None
    assert (professional.rpps, professional.name) == ("99700000011", "Camille ESSAI-PRATIQUE")
    assert [each.structure for each in professional.activities] == [None, "310000001", "2A0000005"]
    assert {each.profession for each in professional.activities} == {"10"}
    assert {each.specialty for each in professional.activities} == {"SM54"}
    assert professional.activities[0].role is None
    assert not professional.may_regulate


def test_he_acts_from_the_first_structure_or_from_the_one_he_chooses() -> None:
    proven = _bearer(PROFESSIONAL)
    actor = proven.actor(KEYS)
    assert (actor.kind, actor.id, actor.profession, actor.specialty) == (
        ActorKind.PROFESSIONAL,
        "99700000011",
        "10",
        "SM54",
    )
    assert actor.establishment == "310000001"
    assert actor.software is None
    assert proven.actor(KEYS, "2A0000005").establishment == "2A0000005"
    assert proven.actor(KEYS, "310000009").establishment == "310000001"
    with pytest.raises(Refused) as refused:
        proven.actor(KEYS, "750000001")
    assert refused.value.code == "STRUCTURE_NOT_IN_TOKEN"


def test_a_student_has_the_rights_of_none() -> None:
    exercice = {"codeProfession": "10", "codeCategorieProfessionnelle": "E", "activities": ACTIVITIES[1:]}
    actor = _bearer({**PROFESSIONAL, "SubjectRefPro": {"exercices": [exercice]}}).actor(KEYS)
    assert (actor.profession, actor.specialty) == (None, None)
    assert actor.establishment == "310000001"


def test_two_professions_are_told_apart_by_their_structure() -> None:
    exercices = [
        {"codeProfession": "10", "activities": [{"numeroFinessSite": "310000001"}]},
        {"codeProfession": "21", "activities": [{"numeroFinessSite": "310000002"}]},
    ]
    proven = _bearer({**PROFESSIONAL, "SubjectRefPro": {"exercices": exercices}})
    assert proven.actor(KEYS).profession == "10"
    assert proven.actor(KEYS, "310000002").profession == "21"


def test_the_profession_may_stand_in_subject_role_alone() -> None:
    nothing: list[object] = [{}, {"exercices": []}, {"exercices": [{}]}, {"exercices": [{"codeProfession": ""}]}, "x"]
    for absent in nothing:
        proven = _bearer({**PROFESSIONAL, "SubjectRefPro": absent, "Acces_Regulation_Medicale": "VRAI"})
        assert proven.actor(KEYS).profession == "10"
        assert proven.actor(KEYS).establishment is None
        assert proven.professional is not None
        assert proven.professional.may_regulate
    assert _incomplete({**PROFESSIONAL, "SubjectRefPro": {}, "SubjectRole": []}) == "SubjectRefPro"


def test_who_has_no_rpps_keeps_his_national_identifier() -> None:
    for national_id in ("ANS20210107161422", "3310000001/1234", "0310012345"):
        professional = _bearer({**PROFESSIONAL, "SubjectNameID": national_id}).professional
        assert professional is not None
        assert (professional.rpps, professional.id) == (None, national_id)


def test_a_person_is_known_by_the_keyed_hash_of_his_ins() -> None:
    proven = _bearer(PERSON)
    assert proven.kind is BearerKind.PERSON
    assert proven.person is not None
    assert proven.person.ins == Ins(NIR_TEST, "255069999999934")
    actor = proven.actor(KEYS)
    assert (actor.kind, actor.id) == (ActorKind.PERSON, KEYS.person_key(NIR_TEST, "2550699999999"))
    assert "255069" not in repr(proven) + repr(actor)
    assert "ESSAI" not in repr(proven)
    with pytest.raises(Refused) as refused:
        proven.actor(KEYS, "310000001")
    assert refused.value.code == "STRUCTURE_NOT_IN_TOKEN"


@pytest.mark.parametrize(
    ("ins", "claim"),
    [
        (None, "ins"),
        ("255069999999934", "ins"),
        ({"oid": "", "value": "255069999999934"}, "ins.oid"),
        ({"oid": "1.2.250.1.213.1.4.2", "value": "2550699999999342222222"}, "ins.oid"),
        ({"oid": NIR_TEST, "value": ""}, "ins.value"),
        ({"oid": NIR_TEST, "value": "12"}, "ins.value"),
        ({"oid": NIR_TEST, "value": 255069999999934}, "ins.value"),
    ],
)
def test_a_person_without_a_usable_ins_is_nobody(ins: object, claim: str) -> None:
    assert _incomplete({**PERSON, "ins": ins}) == claim


def test_software_acts_for_the_professional_it_names_and_from_its_own_structure() -> None:
    proven = _bearer(SOFTWARE)
    assert proven.kind is BearerKind.SOFTWARE
    assert proven.acting_for is proven.professional
    assert proven.software is not None
    assert (proven.software.id, proven.software.name, proven.software.version) == ("dpi-canal", "DPI DU CANAL", "7.1")
    actor = proven.actor(KEYS)
    assert (actor.kind, actor.id, actor.name) == (ActorKind.PROFESSIONAL, "99700000011", "ESSAI Camille")
    assert (actor.profession, actor.specialty) == ("10", "SM54")
    assert (actor.establishment, actor.software) == ("310000001", "dpi-canal")
    with pytest.raises(Refused):
        proven.actor(KEYS, "310000002")
    assert _bearer(PROFESSIONAL).acting_for is None


@pytest.mark.parametrize(
    ("purpose", "mode"),
    [
        ("normal^1.2.250.1.213.1.1.4.248", Mode.NORMAL),
        ({"code": "bris_de_glace"}, Mode.BREAK_GLASS),
        ([{"code": "centre_15"}], Mode.REGULATION_CENTRE),
    ],
)
def test_software_says_how_it_comes_in(purpose: object, mode: Mode) -> None:
    assert _bearer({**SOFTWARE, PURPOSE_OF_USE: purpose}).mode is mode
    without = {claim: value for claim, value in SOFTWARE.items() if claim != PURPOSE_OF_USE}
    assert _bearer(without).mode is Mode.NORMAL


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("LPS_Nom", ""),
        ("LPS_ID_HOMOLOGATION_DMP", ""),
        ("Identifiant_Structure", ""),
        ("Identifiant_Structure", "331000000123456"),
        ("SubjectNameID", ""),
        ("SubjectNameID", "8 997"),
        ("SubjectNameID", 899700000011),
        (SUBJECT_ROLE, []),
        (SUBJECT_ROLE, [{"code": ""}]),
        (SUBJECT_ID, ""),
        (PURPOSE_OF_USE, "curiosity"),
        (PURPOSE_OF_USE, ["normal", "bris_de_glace"]),
        (PURPOSE_OF_USE, None),
        ("sub", ""),
    ],
)
def test_software_that_does_not_say_enough_is_refused(claim: str, value: object) -> None:
    assert _incomplete({**SOFTWARE, claim: value}) == claim


def test_nobody_is_two_at_once() -> None:
    assert _incomplete({**PROFESSIONAL, "ins": PERSON["ins"]}) == "ins"
    assert _incomplete({**SOFTWARE, "ins": PERSON["ins"]}) == "ins"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.just("x" * 300),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3),
    max_leaves=6,
)


@given(
    base=st.sampled_from([PROFESSIONAL, PERSON, SOFTWARE]),
    changes=st.dictionaries(st.sampled_from(sorted({*PROFESSIONAL, *PERSON, *SOFTWARE})), values, max_size=4),
)
def test_whatever_the_claims_a_bearer_or_a_refusal_comes_out(
    base: Mapping[str, object], changes: Mapping[str, object]
) -> None:
    try:
        actor = _bearer({**base, **changes}).actor(KEYS)
    except NotAuthenticated as refused:
        code = refused.code
    else:
        code = "TOKEN_CLAIMS_INCOMPLETE" if actor.id and actor.name.isprintable() else "a nameless actor"
    assert code == "TOKEN_CLAIMS_INCOMPLETE"


def _sample(name: str) -> Mapping[str, object]:
    if not PSC.is_dir():
        pytest.skip("the samples of Pro Santé Connect (../shared/data/identity/psc) are not on this machine")
    claims = cast(Mapping[str, object], json.loads((PSC / name).read_text("utf-8")))
    return {"sub": "f:0:sample", **claims}


def test_the_published_sample_with_five_activities() -> None:
    professional = _bearer(_sample("userinfo_medecin_5_activites.json")).professional
    assert professional is not None
    assert (professional.rpps, professional.id) == (None, "ANS20210107161422")
    assert len(professional.activities) == 5
    assert {each.profession for each in professional.activities} == {"10"}
    assert {each.specialty for each in professional.activities} == {"SM54"}
    assert {each.structure for each in professional.activities} == {None}
    assert [each.sector for each in professional.activities] == ["SA07", "SA07", "SA01", "SA43", "SA43"]
    assert professional.name == "Paul Docteur OIDC"


def test_the_published_minimal_sample() -> None:
    proven = _bearer(_sample("userinfo_minimal.json"))
    assert proven.professional is not None
    assert proven.professional.rpps == "99700218896"
    assert len(proven.professional.activities) == 1
    actor = proven.actor(KEYS)
    assert (actor.profession, actor.specialty, actor.establishment) == ("10", None, None)
