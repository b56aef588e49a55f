"""Erasure: asked for, withdrawn, done once whoever is killed, certified; and nothing of health stays."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    documents,
    erasure,
    erasure_certificate,
    lifecycle,
    representation,
)
from passerelle.dossier.erasure_verification import verify_erasures
from passerelle.dossier.lifecycle import Basis
from passerelle.dossier.tables import document as filed
from passerelle.dossier.tables import dossier, erasure_request
from passerelle.dossier.tables import erasure_certificate as certificates
from passerelle.dossier.verification import orphans
from passerelle.kernel.actors import Actor
from passerelle.kernel.contents import Contents
from passerelle.kernel.errors import BrokenIntegrity, Conflict, InvalidInput, PasserelleError, Refused, TryLater
from passerelle.kernel.keys import Keys
from passerelle_policies.vocabulary import ActorKind
from tests.builders import World, document, professional
from tests.conftest import Cloned

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="erasure", name="Effacement")
#: Longer than the days to think, shorter than the legal months.
LATER = timedelta(days=45)


async def _closed(world: World, titles: tuple[str, ...] = ("Compte rendu",)) -> tuple[UUID, Actor]:
    patient_id, person = await world.patient()
    for title in titles:
        await world.publish(patient_id, document(title=title, content=f"texte de {title}".encode()))
    async with transaction(world.context(person)) as act:
        await lifecycle.close(act, patient_id)
    return patient_id, person


async def _asked(world: World, patient_id: UUID, person: Actor) -> erasure.ErasureRequest:
    async with transaction(world.context(person)) as act:
        return await erasure.request_erasure(act, patient_id, proof="lettre")


async def _state(world: World, patient_id: UUID) -> str:
    async with world.tenant.database.transaction() as connection:
        return str(
            (await connection.execute(select(dossier.c.state).where(dossier.c.patient_id == patient_id))).scalar_one()
        )


async def _counted(world: World, state: str, among: list[UUID] | None = None) -> int:
    """How many records are in a state: other tests of this module leave theirs in the same database."""
    wanted = select(dossier.c.patient_id).where(dossier.c.state == state)
    async with world.tenant.database.transaction() as connection:
        found = set((await connection.execute(wanted)).scalars())
    return len(found if among is None else found & set(among))


async def _certificates(world: World, patient_id: UUID) -> int:
    async with world.tenant.database.transaction() as connection:
        found = select(certificates.c.certificate_id).where(certificates.c.patient_id == patient_id)
        return len((await connection.execute(found)).all())


async def _stored(world: World, patient_id: UUID) -> int:
    """How many of a record's contents are in the store."""
    here = {name async for name in world.tenant.contents.names()}
    async with world.tenant.database.transaction() as connection:
        named = select(filed.c.content_name).where(filed.c.patient_id == patient_id)
        return len(here & set((await connection.execute(named)).scalars()))


async def _certificate(world: World, patient_id: UUID, person: Actor) -> erasure_certificate.Certificate:
    async with transaction(world.context(person)) as act:
        return await erasure.certificate_of(act, patient_id)


async def test_a_request_is_done_at_its_day_and_certified(world: World) -> None:
    patient_id, person = await _closed(world, ("Un", "Deux"))
    asked = await _asked(world, patient_id, person)
    again = await _asked(world, patient_id, person)
    assert again == asked
    assert asked.due_at == world.clock.now() + timedelta(days=30)

    world.clock.set(asked.due_at - timedelta(seconds=1))
    await erasure.erase_due(world.context(SYSTEM))
    assert await _state(world, patient_id) == "closed"
    with pytest.raises(Conflict, match="ERASURE_NOT_DONE"):
        await _certificate(world, patient_id, person)

    world.clock.set(asked.due_at)
    assert await erasure.erase_due(world.context(SYSTEM)) == 1
    assert await erasure.erase_due(world.context(SYSTEM)) == 0
    certificate = await _certificate(world, patient_id, person)
    said = erasure_certificate.verify(certificate.statement, certificate.signature, world.tenant.keys.public_key)
    assert said["record"] == str(patient_id)
    assert (said["basis"], said["documents"], said["contents_destroyed"]) == ("request", 2, 2)
    assert said["key_destroyed"] is True
    assert person.name not in certificate.statement


