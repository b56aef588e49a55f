"""The public code lists and the roles that professions are given, against the public releases when they are there."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from passerelle_policies import nomenclatures
from passerelle_policies.roles import HEALTH_ROLES, PROFESSIONAL_ROLES, role_of
from passerelle_policies.vocabulary import ActorKind, Role

SHARED = Path(__file__).parents[3] / "shared" / "data"
NEEDS_SHARED = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the public documents of ../shared/data are not on this machine"
)


def test_document_types() -> None:
    known = nomenclatures.document_types()
    assert sum(each.in_jdv for each in known.values()) == 116
    assert sum(each.in_dmp for each in known.values()) == 103
    discharge = known["11490-0"]
    assert discharge.label == "Lettre de liaison à la sortie d'un établissement de soins"
    assert (discharge.class_code, discharge.class_label) == ("10", "Compte rendu")
    assert nomenclatures.document_type("no-such-type") is None


def test_a_type_that_the_dmp_still_takes_is_exchanged_though_jdv_j07_dropped_it() -> None:
    pathology = nomenclatures.document_types()["11526-1"]
    assert not pathology.in_jdv
    assert pathology.in_dmp
    assert pathology.is_exchanged
    older = nomenclatures.document_types()["10213-7"]
    assert not older.is_exchanged


def test_types_without_class_are_those_that_no_table_classifies() -> None:
    unclassified = {code for code, each in nomenclatures.document_types().items() if each.class_code is None}
    assert unclassified == {"34876-3", "68814-3", "101881-1"}


def test_other_lists() -> None:
    assert nomenclatures.specialty("SM26") is not None
    assert nomenclatures.author_specialty("G15_10/SM26") is not None
    assert nomenclatures.facility_type("SA01") is not None
    assert nomenclatures.practice_setting("AMBULATOIRE") is not None
    assert nomenclatures.confidentiality("MASQUE_PS") is not None
    assert nomenclatures.document_class("11") is not None
    for absent in (
        nomenclatures.specialty,
        nomenclatures.author_specialty,
        nomenclatures.facility_type,
        nomenclatures.practice_setting,
        nomenclatures.confidentiality,
        nomenclatures.document_class,
        nomenclatures.profession,
    ):
        assert absent("no such code") is None


def test_format_codes() -> None:
    assert nomenclatures.format_code_of("1.2.250.1.213.1.1.1.13") == "urn:asip:ci-sis:vsm:2012"
    assert nomenclatures.format_code_of("1.3.6.1.4.1.19376.1.2.20") is None  # depends on the media type
    assert nomenclatures.is_format_code("urn:ihe:iti:xds-sd:pdf:2008")
    assert not nomenclatures.is_format_code("urn:none")


@pytest.mark.parametrize(
    ("code", "role"),
    [
        ("10", Role.PHYSICIAN),
        ("21", Role.PHARMACIST),
        ("60", Role.NURSE),
        ("69", Role.NURSE),
        ("40", Role.DENTIST),
        ("50", Role.MIDWIFE),
        ("70", Role.PHYSIOTHERAPIST),
        ("91", Role.OTHER_HEALTH),
        ("97", Role.OTHER_HEALTH),
        ("35", Role.OTHER_HEALTH),
        ("41", Role.SOCIAL_WORKER),
        ("93", Role.SOCIAL_WORKER),
        ("331", Role.SECRETARY),
        ("SECRETARIAT_MEDICAL", Role.SECRETARY),
        ("303", Role.OTHER),
        ("200", Role.OTHER),
        ("AUTOMATE", Role.OTHER),
        ("", Role.OTHER),
        (None, Role.OTHER),
        ("no such code", Role.OTHER),
    ],
)
def test_role_of_a_professional(code: str | None, role: Role) -> None:
    assert role_of(code, ActorKind.PROFESSIONAL) is role


def test_role_of_the_others_comes_from_their_kind() -> None:
    assert role_of("10", ActorKind.PERSON) is Role.PERSON
    assert role_of(None, ActorKind.ESTABLISHMENT) is Role.ESTABLISHMENT
    assert role_of(None, ActorKind.SYSTEM) is Role.SYSTEM


def test_professions_name_only_roles_of_professionals() -> None:
    assert {each.role for each in nomenclatures.professions().values()} == PROFESSIONAL_ROLES
    assert HEALTH_ROLES < PROFESSIONAL_ROLES


@NEEDS_SHARED
def test_every_type_of_the_public_documents_is_exchanged_and_two_are_not_of_the_dmp() -> None:
    used: set[str] = set()
    with (SHARED / "MANIFEST.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["file"].startswith(("cda/", "xdm/")):
                used.update(filter(None, re.split(r"; *", row["type_code"])))
    types = {code: nomenclatures.document_type(code) for code in used}
    assert [code for code, its_type in types.items() if its_type is None or not its_type.is_exchanged] == []
    assert {code for code, its_type in types.items() if its_type and not its_type.in_dmp} == {"EXPORT_DUI", "78341-5"}


@NEEDS_SHARED
@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("JDV_J02_XdsHealthcareFacilityTypeCode_CISIS.xml", "facility_types"),
        ("JDV_J04_XdsPracticeSettingCode_CISIS.xml", "practice_settings"),
        ("JDV_J01_XdsAuthorSpecialty_CISIS.xml", "author_specialties"),
        ("JDV_J08_XdsConfidentialityCode_CISIS.xml", "confidentiality_codes"),
        ("JDV_J07_XdsTypeCode_CISIS.xml", "document_types"),
    ],
)
def test_lists_hold_what_was_published(file: str, name: str) -> None:
    published = dict(
        re.findall(
            r'<Concept code="([^"]*)"\s+codeSystem="[^"]*"\s+displayName="([^"]*)"',
            (SHARED / "terminology" / "jdv-2025" / file).read_text("utf-8"),
        )
    )
    path = Path(nomenclatures.__file__).with_name("codes") / f"{name}.csv"
    with path.open(encoding="utf-8") as rows:
        carried = {row["code"]: row["label"] for row in csv.DictReader(rows)}
    assert published
    for code, label in published.items():
        assert carried[code] == label.strip()


@NEEDS_SHARED
def test_the_dmp_types_and_their_classes_are_those_published() -> None:
    path = SHARED / "terminology" / "dmp" / "ASS_X16-type-vers-classe-DMP.csv"
    with path.open(encoding="utf-8") as rows:
        published = {row["source_code"]: row["target_code"] for row in csv.DictReader(rows)}
    carried = {code: each.class_code for code, each in nomenclatures.document_types().items() if each.in_dmp}
    assert carried == published
