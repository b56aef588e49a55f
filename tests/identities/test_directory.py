"""The directory: who works where, what is kept of it for a minute, and who a token's bearer is in a network."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from passerelle.identities.bearers import Activity, Bearer, BearerKind, Person, Software
from passerelle.identities.bearers import Professional as Claimed
from passerelle.identities.directory import Directory, Establishment, Practice, Professional
from passerelle.identities.ins import NIR_TEST, Ins
from passerelle.kernel.contents import Contents
from passerelle.kernel.context import Tenant
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle.kernel.keys import Keys
from passerelle_policies.vocabulary import ActorKind
from tests.conftest import Cloned

HERE, ELSEWHERE, OTHER_HERE = "310783055", "800006124", "810000505"
RPPS = "89970000011"
DOCTOR = Professional(
    rpps=RPPS,
    family_name="Essai",
    given_name="Alix",
    profession="10",
    specialty="SM54",
    practices=(Practice(tenant_id="essai", finess=HERE), Practice(tenant_id="ailleurs", finess=ELSEWHERE)),
)
PERSON = Person(ins=Ins(NIR_TEST, "280019900000195"), family_name="Patient", given_name="Dominique")


class Time:
    """A clock for what is kept."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def timer() -> Time:
    return Time()


@pytest.fixture
async def directory(directory_database: Cloned, timer: Time) -> Directory:
    kept = Directory(directory_database.database, timer=timer)
    await kept.register_establishments(
        [
            Establishment(finess=HERE, name="Hôpital", basin="Centre", tenant_id="essai", category="SA01"),
            Establishment(finess=OTHER_HERE, name="CH", basin="Centre", tenant_id="essai"),
            Establishment(finess=ELSEWHERE, name="CHU", basin="Nord", tenant_id="ailleurs"),
        ]
    )
    await kept.register_professionals([DOCTOR])
    return kept


@pytest.fixture
def tenant(tenant_database: Cloned, tmp_path: Path) -> Tenant:
    return Tenant(
        id="essai",
        name="Réseau d’essai",
        is_test=True,
        database=tenant_database.database,
        contents=Contents((tmp_path / "contents").as_uri()),
        keys=Keys.create(tmp_path / "essai.key"),
    )


def token(
    *activities: Activity, rpps: str | None = RPPS, person: Person | None = None, software: Software | None = None
) -> Bearer:
    claimed = Claimed(national_id=f"8{rpps}", rpps=rpps, family_name="Jeton", given_name="Du", activities=activities)
    kind = BearerKind.PERSON if person else BearerKind.SOFTWARE if software else BearerKind.PROFESSIONAL
    return Bearer(
        kind=kind,
        issuer="https://issuer.test",
        subject="sub",
        expires_at=datetime.now(UTC) + timedelta(hours=1),
        professional=None if person else claimed,
        person=person,
        software=software,
    )


AT_HERE = Activity(profession="10", finess=HERE)


async def test_what_is_registered_is_found_whole(directory: Directory) -> None:
    assert await directory.professional(RPPS) == replace(
        DOCTOR, practices=tuple(sorted(DOCTOR.practices, key=lambda each: each.tenant_id))
    )
    assert await directory.knows("essai", RPPS)
    assert not await directory.knows("picardie", RPPS)
    assert await directory.professional("89970000000") is None
    assert await directory.establishment("999999999") is None


async def test_registering_again_updates_and_adds(directory: Directory) -> None:
    await directory.register_professionals(
        [replace(DOCTOR, family_name="Nouveau", practices=(Practice(tenant_id="essai", finess=OTHER_HERE),))]
    )
    await directory.register_establishments(
        [Establishment(finess=HERE, name="Hôpital rénové", basin="Sud", tenant_id="essai")]
    )

    found, place = await directory.professional(RPPS), await directory.establishment(HERE)
    assert found is not None
    assert place is not None
    assert found.family_name == "Nouveau"
    assert {each.finess for each in found.practices} == {HERE, OTHER_HERE, ELSEWHERE}
    assert (place.name, place.basin, place.category) == ("Hôpital rénové", "Sud", None)


async def test_what_was_found_is_kept_for_a_minute_and_absence_is_not(directory: Directory, timer: Time) -> None:
    await directory.professional(RPPS)
    unknown = "89970000029"
    assert await directory.professional(unknown) is None
    async with directory.database.transaction() as connection:
        await connection.execute(text("update professional set is_active = false"))
        await connection.execute(
            text("insert into professional (rpps, family_name, given_name, profession) values (:r, 'A', 'B', '10')"),
            {"r": unknown},
        )

    assert await directory.knows("essai", RPPS)
    assert await directory.professional(unknown) is not None
    timer.now = 61.0
    assert not await directory.knows("essai", RPPS)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (replace(DOCTOR, rpps="1234"), "RPPS_MALFORMED"),
        (
            replace(DOCTOR, rpps="89970000037", practices=(Practice(tenant_id="essai", finess="999999999"),)),
            "PRACTICE_UNKNOWN",
        ),
    ],
)
async def test_a_wrong_professional_is_refused_with_all_that_came_with_him(
    directory: Directory, wrong: Professional, code: str
) -> None:
    other = replace(DOCTOR, rpps="89970000045")

    with pytest.raises(InvalidInput, match=code):
        await directory.register_professionals([other, wrong])

    assert await directory.professional(other.rpps) is None