async def test_the_rule_s_months_are_a_limit_to_the_days_left_to_think(world: World) -> None:
    slow = World(tenant=replace(world.tenant, parameters={"dossier.erasure_grace_days": 400}), clock=world.clock)
    patient_id, person = await _closed(slow)
    asked = await _asked(slow, patient_id, person)
    assert asked.due_at == world.clock.now().replace(year=2027, month=2)


async def test_only_the_patient_asks_and_only_once_closed(world: World) -> None:
    patient_id, person = await world.patient()
    with pytest.raises(Conflict, match="ERASURE_NOT_CLOSED"):
        await _asked(world, patient_id, person)
    parent = replace(person, id="f" * 32)
    async with transaction(world.context(person)) as act:
        await representation.declare_representative(
            act, patient_id, parent.id, proof="livret", basis=representation.RepresentationBasis.GUARDIANSHIP
        )
        await lifecycle.close(act, patient_id)
    for other in (parent, professional()):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            await _asked(world, patient_id, other)
    with pytest.raises(InvalidInput, match="PROOF_MISSING"):
        async with transaction(world.context(person)) as act:
            await erasure.request_erasure(act, patient_id, proof="  ")
    async with world.tenant.database.transaction() as connection:
        wanted = select(erasure_request).where(erasure_request.c.patient_id == patient_id)
        assert (await connection.execute(wanted)).all() == []


async def test_a_request_is_withdrawn_until_it_is_done(world: World) -> None:
    patient_id, person = await _closed(world)
    asked = await _asked(world, patient_id, person)
    async with transaction(world.context(person)) as act:
        assert await erasure.withdraw_erasure(act, patient_id) == asked
    world.clock.advance(LATER)
    await erasure.erase_due(world.context(SYSTEM))
    assert await _state(world, patient_id) == "closed"
    with pytest.raises(Conflict, match="ERASURE_NOT_REQUESTED"):
        async with transaction(world.context(person)) as act:
            await erasure.withdraw_erasure(act, patient_id)
    with pytest.raises(Conflict, match="ERASURE_NOT_REQUESTED"):
        await erasure.erase_now(world.context(SYSTEM), patient_id)


async def test_reopening_keeps_everything_and_ends_the_request(world: World) -> None:
    patient_id, person = await _closed(world)
    await _asked(world, patient_id, person)
    async with transaction(world.context(person)) as act:
        await lifecycle.reopen(act, patient_id, proof="je change d'avis")
        await lifecycle.close(act, patient_id)
    world.clock.advance(LATER)
    await erasure.erase_due(world.context(SYSTEM))
    assert await _state(world, patient_id) == "closed"
    async with transaction(world.context(person)) as act:
        await lifecycle.reopen(act, patient_id, proof="de nouveau")
    async with world.tenant.database.transaction() as connection:
        (document_id,) = (
            await connection.execute(select(filed.c.document_id).where(filed.c.patient_id == patient_id))
        ).scalars()
    opened = await documents.open_content(world.context(person), document_id)
    assert b"".join([piece async for piece in opened.read()]) == b"texte de Compte rendu"


async def test_a_record_past_its_retention_is_erased(world: World) -> None:
    patient_id, person = await _closed(world)
    world.clock.advance(timedelta(days=3653))
    assert await erasure.erase_due(world.context(SYSTEM)) >= 1
    certificate = await _certificate(world, patient_id, person)
    said = erasure_certificate.verify(certificate.statement, certificate.signature, world.tenant.keys.public_key)
    assert (said["basis"], said["by"]) == ("retention", "system")


