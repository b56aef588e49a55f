"""Dated packs: which is in force on a day, and what it says."""

from __future__ import annotations

from datetime import date

import pytest

from passerelle_policies.checks import check_pack
from passerelle_policies.decision import reach
from passerelle_policies.packs import (
    InvalidOverride,
    NoPackInForce,
    Pack,
    check_overrides,
    pack_named,
    pack_on,
    packs,
)
from passerelle_policies.roles import HEALTH_ROLES
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role
from tests.rules.strategies import PACK, TODAY

BASE = "2023-10-26-habilitations"


@pytest.mark.no_cover
@pytest.mark.parametrize("pack", packs(), ids=[pack.name for pack in packs()])
def test_every_pack_is_well_formed(pack: Pack) -> None:
    assert check_pack(pack) == []


@pytest.mark.parametrize(
    ("day", "name"),
    [
        (date(2012, 1, 1), "2012-dmp"),
        (date(2021, 6, 30), "2012-dmp"),
        (date(2021, 7, 1), "2021-mon-espace-sante"),
        (date(2023, 4, 4), "2021-mon-espace-sante"),
        (date(2023, 4, 5), "2023-04-05-dp-sans-accord"),
        (date(2023, 10, 29), "2023-04-05-dp-sans-accord"),
        (date(2023, 10, 30), BASE),
        (date(2023, 11, 30), BASE),
        (date(2023, 12, 1), "2023-12-01-referentiel-rcp"),
        (date(2025, 10, 14), "2023-12-01-referentiel-rcp"),
        (date(2025, 10, 15), "2025-10-15-team-consent"),
        (TODAY, "2025-10-15-team-consent"),
        (date(2040, 1, 1), "2025-10-15-team-consent"),
    ],
)
def test_the_pack_in_force(day: date, name: str) -> None:
    assert pack_on(day).name == name
    assert pack_named(name) is pack_on(day)


def test_no_pack_before_the_first() -> None:
    with pytest.raises(NoPackInForce):
        pack_on(date(2011, 12, 31))
    with pytest.raises(KeyError):
        pack_named("2008-dreams")


def test_the_parameters_that_the_law_gives() -> None:
    told = {
        "dossier.objection_days": 42,
        "dossier.retention_years": 10,
        "dossier.purge_on_request_months": 3,
        "documents.default_window_months": 24,
        "hidden_from_patient.notice_days": 14,
        "hidden_from_patient.visible_months": 1,
        "feeding.requires_status": "qualified",
        "attending_physician.sees_masked": False,
        "block.yields_to_regulation_centre": True,
        "care_team.requires_consent": True,
    }
    assert {name: PACK.parameter(name) for name in told} == told


def test_the_ruling_of_2025_asks_for_consent() -> None:
    assert not pack_on(date(2025, 10, 14)).holds("care_team.requires_consent")
    assert pack_on(date(2025, 10, 15)).holds("care_team.requires_consent")


def test_a_tenant_overrides_what_it_may() -> None:
    assert PACK.number("documents.default_window_months", {"documents.default_window_months": 36}) == 36
    with pytest.raises(InvalidOverride, match=r"R\.1111-36"):
        PACK.parameter("dossier.retention_years", {"dossier.retention_years": 1})
    with pytest.raises(InvalidOverride, match="int is needed"):
        PACK.parameter("documents.page_size_max", {"documents.page_size_max": True})
    assert check_overrides(PACK, {"documents.page_size_max": 20}) == []
    assert len(check_overrides(PACK, {"no.such": 1, "dossier.retention_years": 1, "author.unmasks": "yes"})) == 3


def test_a_parameter_of_another_kind_is_a_fault_of_ours() -> None:
    with pytest.raises(TypeError):
        PACK.number("author.unmasks")
    with pytest.raises(TypeError):
        PACK.holds("dossier.retention_years")


def test_the_types_of_a_dmp_and_their_classes() -> None:
    assert len(PACK.dmp_types) == 103
    assert PACK.class_of("34133-9").label == "Synthèse"
    for type_code in PACK.dmp_types:
        assert PACK.class_of(type_code).code
    with pytest.raises(KeyError):
        PACK.class_of("101881-1")  # a type of JDV_J07 that has no class yet


READ_BY = {
    Role.PHYSICIAN: 102,
    Role.PHARMACIST: 97,
    Role.NURSE: 100,
    Role.DENTIST: 93,
    Role.MIDWIFE: 98,
    Role.PHYSIOTHERAPIST: 80,
    Role.OTHER_HEALTH: 25,
    Role.SOCIAL_WORKER: 6,
    Role.SECRETARY: 0,
    Role.ESTABLISHMENT: 0,
    Role.SYSTEM: 0,
    Role.OTHER: 0,
}


@pytest.mark.parametrize("role", READ_BY)
def test_how_many_types_each_profession_reads_in_a_team(role: Role) -> None:
    for relation in (Relation.CARE_TEAM, Relation.AUTHORIZED):
        lines = reach(role, Mode.NORMAL, Kind.DOCUMENT, Action.READ, TODAY)
        read = {code for line in lines if relation in line.relations for code in line.types}
        assert len(read) == READ_BY[role]
        assert read <= PACK.dmp_types


def test_every_dmp_type_is_published_by_somebody_and_read_by_its_author() -> None:
    published: set[str] = set()
    for role in Role:
        for line in reach(role, Mode.NORMAL, Kind.DOCUMENT, Action.PUBLISH, TODAY):
            published.update(line.types)
    assert published == PACK.dmp_types
    for role in HEALTH_ROLES:
        own = [
            line
            for line in reach(role, Mode.NORMAL, Kind.DOCUMENT, Action.READ, TODAY)
            if Relation.AUTHOR in line.relations
        ]
        assert {code for line in own for code in line.types} == PACK.dmp_types
