"""The end of storage carried out: what is past it goes, line by line, and nothing else changes."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select

from passerelle.audit.journal import NOBODY
from passerelle.audit.tables import journal
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import InvalidInput, Refused
from passerelle.pharmacy import dispensing, records, storage
from passerelle.pharmacy.dispensed import DispensedLine
from passerelle.pharmacy.product_classes import ProductClass
from passerelle.pharmacy.storage import Ended
from passerelle.pharmacy.tables import (
    check_override,
    dispensation,
    dispensation_line,
    pharmacy_record_act,
    pharmacy_storage_end,
)
from passerelle_ops.schedule import beat_context
from tests.pharmacy.lines import TODAY, dispensed, line
from tests.pharmacy.records.conftest import Pharmacy
from tests.pharmacy.records.test_dispensing import ASPIRIN, VACCINE, sheet

AGES = st.integers(0, 24 * 366)


async def end(world: Pharmacy, at_once: int = storage.AT_ONCE) -> Ended:
    return await storage.end_due(beat_context(world.tenant, world.clock), at_once=at_once)


async def rows(world: Pharmacy, table: Any, **where: Any) -> list[Any]:
    asked = select(table).where(*(table.c[name] == value for name, value in where.items()))
    async with world.tenant.database.transaction() as connection:
        return list(await connection.execute(asked))


@pytest.fixture(autouse=True)
async def _alone(world: Pharmacy) -> None:
    """What another test left is past any storage."""
    now = world.clock.now()
    world.clock.set(datetime(2100, 1, 1, tzinfo=UTC))
    await end(world)
    world.clock.set(now)


async def put(world: Pharmacy, patient_id: UUID, *lines: dict[str, Any]) -> None:
    async with world.tenant.database.transaction() as connection:
        await dispensed(connection, patient_id, lines)


@given(lines=st.lists(st.tuples(st.sampled_from(ProductClass), AGES), max_size=8), at_once=st.integers(1, 5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_turn_erases_exactly_what_is_past(
    world: Pharmacy, lines: list[tuple[ProductClass, int]], at_once: int
) -> None:
    await end(world)
    patient_id, _ = await world.patient()
    await put(world, patient_id, *(line(age, product_class=each.value) for each, age in lines))
    past = [storage.is_past(each, TODAY - timedelta(days=age), on=TODAY) for each, age in lines]
    told, journalled = len(await rows(world, pharmacy_storage_end)), len(await rows(world, journal))

    assert await end(world, at_once) == Ended(lines=sum(past), dispensations=sum(past))
    left = {
        (each.product_class, each.dispensed_on) for each in await rows(world, dispensation_line, patient_id=patient_id)
    }
    kept = [each for each, gone in zip(lines, past, strict=True) if not gone]
    assert left == {(each.value, TODAY - timedelta(days=age)) for each, age in kept}
    assert len(await rows(world, dispensation, patient_id=patient_id)) == len(kept)
    # A line of nobody, and counts, for each transaction; nothing at all where there was nothing to do.
    turns = -(-sum(past) // at_once)
    lines_since = (await rows(world, journal))[journalled:]
    assert [(each.kind, each.action, each.patient_id) for each in lines_since] == [
        ("dispensation", "purge", NOBODY)
    ] * turns
    ends = (await rows(world, pharmacy_storage_end))[told:]
    assert sum(each.erased for each in ends if each.what != "dispensation") == sum(past)
    assert all(each.last_on < TODAY - timedelta(days=3 * 365) for each in ends if each.what != "dispensation")
    assert await end(world, at_once) == Ended()


async def test_a_dispensation_goes_with_the_last_line_of_its_last_version(world: Pharmacy) -> None:
    """And until then its number answers as before, though a line of it is gone."""
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    first, second = sheet(ASPIRIN, number="D-mixed"), sheet(ASPIRIN, VACCINE, number="D-mixed")
    await world.do(pharmacist, dispensing.record, patient_id, first)
    await world.do(pharmacist, dispensing.correct, patient_id, second, reason="vaccin oublié")

    world.clock.set(datetime(2029, 11, 14, 12, tzinfo=UTC))
    assert (await end(world)).lines == 0  # the last day
    world.clock.set(datetime(2029, 11, 15, 12, tzinfo=UTC))
    assert await end(world) == Ended(lines=2)
    assert len(await rows(world, dispensation, patient_id=patient_id)) == 2
    again = await world.do(pharmacist, dispensing.record, patient_id, second)
    assert (again.is_new, again.version, again.lines) == (False, 2, 1)
    moved = await world.do(pharmacist, dispensing.correct, patient_id, sheet(VACCINE, number="D-mixed"), reason="lot")
    assert (moved.version, moved.lines) == (3, 1)

    world.clock.set(datetime(2049, 11, 15, 12, tzinfo=UTC))
    assert await end(world) == Ended(lines=2, dispensations=3)
    assert not await rows(world, dispensation, patient_id=patient_id)
    assert not await rows(world, dispensation_line, patient_id=patient_id)


async def test_what_is_past_its_storage_is_not_recorded(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    world.clock.set(datetime(2030, 1, 10, 12, tzinfo=UTC))
    before, told = await world.kept(), len(await rows(world, journal))
    with pytest.raises(InvalidInput, match="DISPENSATION_PAST_STORAGE"):
        await world.do(pharmacist, dispensing.record, patient_id, sheet(ASPIRIN, number="D-late"))
    assert await world.kept() == before
    assert len(await rows(world, journal)) == told  # nor does it tell whether there is a record

    # Of one that is mixed, what is stored still is recorded, and the same again is the same.
    mixed = sheet(ASPIRIN, VACCINE, number="D-late")
    receipts = [await world.do(pharmacist, dispensing.record, patient_id, mixed) for _ in range(2)]
    assert [(each.is_new, each.lines) for each in receipts] == [(True, 1), (False, 1)]
    (kept,) = await rows(world, dispensation_line, patient_id=patient_id)
    assert (kept.product_class, kept.number) == ("vaccine", 2)


async def test_the_class_that_the_table_gives_counts(world: Pharmacy) -> None:
    """A biologic is stored for longer than what the pharmacy took it for."""
    patient_id, _ = await world.patient()
    pharmacist = await world.opened(patient_id)
    world.clock.set(datetime(2030, 11, 16, 12, tzinfo=UTC))
    biologic = DispensedLine(label="ESSAI", quantity=VACCINE.quantity, product_class=ProductClass.BIOLOGIC)
    done = await world.do(pharmacist, dispensing.record, patient_id, sheet(biologic, number="D-bio"))
    assert (done.lines, (await end(world)).lines) == (1, 0)


async def test_the_trace_of_an_objection_goes_after_its_time_and_the_objection_stands(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    await world.opened(patient_id)
    await world.do(person, records.object_, patient_id)
    world.clock.set(datetime(2036, 11, 16, 12, tzinfo=UTC))
    assert (await end(world)).traces == 0
    world.clock.set(datetime(2036, 11, 17, 12, tzinfo=UTC))
    assert (await end(world)).traces == 1
    assert [each.act for each in await rows(world, pharmacy_record_act, patient_id=patient_id)] == ["open"]
    assert (await world.do(person, records.state_of, patient_id)).state == "objected"


@given(ages=st.lists(st.integers(0, 5 * 366), max_size=6), at_once=st.integers(1, 4))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_why_a_warning_was_passed_over_goes_as_a_medicine_does(
    world: Pharmacy, ages: list[int], at_once: int
) -> None:
    """By the day in France: the first instant of its first day stays, the last of the day before goes."""
    await end(world)
    patient_id, _ = await world.patient()
    of = {"patient_id": patient_id, "finding": "0", "code": "CHECK_ALLERGY", "products": [], "reason": "essai"}
    who = {"pharmacy": "310000001", "by": "professional:essai", "by_name": "Essai"}
    days = [TODAY - timedelta(days=each) for each in ages]
    edges = (time(tzinfo=PARIS), time(23, 59, 59, 999_999, tzinfo=PARIS))
    async with world.tenant.database.transaction() as connection:
        for day in days:
            for edge in edges:
                at = datetime.combine(day, edge)
                await connection.execute(insert(check_override).values(**of, **who, override_id=uuid4(), at=at))
    kept = [each for each in days if not storage.is_past(ProductClass.MEDICINE, each, on=TODAY)]
    assert await end(world, at_once) == Ended(overrides=2 * (len(days) - len(kept)))
    left = await rows(world, check_override, patient_id=patient_id)
    assert sorted(each.at.astimezone(PARIS).date() for each in left) == sorted(kept * 2)


async def test_a_turn_that_is_cut_off_changes_nothing_and_the_next_one_finds_it(
    world: Pharmacy, monkeypatch: pytest.MonkeyPatch
) -> None:
    patient_id, _ = await world.patient()
    await put(world, patient_id, *(line(4_000 + each) for each in range(3)))
    before, told = await world.kept(), len(await rows(world, pharmacy_storage_end))

    async def cut(*_: object) -> Ended:
        raise ConnectionError

    monkeypatch.setattr(storage, "_told", cut)
    with pytest.raises(ConnectionError):
        await end(world)
    monkeypatch.undo()
    assert await world.kept() == before
    assert len(await rows(world, pharmacy_storage_end)) == told
    assert await end(world) == Ended(lines=3, dispensations=3)


async def test_nobody_but_the_platform_ends_storage(world: Pharmacy) -> None:
    patient_id, person = await world.patient()
    await put(world, patient_id, line(4_000))
    before = await world.kept()
    with pytest.raises(Refused):
        await storage.end_due(world.context(person))
    assert await world.kept() == before


async def test_the_serving_role_erases_by_the_function_alone_and_cannot_write_its_counts(world: Pharmacy) -> None:
    patient_id, _ = await world.patient()
    await put(world, patient_id, line(1))
    for forbidden in (
        b"delete from dispensation_line",
        b"update dispensation_line set label = ''",
        b"delete from dispensation",
        b"delete from pharmacy_record_act",
        b"delete from check_override",
        b"update check_override set reason = ''",
        b"delete from pharmacy_storage_end",
        b"update pharmacy_storage_end set erased = 0",
        b"insert into pharmacy_storage_end (end_id, what, at, erased) values (gen_random_uuid(), 'device', now(), 1)",
    ):
        async with await psycopg.AsyncConnection.connect(world.tenant.database.url, autocommit=True) as connection:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await connection.execute(forbidden)
    assert len(await rows(world, dispensation_line, patient_id=patient_id)) == 1


def test_the_days_of_these_tests_are_the_world_s(world: Pharmacy) -> None:
    assert world.clock.now().date() == TODAY == date(2026, 11, 16)