async def test_at_once_by_the_operator_when_asked_for(world: World) -> None:
    patient_id, person = await _closed(world)
    with pytest.raises(Conflict, match="ERASURE_NOT_REQUESTED"):
        await erasure.erase_now(world.context(SYSTEM), patient_id)
    await _asked(world, patient_id, person)
    with pytest.raises(Refused):
        await erasure.erase_now(world.context(professional()), patient_id)
    certificate = await erasure.erase_now(world.context(SYSTEM), patient_id)
    assert certificate == await _certificate(world, patient_id, person)
    assert await _stored(world, patient_id) == 0


async def test_what_the_patient_purged_himself_is_concluded_too(world: World) -> None:
    patient_id, person = await _closed(world)
    async with transaction(world.context(person)) as act:
        await lifecycle.purge(act, patient_id, basis=Basis.REQUEST, proof="au guichet")
    assert await _stored(world, patient_id) == 1
    await erasure.erase_due(world.context(SYSTEM))
    assert await _stored(world, patient_id) == 0
    assert (await _certificate(world, patient_id, person)).statement


async def test_two_workers_erase_once(world: World) -> None:
    records = [await _closed(world) for _ in range(4)]
    for patient_id, person in records:
        await _asked(world, patient_id, person)
    world.clock.advance(LATER)
    due = await _counted(world, "closed", [patient_id for patient_id, _ in records])
    others = await _counted(world, "closed")
    counts = await asyncio.gather(*(erasure.erase_due(world.context(SYSTEM)) for _ in range(3)))
    assert due == len(records)
    assert sum(counts) == others - await _counted(world, "closed")
    await erasure.erase_due(world.context(SYSTEM))
    assert [await _certificates(world, patient_id) for patient_id, _ in records] == [1, 1, 1, 1]


class _Away(Contents):
    """A store that goes away after so many deletions, as when the process is killed there."""

    left: int

    async def delete(self, name: str) -> None:
        if self.left == 0:
            raise TryLater("CONTENT_STORE_AWAY", retry_after=1)
        self.left -= 1
        await super().delete(name)


@pytest.mark.parametrize("deleted", [0, 1, 3])
async def test_cut_off_between_the_key_and_the_contents_it_goes_on(world: World, deleted: int) -> None:
    patient_id, person = await _closed(world, ("a", "b", "c", "d"))
    await _asked(world, patient_id, person)
    world.clock.advance(LATER)
    away = _Away(world.tenant.contents.url)
    away.left = deleted
    cut = World(tenant=replace(world.tenant, contents=away), clock=world.clock)
    with pytest.raises(TryLater):
        await erasure.erase_due(cut.context(SYSTEM))
    async with world.tenant.database.transaction() as connection:
        key = select(dossier.c.state, dossier.c.wrapped_key).where(dossier.c.patient_id == patient_id)
        assert (await connection.execute(key)).one() == ("purged", None)
    assert await _stored(world, patient_id) == 4 - deleted
    assert await _certificates(world, patient_id) == 0

    assert await erasure.erase_due(world.context(SYSTEM)) == 0
    assert await _stored(world, patient_id) == 0
    certificate = await _certificate(world, patient_id, person)
    said = erasure_certificate.verify(certificate.statement, certificate.signature, world.tenant.keys.public_key)
    assert said["contents_destroyed"] == 4
    assert await orphans(world.tenant) == []


async def test_a_tampered_certificate_is_told(world: World, tmp_path: Path) -> None:
    patient_id, person = await _closed(world)
    await _asked(world, patient_id, person)
    certificate = await erasure.erase_now(world.context(SYSTEM), patient_id)
    other = Keys.create(tmp_path / "other.key").public_key
    own = world.tenant.keys.public_key
    forged = certificate.statement.replace('"documents":1', '"documents":0')
    assert forged != certificate.statement
    for statement, signature, key in (
        (forged, certificate.signature, own),
        (certificate.statement, certificate.signature[:-1] + bytes([certificate.signature[-1] ^ 1]), own),
        (certificate.statement, certificate.signature, other),
        ("{}", world.tenant.keys.sign(b"{}"), own),
        ("[]", world.tenant.keys.sign(b"[]"), own),
    ):
        with pytest.raises(BrokenIntegrity, match="CERTIFICATE_ALTERED"):
            erasure_certificate.verify(statement, signature, key)


