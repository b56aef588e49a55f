"""A network is backed up, lives on, is destroyed and restored: equal, and nowhere wider than it was at its end."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from psycopg import AsyncConnection
from sqlalchemy import text

from passerelle.audit import narrowings
from passerelle.audit.followed import begin_again
from passerelle.audit.sealing import seal
from passerelle.audit.transactions import transaction
from passerelle.audit.verification import verify_journal
from passerelle.dossier import erasure, lifecycle, objections, relations, visibility
from passerelle.dossier.erasure_verification import verify_erasures
from passerelle.dossier.verification import acts_without_line, orphans, verify_contents
from passerelle.identities.ins import Ins
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import BrokenIntegrity, Conflict
from passerelle_ops.backup import restoring
from passerelle_ops.backup.keeping import keep
from passerelle_ops.backup.ledger import Ledger
from passerelle_ops.backup.places import Place
from passerelle_ops.backup.rehearsing import rehearse
from passerelle_ops.backup.renumbering import renumber
from passerelle_ops.backup.replaying import KEYS, read, replay
from passerelle_ops.backup.restoring import restore
from passerelle_policies.vocabulary import ActorKind
from tests.backup.house import House
from tests.builders import World, document, ins_of, professional
from tests.conftest import Cloned

SYSTEM = Actor(kind=ActorKind.SYSTEM, id="erasure", name="Effacement")


class CutOff(Exception):
    """Stands for a kill."""


@dataclass(slots=True)
class Happened:
    """What a network lived through after its backup."""

    patient_id: UUID
    erased_id: UUID
    masked: UUID
    lost: UUID
    blocked: str
    newcomer: Ins


async def _before(house: House) -> tuple[Any, ...]:
    world, doctor = house.world, professional()
    patient_id, person = await world.patient()
    erased_id, other = await world.patient()
    await world.authorize(patient_id, person, doctor)
    masked = await world.publish(patient_id, document(author=doctor))
    await world.publish(erased_id, document(content=b"Xanthochromie"))
    return patient_id, person, erased_id, other, doctor, masked


async def _after(house: House, before: tuple[Any, ...]) -> Happened:
    world = house.world
    patient_id, person, erased_id, other, doctor, masked = before
    blocked = professional()
    async with transaction(world.context(person)) as act:
        await visibility.mask(act, masked)
        await relations.block_professional(act, patient_id, blocked.id)
        await relations.withdraw_authorization(act, patient_id, doctor.id)
        await objections.object_to_emergencies(act, patient_id)
    lost = await world.publish(patient_id, document())
    newcomer = ins_of(77_001)
    newcomer_id, himself = await world.patient(newcomer)
    async with transaction(world.context(himself)) as act:
        await lifecycle.close(act, newcomer_id, reason="non")
        await erasure.request_erasure(act, newcomer_id, proof="courrier")
    await world.publish(erased_id, document())  # erased with its record: not lost
    async with transaction(world.context(other)) as act:
        await lifecycle.close(act, erased_id, reason="au revoir")
        await erasure.request_erasure(act, erased_id, proof="courrier")
    await erasure.erase_now(world.context(SYSTEM), erased_id)
    return Happened(patient_id, erased_id, masked, lost, blocked.subject, newcomer)


async def _destroy(house: House) -> None:
    """Its database and its contents are gone, whoever was connected."""
    await house.world.tenant.database.close()
    await house.source.tenant.database.close() if house.source.tenant else None
    name = house.source.site.owner_url.rpartition("/")[2]
    async with await AsyncConnection.connect(str(house.source.site.admin_url), autocommit=True) as admin:
        await admin.execute(f"drop database {name} with (force)".encode())
    await asyncio.to_thread(shutil.rmtree, house.premises)


async def test_what_narrowed_is_in_force_and_what_was_erased_stays_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = house.world
    before = await _before(house)
    assert await house.kept() > 0
    made = await house.backed_up()
    assert (made.contents, made.copied) == (2, 2)
    happened = await _after(house, before)
    async with world.tenant.database.transaction() as connection:
        assert (await narrowings.waiting(connection)).changes > 0
    await house.kept()
    async with world.tenant.database.transaction() as connection:
        assert (await narrowings.waiting(connection)).changes == 0

    # The rehearsal finds all equal, and what would be lost; nothing of the network that serves has changed.
    rehearsed = await rehearse(await house.archive(), house.source, world.clock)
    assert rehearsed.holds, (rehearsed.findings, [each for each in rehearsed.compared if not each.is_equal])
    assert rehearsed.contents == 2
    assert rehearsed.replayed is not None
    assert rehearsed.replayed.erased == 1
    assert rehearsed.loss is not None
    assert [each.document_id for each in rehearsed.loss.documents] == [happened.lost]
    with pytest.raises(Conflict, match="RESTORE_NOT_EMPTY"):
        await restore(await house.archive(), house.source, world.clock)
    assert await house.serves()
    assert [name async for name in world.tenant.contents.names()]

    await _destroy(house)

    async def cut_off(*_: Any) -> None:
        raise CutOff

    # Cut off before the replay it serves nobody; running it again goes on.
    archive = await house.archive()
    with monkeypatch.context() as patch:
        patch.setattr(restoring, "replay", cut_off)
        with pytest.raises(CutOff):
            await restore(archive, house.source, world.clock)
    assert not await house.serves()
    restored = await restore(await house.archive(), house.source, world.clock)
    assert await house.serves()

    assert restored.replayed is not None
    assert restored.replayed.erased == 1
    of_document = await house.one("select masked from document where document_id = :id", id=happened.masked)
    assert of_document.masked
    blocks = await house.one("select subject, valid_until from block where patient_id = :id", id=happened.patient_id)
    assert tuple(blocks) == (happened.blocked, None)
    lets_in = "select count(*) from relation where patient_id = :id and valid_until is null"
    assert (await house.one(lets_in, id=happened.patient_id))[0] == 0
    objected = "select count(*) from emergency_objection where patient_id = :id and valid_until is null"
    assert (await house.one(objected, id=happened.patient_id))[0] == 1
    record = await house.one("select state, wrapped_key from dossier where patient_id = :id", id=happened.erased_id)
    assert tuple(record) == ("purged", None)
    assert (await house.one("select count(*) from document where sha256 = '' and content_name = ''"))[0] == 1
    assert await orphans(world.tenant) == []
    assert restored.loss is not None
    (lost,) = restored.loss.documents
    assert (lost.document_id, lost.code, lost.narrowed) == (happened.lost, "DOCUMENT_ENTRY_LOST", False)
    assert restored.loss.journal_lines > 0

    # Who was registered since is known by nothing but his pseudonym: coming back, he finds his record closed.
    assert restored.replayed.unknown == ()
    again, _ = await world.patient(happened.newcomer, open_=False)
    shut = await house.one(
        "select d.state, p.ins_value from dossier d join patient p using (patient_id) where patient_id = :id", id=again
    )
    assert tuple(shut) == ("closed", happened.newcomer.value)
    asked = "select count(*) from erasure_request where patient_id = :id and done_at is null"
    assert (await house.one(asked, id=again))[0] == 1

    await seal(world.tenant, world.clock)
    assert (await verify_journal(world.tenant, world.clock)).findings == ()
    assert await acts_without_line(world.tenant) == []
    assert await verify_erasures(world.tenant) == (1, [])
    assert [each async for each in verify_contents(world.tenant)] == [None]
    # Once more changes nothing: what is so already stays so.
    words = await read(house.ledger.since(int(restored.opening["ledger"])))
    assert house.source.tenant is not None
    assert (await replay(house.source.tenant, world.clock, words)).changed == {}


async def test_a_ledger_that_lost_an_entry_is_not_believed(world: World, tmp_path: Path) -> None:
    ledger = Ledger(Place(str(tmp_path / "ledger")), world.tenant)
    other = Ledger(Place(str(tmp_path / "ledger")), world.tenant)
    for number, each in enumerate((ledger, ledger, other, ledger, other), 1):  # two workers, one chain
        assert await each.append(world.clock) == number
    assert [each.number async for each in other.since(1)] == [2, 3, 4, 5]
    gone, another = (tmp_path / "ledger" / "000000000" / f"{number:012d}" for number in (3, 4))
    octets = gone.read_bytes()
    for spoilt in (None, octets[:-1] + bytes([octets[-1] ^ 1]), another.read_bytes()):
        gone.unlink(missing_ok=True)
        if spoilt is not None:
            gone.write_bytes(spoilt)
        with pytest.raises(BrokenIntegrity, match="LEDGER_BROKEN"):
            await read(ledger.since(1))
    with pytest.raises(BrokenIntegrity, match="LEDGER_BROKEN"):
        await read(ledger.since(6))  # shorter than the backup says
    gone.write_bytes(octets)
    assert (await read(ledger.since(0))).entries == 5
    (tmp_path / "ledger" / "000000001").mkdir()  # a write was cut off
    assert (await read(Ledger(Place(str(tmp_path / "ledger")), world.tenant).since(0))).entries == 5
    (tmp_path / "ledger" / "000000000" / f"{1:012d}").unlink()
    with pytest.raises(BrokenIntegrity, match="LEDGER_BROKEN"):
        await read(ledger.since(0))


async def test_a_ledger_with_nothing_in_it_is_not_believed_of_who_wrote_one(house: House, tmp_path: Path) -> None:
    await house.world.patient()
    await keep(house.world.tenant, house.ledger, house.world.clock)
    owner = house.source.tenant
    assert owner is not None
    nothing = replace(house.source, ledger=Ledger(Place(str(tmp_path / "elsewhere")), owner))
    with pytest.raises(BrokenIntegrity, match="LEDGER_BROKEN"):
        await restoring.replay_alone(nothing, house.world.clock)
    assert not await house.serves()
    await restoring.replay_alone(house.source, house.world.clock)
    assert await house.serves()


async def test_after_a_restore_numbers_go_on(house: House) -> None:
    owner = house.source.tenant
    assert owner is not None
    async with owner.database.transaction() as connection:
        await connection.execute(
            text(
                "insert into outbox (event_id, name, patient_id, payload, at, transaction_id)"
                " values (gen_random_uuid(), 'dossier.essai', gen_random_uuid(), '{}', now(), 1000000000000)"
            )
        )
        before = (await connection.execute(text("select last_value from federation_version"))).scalar_one()
    await renumber(owner)  # as when the dump came from a server that had counted further
    async with owner.database.transaction() as connection:
        furthest, now = (
            await connection.execute(
                text("select max(transaction_id), max(last_value) from outbox, federation_version")
            )
        ).one()
        assert not await begin_again(connection)
    assert (furthest, now > before + 1_000_000) == (0, True)


async def test_each_table_that_narrows_is_noted_and_put_back(tenant_database: Cloned) -> None:
    async with tenant_database.database.transaction() as connection:
        rows = await connection.execute(
            text(
                "select tgrelid::regclass::text as name, encode(tgargs, 'escape') as noted from pg_trigger"
                " where tgname = 'note_narrowing'"
            )
        )
        noted = {row.name: {each for each in row.noted.split("\\000") if each} for row in rows}
    assert noted.keys() == KEYS.keys()
    assert all(set(key) <= noted[table] for table, key in KEYS.items())
