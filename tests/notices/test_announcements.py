"""The announcement consultation: told after two weeks, shown after a month, never early, each once."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from passerelle.audit.transactions import transaction
from passerelle.dossier import announcements, documents, lifecycle, visibility
from passerelle.dossier.announcements import Announced, announce
from passerelle.dossier.recipients import people_of
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS, days_after, months_after
from passerelle.kernel.context import Context
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import ActorKind, Purpose
from tests.builders import World, document, ins_of, professional

BEAT = Actor(kind=ActorKind.SYSTEM, id="beat", name="Passerelle")
DUE, SHOWN = "announcement_due", "announcement_shown"
SECOND, DAY = timedelta(seconds=1), timedelta(days=1)


@dataclass(frozen=True)
class Hidden:
    """A document hidden from its patient at an instant."""

    world: World
    patient_id: UUID
    person: Actor
    author: Actor
    document_id: UUID
    since: datetime

    @property
    def due(self) -> datetime:
        return days_after(self.since, 14)

    @property
    def over(self) -> datetime:
        return months_after(self.since, 1)

    async def notices(self) -> Counter[tuple[str, str]]:
        """How many of each kind each recipient has."""
        rows = await _rows(self.world, "select recipient, kind from notice where patient_id = :p", p=self.patient_id)
        return Counter((row.recipient, row.kind) for row in rows)

    async def kinds(self) -> list[str]:
        return sorted(kind for _, kind in (await self.notices()).elements())

    async def row(self) -> Any:
        (row,) = await _rows(self.world, "select * from document where document_id = :d", d=self.document_id)
        return row

    async def is_read_by_patient(self) -> bool:
        try:
            await documents.read_document(self.world.context(self.person), self.document_id)
        except Refused:
            return False
        return True


async def _rows(world: World, statement: str, **values: Any) -> Any:
    async with world.tenant.database.transaction() as connection:
        return (await connection.execute(text(statement), values)).all()


def _beat(world: World) -> Context:
    return world.context(BEAT, purpose=Purpose.ADMINISTRATION)


async def _hidden(world: World, **more: Any) -> Hidden:
    patient_id, person = await world.patient()
    author = professional()
    filed = await world.publish(patient_id, document(author=author, hidden_from_patient=True, **more))
    return Hidden(world, patient_id, person, author, filed, world.clock.now())


async def _at(hidden: Hidden, instant: datetime) -> Announced:
    hidden.world.clock.set(instant)
    return await announce(_beat(hidden.world))


async def test_told_after_two_weeks_and_shown_after_a_month(world: World) -> None:
    hidden = await _hidden(world)

    await _at(hidden, hidden.due - SECOND)
    assert await hidden.kinds() == []
    assert (await _at(hidden, hidden.due)).told > 0
    assert await hidden.kinds() == [DUE]
    assert not await hidden.is_read_by_patient()
    await _at(hidden, hidden.over - SECOND)
    assert (await hidden.row()).hidden_from_patient
    assert not await hidden.is_read_by_patient()
    assert (await _at(hidden, hidden.over)).shown > 0
    assert await hidden.kinds() == [DUE, SHOWN]
    assert await hidden.is_read_by_patient()


async def test_showing_is_an_act_of_ours_with_all_that_an_act_leaves(world: World) -> None:
    hidden = await _hidden(world)
    before = await hidden.row()

    await _at(hidden, hidden.over)

    after = await hidden.row()
    assert (after.metadata_version, after.hidden_from_patient) == (before.metadata_version + 1, False)
    assert after.entry_uuid != before.entry_uuid
    d = hidden.document_id
    (version,) = await _rows(
        world, "select * from document_version where document_id = :d and metadata_version = 2", d=d
    )
    assert (version.act, version.actor_kind, version.actor_id) == ("show_to_patient", "system", "beat")
    (line,) = await _rows(world, "select * from journal where document_id = :d and actor_kind = 'system'", d=d)
    assert (line.action, line.rule, line.outcome) == ("show_to_patient", "announce-end", "allowed")
    events = await _rows(world, "select payload from outbox where payload->>'document_id' = :d", d=str(d))
    assert [each.payload.get("act") for each in events if "act" in each.payload] == ["show_to_patient"]


async def test_a_notice_says_nothing_of_the_document(world: World) -> None:
    hidden = await _hidden(world, title="Titre qui ne se dit pas")
    await _at(hidden, hidden.due)
    (row,) = await _rows(world, "select * from notice where patient_id = :p", p=hidden.patient_id)
    assert row.about == {}
    events = await _rows(world, "select payload::text from outbox where patient_id = :p", p=hidden.patient_id)
    assert not [each for each in events if "Titre" in each.payload]


async def test_each_notice_has_its_proof(world: World) -> None:
    hidden = await _hidden(world)
    await _at(hidden, hidden.due)
    await _at(hidden, hidden.over)
    proofs = await _rows(
        world,
        "select kind, channel, at from notice_delivery join notice using (recipient, notice_id) where patient_id = :p",
        p=hidden.patient_id,
    )
    assert {(each.kind, each.channel, each.at) for each in proofs} == {
        (DUE, "inbox", hidden.due),
        (SHOWN, "inbox", hidden.over),
    }


async def test_after_an_outage_of_a_month_only_the_second_notice_goes_out(world: World) -> None:
    hidden = await _hidden(world)
    world.clock.set(hidden.over + 3 * DAY)
    await announcements.tell_due(_beat(world))
    assert await hidden.kinds() == []
    await _at(hidden, hidden.over + 3 * DAY)
    await _at(hidden, hidden.over + 4 * DAY)
    assert await hidden.kinds() == [SHOWN]


async def test_after_an_outage_within_the_month_the_first_goes_out_late(world: World) -> None:
    hidden = await _hidden(world)
    await _at(hidden, hidden.over - SECOND)
    assert await hidden.kinds() == [DUE]


async def test_many_workers_at_once_tell_and_show_once(world: World) -> None:
    hidden = await _hidden(world)
    for instant in (hidden.due, hidden.over):
        world.clock.set(instant)
        await asyncio.gather(*(announce(_beat(world)) for _ in range(5)))
    assert await hidden.kinds() == [DUE, SHOWN]
    assert (await hidden.row()).metadata_version == 2
    lines = await _rows(
        world,
        "select 1 from journal where document_id = :d and actor_kind = 'system'",
        d=hidden.document_id,
    )
    assert len(lines) == 1


async def test_a_version_that_replaces_another_goes_on_with_its_delay(world: World) -> None:
    hidden = await _hidden(world, unique_id="2.25.777001")
    await _at(hidden, hidden.since + 10 * DAY)
    second = await world.publish(
        hidden.patient_id,
        document(author=hidden.author, replaces="2.25.777001", hidden_from_patient=True),
        by=hidden.author,
    )
    await _at(hidden, hidden.due)
    await _at(hidden, hidden.over)
    assert await hidden.kinds() == [DUE, SHOWN]
    rows = await _rows(world, "select hidden_from_patient from document where patient_id = :p", p=hidden.patient_id)
    assert [row.hidden_from_patient for row in rows] == [False, False]
    await documents.read_document(world.context(hidden.person), second)


async def test_what_the_author_showed_himself_is_not_told_of(world: World) -> None:
    hidden = await _hidden(world)
    world.clock.advance(DAY)
    async with transaction(world.context(hidden.author)) as act:
        await visibility.show_to_patient(act, hidden.document_id, confirmed=True)
    await _at(hidden, hidden.due)
    await _at(hidden, hidden.over)
    assert await hidden.kinds() == []
    assert (await hidden.row()).metadata_version == 2


async def test_a_deleted_document_and_a_closed_record_are_left_alone(world: World) -> None:
    deleted, closed = await _hidden(world), await _hidden(world)
    async with transaction(world.context(deleted.author)) as act:
        await visibility.delete(act, deleted.document_id)
    async with transaction(world.context(closed.person)) as act:
        await lifecycle.close(act, closed.patient_id)
    lines = await _rows(world, "select 1 from journal")
    for instant in (deleted.due, deleted.over):
        assert (await _at(deleted, instant)).refused == 0
    assert await deleted.kinds() == await closed.kinds() == []
    assert len(await _rows(world, "select 1 from journal")) == len(lines)


async def test_a_record_reopened_catches_up(world: World) -> None:
    hidden = await _hidden(world)
    async with transaction(world.context(hidden.person)) as act:
        await lifecycle.close(act, hidden.patient_id)
    await _at(hidden, hidden.over)
    async with transaction(world.context(hidden.person)) as act:
        await lifecycle.reopen(act, hidden.patient_id, proof="en ligne")
    await _at(hidden, hidden.over + DAY)
    assert await hidden.kinds() == [SHOWN]


async def test_a_representative_is_told_of_what_he_may_see(world: World) -> None:
    told, kept = await _hidden(world), await _hidden(world, hidden_from_representatives=True)
    parent, former = world.person(ins_of(90_001)), world.person(ins_of(90_002))
    for each in (told, kept):
        await _represented(each, parent)
        await _represented(each, former, until=each.since + DAY)
    for instant in (told.due, told.over):
        await _at(told, instant)
    assert await told.notices() == Counter(
        {(who.subject, kind): 1 for who in (told.person, parent) for kind in (DUE, SHOWN)}
    )
    assert await kept.notices() == Counter({(kept.person.subject, kind): 1 for kind in (DUE, SHOWN)})


async def _represented(hidden: Hidden, parent: Actor, until: datetime | None = None) -> None:
    async with hidden.world.tenant.database.transaction() as connection:
        await connection.execute(
            text(
                "insert into relation (patient_id, relation_id, relation, subject, valid_from, valid_until,"
                " recorded_by) values (:p, gen_random_uuid(), 'representative', :s, :f, :u, 'system:essai')"
            ),
            {"p": hidden.patient_id, "s": parent.subject, "f": hidden.since, "u": until},
        )


async def test_pages_leave_nobody_out(world: World) -> None:
    all_hidden = [await _hidden(world) for _ in range(5)]
    original, announcements.AT_ONCE = announcements.AT_ONCE, 2
    try:
        await _at(all_hidden[0], all_hidden[0].due)
        await _at(all_hidden[0], all_hidden[0].over)
    finally:
        announcements.AT_ONCE = original
    assert [await each.kinds() for each in all_hidden] == [[DUE, SHOWN]] * 5


# Around the changes of the hour of October 2026 and March 2027, and any other day.
BEGINNINGS = st.one_of(
    st.datetimes(datetime(2026, 9, 20), datetime(2026, 10, 30)),  # noqa: DTZ001 - a wall clock
    st.datetimes(datetime(2027, 2, 20), datetime(2027, 4, 5)),  # noqa: DTZ001 - a wall clock
).map(lambda local: local.replace(tzinfo=PARIS, microsecond=0).astimezone(UTC))
#: Hours by which the clock moves, back too, between two runs of the task.
JUMPS = st.lists(st.integers(-30 * 24, 20 * 24), min_size=1, max_size=6)


@settings(max_examples=25, suppress_health_check=list(HealthCheck))
@given(since=BEGINNINGS, jumps=JUMPS, edge=st.sampled_from(["due", "over"]), seconds=st.integers(-7200, 7200))
async def test_never_early_and_once_whatever_the_clock_does(
    since: datetime, jumps: list[int], edge: str, seconds: int, world: World
) -> None:
    world.clock.set(since)
    hidden = await _hidden(world)
    instants = [since]
    for jump in jumps:
        instants.append(max(since - 2 * DAY, instants[-1] + timedelta(hours=jump)))
    instants.append(getattr(hidden, edge) + timedelta(seconds=seconds))
    for index, instant in enumerate(instants):
        await _at(hidden, instant)
        past = instants[: index + 1]
        is_over = any(each >= hidden.over for each in past)
        first_over = next((place for place, each in enumerate(past) if each >= hidden.over), len(past))
        is_told = any(hidden.due <= each for each in past[:first_over])
        expected = ([DUE] if is_told else []) + ([SHOWN] if is_over else [])
        assert await hidden.kinds() == expected
        assert (await hidden.row()).hidden_from_patient is not is_over
    assert (await hidden.row()).metadata_version == (2 if is_over else 1)


async def test_nobody_is_told_twice_who_is_both(world: World) -> None:
    hidden = await _hidden(world)
    await _represented(hidden, hidden.person)
    async with transaction(_beat(world)) as act:
        assert await people_of(act, hidden.patient_id, representatives=True) == [hidden.person.subject]