async def test_an_establishment_stays_where_it_is(directory: Directory) -> None:
    taken = Establishment(finess=ELSEWHERE, name="Pris", basin="Centre", tenant_id="essai")
    fresh = Establishment(finess="310000310", name="Neuf", basin="Centre", tenant_id="essai")

    with pytest.raises(Conflict, match="ESTABLISHMENT_ELSEWHERE"):
        await directory.register_establishments([fresh, taken])
    with pytest.raises(InvalidInput, match="FINESS_MALFORMED"):
        await directory.register_establishments([replace(fresh, finess="31-0")])

    assert await directory.establishment("310000310") is None


async def test_a_professional_is_who_the_directory_says(directory: Directory, tenant: Tenant) -> None:
    actor = await directory.actor_for(token(Activity(profession="60", finess=HERE)), tenant)

    assert (actor.kind, actor.id, actor.name) == (ActorKind.PROFESSIONAL, RPPS, "Alix Essai")
    assert (actor.profession, actor.specialty, actor.establishment) == ("10", "SM54", HERE)


async def test_a_student_has_the_rights_of_no_profession(directory: Directory, tenant: Tenant) -> None:
    actor = await directory.actor_for(token(Activity(profession="10", category="E", finess=HERE)), tenant)

    assert (actor.profession, actor.specialty) == (None, None)


async def test_he_acts_from_where_this_network_knows_him(directory: Directory, tenant: Tenant) -> None:
    both = token(Activity(profession="10", finess=ELSEWHERE), AT_HERE)

    assert (await directory.actor_for(both, tenant)).establishment == HERE
    assert (await directory.actor_for(both, tenant, HERE)).establishment == HERE
    with pytest.raises(Refused, match="ACTOR_UNKNOWN_HERE"):
        await directory.actor_for(both, tenant, ELSEWHERE)
    with pytest.raises(Refused, match="STRUCTURE_NOT_IN_TOKEN"):
        await directory.actor_for(both, tenant, OTHER_HERE)


async def test_software_is_named_beside_the_one_it_acts_for(directory: Directory, tenant: Tenant) -> None:
    software = Software(id="dossimed", name="DossiMed", version="1", structure=HERE)

    actor = await directory.actor_for(token(AT_HERE, software=software), tenant)

    assert (actor.id, actor.software) == (RPPS, "dossimed")


@pytest.mark.parametrize("rpps", ["89970000052", None], ids=["unregistered", "without RPPS"])
async def test_a_professional_who_is_not_in_the_directory_is_unknown(
    directory: Directory, tenant: Tenant, rpps: str | None
) -> None:
    with pytest.raises(Refused, match="ACTOR_UNKNOWN_HERE"):
        await directory.actor_for(token(AT_HERE, rpps=rpps), tenant)


async def test_one_who_works_elsewhere_only_or_no_more_is_unknown(directory: Directory, tenant: Tenant) -> None:
    elsewhere = replace(DOCTOR, rpps="89970000060", practices=(Practice(tenant_id="ailleurs", finess=ELSEWHERE),))
    retired = replace(DOCTOR, rpps="89970000078", is_active=False)
    await directory.register_professionals([elsewhere, retired])

    for rpps in (elsewhere.rpps, retired.rpps):
        with pytest.raises(Refused, match="ACTOR_UNKNOWN_HERE"):
            await directory.actor_for(token(AT_HERE, rpps=rpps), tenant)


async def test_a_person_is_known_once_the_network_has_his_identity(directory: Directory, tenant: Tenant) -> None:
    with pytest.raises(Refused, match="ACTOR_UNKNOWN_HERE"):
        await directory.actor_for(token(person=PERSON), tenant)
    key = tenant.keys.person_key(PERSON.ins.oid, PERSON.ins.value)
    async with tenant.database.transaction() as connection:
        await connection.execute(
            text(
                "insert into patient (patient_id, person_key, ins_status, registered_at)"
                " values (gen_random_uuid(), :key, 'qualified', now())"
            ),
            {"key": key},
        )

    actor = await directory.actor_for(token(person=PERSON), tenant)

    assert (actor.kind, actor.id, actor.name) == (ActorKind.PERSON, key, "Dominique Patient")
    assert PERSON.ins.value not in repr(actor)
    with pytest.raises(Refused, match="ACTOR_UNKNOWN_HERE"):
        await directory.actor_for(token(person=PERSON), replace(tenant, is_test=False))
