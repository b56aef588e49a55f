"""What is still asked of the journal once its lines are pruned: what was shown, which acts had their line, who died."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    death,
    documents,
    hindsight,
    journal_pruning,
    newcomers,
    portability_journal,
    reading,
    replay,
    visibility,
)
from passerelle.dossier.verification import acts_without_line
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import SetClock
from passerelle.kernel.errors import Conflict
from passerelle_policies.packs import packs
from passerelle_policies.vocabulary import ActorKind, Relation
from tests.audit.pruned import Pruning
from tests.audit.sealed import Sealing
from tests.builders import World, document, professional

THEN, NOW = datetime(2022, 3, 3, 9, tzinfo=UTC), datetime(2034, 11, 16, 9, tzinfo=UTC)
OFFICER = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée d'essai")


@pytest.fixture
def world(sealing: Sealing) -> World:
    """The world of 2022, in an empty journal."""
    sealing.as_owner("truncate journal_pruned_fact, notice_watermark, dossier_act, document_version, notice cascade")
    assert isinstance(sealing.context.clock, SetClock)
    sealing.context.clock.set(THEN)
    return World(sealing.context.tenant, sealing.context.clock)


@pytest.fixture
def prune(world: World, sealing: Sealing) -> Callable[[], Awaitable[int]]:
    """Seal, follow, wait until 2034, prune; how many lines went."""

    async def do() -> int:
        await sealing.seal()
        Pruning(sealing).follow()
        world.clock.set(NOW)
        return (await Pruning(sealing).prune()).lines

    return do


async def test_what_a_person_was_shown_is_not_hidden_afterwards(
    world: World, prune: Callable[[], Awaitable[int]], sealing: Sealing
) -> None:
    author = professional()
    patient_id, person = await world.patient()
    await world.authorize(patient_id, person, author)
    shown, unread = [await world.publish(patient_id, document(author=author), author) for _ in range(2)]
    await documents.read_document(world.context(person), shown)
    await documents.read_document(world.context(author), unread)  # a professional's reading shows the patient nothing
    assert await prune() > 0
    assert sealing.as_owner("select count(*) from journal where document_id = %s", [shown]) == [(0,)]
    before = Pruning(sealing).kept()
    with pytest.raises(Conflict, match="ALREADY_SHOWN"):
        async with transaction(world.context(author)) as act:
            await visibility.hide_from_patient(act, shown)
    assert Pruning(sealing).kept() == before
    async with transaction(world.context(author)) as act:
        assert (await visibility.hide_from_patient(act, unread)).hidden_from_patient
    kept = "select actor_id, first_at, lines from journal_pruned_fact where document_id = %s"
    [(reader, at, lines)] = sealing.as_owner(kept, [shown])
    assert (reader, at.date(), lines) == (person.id, THEN.date(), 1)
    assert sealing.as_owner(kept, [unread]) == []


async def test_every_act_still_had_its_line(
    world: World, prune: Callable[[], Awaitable[int]], sealing: Sealing
) -> None:
    patient_id, person = await world.patient()
    document_id = await world.publish(patient_id, document())
    for _ in range(2):
        async with transaction(world.context(person)) as act:
            await visibility.mask(act, document_id)
            await visibility.unmask(act, document_id)
    assert await acts_without_line(world.tenant) == []
    assert await prune() > 0
    assert await acts_without_line(world.tenant) == []
    async with transaction(world.context(person)) as act:  # one more, of today
        await visibility.mask(act, document_id)
    assert await acts_without_line(world.tenant) == []
    sealing.as_owner("delete from journal where action = 'mask'")
    [found] = await acts_without_line(world.tenant)
    assert found.about == f"{patient_id} mask 2/3"


async def test_a_death_told_of_long_ago_counts_in_hindsight(world: World, prune: Callable[[], Awaitable[int]]) -> None:
    doctor = professional()
    patient_id, person = await world.patient()
    await world.authorize(patient_id, person, doctor)
    at_work = replace(world.context(OFFICER), actor=Actor(kind=ActorKind.SYSTEM, id="essai", name="Exploitant"))
    world.clock.advance(timedelta(days=10))
    async with transaction(at_work) as act:
        await death.declare(act, patient_id, on=world.clock.now().date(), proof="acte de décès")

    async def relations_of(days: int) -> frozenset[Relation]:
        wanted = hindsight.Wanted(
            patient_id=patient_id,
            actor=doctor,
            known_from=hindsight.KnownFrom.DIRECTORY,
            start=THEN + timedelta(days=days),
        )
        async with transaction(world.context(OFFICER)) as act:
            return (await hindsight.answer_at(act.connection, act.context, wanted, wanted.start)).facts.relations

    world.clock.advance(timedelta(days=10))
    told = [await relations_of(days) for days in (5, 15)]
    assert told[0] != told[1]
    assert await prune() > 0
    assert [await relations_of(days) for days in (5, 15)] == told


async def test_the_journal_goes_on_for_everyone_who_reads_it(
    world: World, prune: Callable[[], Awaitable[int]], sealing: Sealing
) -> None:
    doctor = professional()
    patient_id, person = await world.patient()
    await world.authorize(patient_id, person, doctor)
    await reading.open_dossier(world.context(doctor), patient_id)
    assert await prune() > 0
    Pruning(sealing).follow()
    assert [each.at for each in await world.journal(person, patient_id)] == [NOW]  # that reading alone
    await reading.open_dossier(world.context(doctor), patient_id)
    await sealing.seal()
    task = world.context(Actor(kind=ActorKind.SYSTEM, id="readers", name="Tâche"))
    assert await newcomers.tell_of_readers(task) == 1  # after twelve years, someone new
    await reading.open_dossier(world.context(doctor), patient_id)
    await sealing.seal()
    assert await newcomers.tell_of_readers(task) == 0
    assert len(await world.journal(person, patient_id)) == 4
    async with transaction(world.context(person)) as act:
        lines = await portability_journal.lines_for(act, patient_id)
    assert lines.count == 4
    found = await replay.replay(world.tenant, replay.draft(packs()[-1]), THEN)
    assert (found.astray, found.gained, found.lost) == (0, 0, 0)
    assert found.lines == len(sealing.ids())
    until = (await journal_pruning.due(task)).pruned_until
    assert until is not None
    assert THEN < until < NOW
    assert await sealing.found() == []