async def test_the_serving_role_can_not_change_a_certificate(world: World, tenant_database: Cloned) -> None:
    patient_id, person = await _closed(world)
    await _asked(world, patient_id, person)
    await erasure.erase_now(world.context(SYSTEM), patient_id)
    with (
        psycopg.connect(tenant_database.url, autocommit=True) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute("update erasure_certificate set statement = '{}'")


STEPS = ("open", "close", "reopen", "request", "withdraw", "purge", "month", "decade", "beat")


@dataclass
class Model:
    """What the diagram of `erasure` says of one record."""

    state: str | None = None
    due: datetime | None = None
    purge_after: datetime | None = None

    def after(self, step: str, now: datetime, given: datetime | None) -> None:
        """Go on by a step that was not refused."""
        if step in {"open", "reopen"}:
            self.state, self.due, self.purge_after = "open", None, None
        elif step == "close":
            self.state, self.purge_after = "closed", given
        elif step in {"request", "withdraw"}:
            self.due = given
        elif step == "purge" or (step == "beat" and self.state == "closed" and self._is_due(now)):
            self.state = "purged"

    def _is_due(self, now: datetime) -> bool:
        return any(each is not None and each <= now for each in (self.due, self.purge_after))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.sampled_from(STEPS), max_size=9))
async def test_purged_is_final_and_nothing_is_erased_that_was_not_due(world: World, steps: list[str]) -> None:
    patient_id, person = await world.patient(open_=False)
    model = Model()
    for step in steps:
        before = model.state
        with suppress(PasserelleError):
            given_back = await _step(world, step, patient_id, person)
            assert before != "purged" or step in {"month", "decade", "beat"}
            model.after(step, world.clock.now(), given_back)
        if model.state is not None:
            assert await _state(world, patient_id) == model.state
        if step == "beat":
            assert await _certificates(world, patient_id) == (model.state == "purged")


async def _step(world: World, step: str, patient_id: UUID, person: Actor) -> datetime | None:
    if step in {"month", "decade"}:
        world.clock.advance(timedelta(days=31 if step == "month" else 3653))
        return None
    if step == "beat":
        await erasure.erase_due(world.context(SYSTEM))
        return None
    async with transaction(world.context(person)) as act:
        match step:
            case "open":
                await lifecycle.open_(act, patient_id, basis=Basis.CONSENT, proof="signé")
            case "close":
                return (await lifecycle.close(act, patient_id)).purge_after
            case "reopen":
                await lifecycle.reopen(act, patient_id, proof="demande")
            case "request":
                return (await erasure.request_erasure(act, patient_id, proof="lettre")).due_at
            case "withdraw":
                await erasure.withdraw_erasure(act, patient_id)
            case _:
                await lifecycle.purge(act, patient_id, basis=Basis.REQUEST, proof="lettre")
    return None


async def test_what_is_wrong_with_an_erasure_is_found(world: World, tenant_database: Cloned) -> None:
    records = []
    for _ in range(4):
        patient_id, person = await _closed(world)
        await _asked(world, patient_id, person)
        records.append(patient_id)
    altered, revived, halfway, right = records
    for patient_id in (altered, revived, right):
        await erasure.erase_now(world.context(SYSTEM), patient_id)
    async with transaction(world.context(SYSTEM)) as act:
        await lifecycle.purge(act, halfway, basis=Basis.REQUEST, proof="lettre")
    with psycopg.connect(tenant_database.owner_url, autocommit=True) as owner:
        owner.execute(
            "update erasure_certificate set statement = replace(statement, 'request', 'retention')"
            " where patient_id = %s",
            (altered,),
        )
        owner.execute("update dossier set wrapped_key = '\\x00' where patient_id = %s", (revived,))
    count, findings = await verify_erasures(world.tenant)
    assert count >= 3
    found = {each.about: each.code for each in findings if each.about in map(str, records)}
    assert found == {
        str(altered): "CERTIFICATE_ALTERED",
        str(revived): "CERTIFICATE_UNTRUE",
        str(halfway): "CERTIFICATE_MISSING",
    }
