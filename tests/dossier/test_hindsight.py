"""What was answered on a day, and what is found out about that day afterwards, are the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import select, update

from passerelle.audit import asked_again
from passerelle.audit.tables import journal
from passerelle.audit.transactions import transaction
from passerelle.dossier import (
    hindsight,
    lifecycle,
)
from passerelle.dossier.tables import (
    document_version,
)
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Conflict, InvalidInput, Refused
from passerelle_policies.decision import Facts
from passerelle_policies.vocabulary import ActorKind, DossierState, Mode, Relation
from tests.builders import NURSE, PHYSICIAN, World, professional
from tests.dossier.happenings import Probe, Region, steps

OFFICER = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée d'essai")
BEFORE_THE_RULING = datetime(2025, 10, 12, 9, 0, tzinfo=UTC)


def facts_as_journalled(facts: Facts) -> dict[str, Any]:
    return {
        "role": facts.role.value,
        "relations": sorted(each.value for each in facts.relations),
        "blocked": facts.blocked,
        "objection": facts.emergency_objection,
        "state": facts.dossier_state.value if facts.dossier_state else None,
    }


@settings(
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
async def test_hindsight_says_what_was_answered_then(world: World, steps: list[Any]) -> None:
    world.clock.set(BEFORE_THE_RULING)  # the rules change on the way
    region = Region(world)
    await region.settle()
    probes: list[Probe] = []
    for act, about, number, later, who, mode, on_document in [
        ("publish_another_s", "author", 0, timedelta(hours=1), "doctor", Mode.NORMAL, True),
        *steps,
    ]:
        await region.happens(act, region.who(about), number)
        chosen = region.documents[number % len(region.documents)] if on_document and region.documents else None
        probes.append(await region.probes(region.who(who), mode, chosen))
        world.clock.advance(later)
    context = world.context(OFFICER)
    async with world.tenant.database.transaction() as connection:
        for probe in probes:
            answer = await hindsight.answer_at(connection, context, region.wanted(probe), probe.at)
            told = probe.line.facts
            assert facts_as_journalled(answer.facts) == {
                **{name: told[name] for name in ("role", "blocked", "objection", "state")},
                "relations": sorted(set(told["relations"])),
            }
            if probe.document_id is not None:
                assert (answer.document.as_json() if answer.document else None) == told["document"]
            assert answer.decision.allowed == (probe.line.outcome == "allowed"), (probe, answer)
            assert answer.decision.pack == probe.line.pack
            assert answer.presumed == ()


async def _region(world: World) -> Region:
    region = Region(world)
    await region.settle()
    await region.happens("publish", region.author, 0)
    return region


def _about(region: Region, actor: Actor, start: datetime, **more: Any) -> hindsight.Wanted:
    return hindsight.Wanted(
        patient_id=region.patient_id,
        actor=actor,
        known_from=hindsight.KnownFrom.NOT_NEEDED,
        **{"document_id": region.documents[0], "start": start, **more},
    )


async def _explained(world: World, wanted: hindsight.Wanted) -> list[hindsight.Answer]:
    async with transaction(world.context(OFFICER)) as act:
        return await hindsight.explain(act, wanted, reason="réclamation du patient")


async def test_a_day_is_told_from_answer_to_answer(world: World) -> None:
    world.clock.set(datetime(2026, 11, 16, 6, 0, tzinfo=UTC))
    region = await _region(world)
    midnight = world.clock.now().replace(hour=0)
    for what, hour in (("authorize", 8), ("block", 10), ("unblock", 12), ("mask", 14)):
        world.clock.set(midnight.replace(hour=hour))
        await region.happens(what, region.doctor, 0)
    wanted = _about(region, region.doctor, midnight, end=midnight + timedelta(days=1))

    answers = await _explained(world, wanted)

    assert [(each.at.hour, each.decision.allowed, each.decision.rule) for each in answers] == [
        (0, False, "absent"),
        (6, False, "default-deny"),
        (8, True, "read-physician"),
        (10, False, "block"),
        (12, True, "read-physician"),
        (14, False, "document-masked"),
    ]


async def test_a_day_of_a_broken_glass_is_told_in_both_modes(world: World) -> None:
    world.clock.set(datetime(2026, 11, 16, 6, 0, tzinfo=UTC))
    region = await _region(world)
    midnight = world.clock.now().replace(hour=0)
    world.clock.set(midnight.replace(hour=8))
    await region.happens("break_the_glass", region.doctor, 0)
    wanted = _about(region, region.doctor, midnight, end=midnight + timedelta(days=1))

    answers = await _explained(world, wanted)

    assert [(each.mode, each.at.hour, each.until and each.until.hour, each.decision.allowed) for each in answers] == [
        (Mode.NORMAL, 0, 6, False),
        (Mode.NORMAL, 6, 0, False),
        (Mode.BREAK_GLASS, 8, 9, True),
    ]
    absent, refused, opened = answers
    assert (absent.varied, refused.varied, opened.varied) == (False, True, False)
    assert (refused.decision.rule, refused.until) == ("default-deny", wanted.end)
    assert Relation.EMERGENCY in opened.facts.relations
    in_one = await _explained(world, replace(wanted, mode=Mode.BREAK_GLASS))
    assert [(each.mode, each.decision.allowed) for each in in_one] == [
        (Mode.BREAK_GLASS, False),
        (Mode.BREAK_GLASS, False),
        (Mode.BREAK_GLASS, True),
        (Mode.BREAK_GLASS, False),
    ]
    then = await _explained(world, replace(wanted, start=midnight.replace(hour=8, minute=30), end=None))
    assert [(each.mode, each.until, each.decision.allowed) for each in then] == [
        (Mode.NORMAL, None, False),
        (Mode.BREAK_GLASS, None, True),
    ]


async def test_the_mode_of_the_regulation_centre_is_told_on_the_day_on_which_he_came_in_it(world: World) -> None:
    world.clock.set(datetime(2026, 11, 16, 6, 0, tzinfo=UTC))
    region = await _region(world)
    await region.probes(region.doctor, Mode.REGULATION_CENTRE, region.documents[0])
    await region.probes(region.nurse, Mode.REGULATION_CENTRE, region.documents[0])
    at = world.clock.now() + timedelta(hours=2)
    for later, modes in ((0, [Mode.NORMAL, Mode.REGULATION_CENTRE]), (1, [Mode.NORMAL])):
        answers = await _explained(world, _about(region, region.doctor, at + timedelta(days=later)))
        assert [each.mode for each in answers] == modes
    assert [each.mode for each in await _explained(world, _about(region, region.author, at))] == [Mode.NORMAL]


async def test_whoever_had_written_something_was_an_author_until_he_deleted_it(world: World) -> None:
    region = await _region(world)
    then = world.clock.now()
    world.clock.advance(timedelta(days=1))
    await region.happens("delete", region.author, 0)
    for at, had in ((then, True), (world.clock.now(), False)):
        (answer,) = await _explained(world, _about(region, region.author, at))
        assert (Relation.AUTHOR in answer.facts.relations, answer.decision.allowed) == (had, had)


async def test_asking_is_an_access_that_the_patient_reads_of(world: World) -> None:
    region = await _region(world)
    wanted = _about(region, region.doctor, world.clock.now())

    await _explained(world, wanted)

    async with world.tenant.database.transaction() as connection:
        lines = (await connection.execute(select(journal).where(journal.c.patient_id == region.patient_id))).all()
    written = [each for each in lines if each.action == "search"]
    assert [(each.kind, each.outcome, each.actor_id) for each in written] == [("journal", "allowed", OFFICER.id)]
    assert written[0].facts["reason"] == "réclamation du patient"


@pytest.mark.parametrize("reason", ["", "  "])
async def test_no_reason_no_answer(reason: str, world: World) -> None:
    region = await _region(world)
    before = await _lines(world, region)
    with pytest.raises(InvalidInput, match="REASON_MISSING"):
        async with transaction(world.context(OFFICER)) as act:
            await hindsight.explain(act, _about(region, region.doctor, world.clock.now()), reason=reason)
    assert await _lines(world, region) == before


async def test_only_the_officer_asks(world: World) -> None:
    region = await _region(world)
    before = await _lines(world, region)
    for actor in (region.doctor, region.person, Actor(kind=ActorKind.SYSTEM, id="x", name="x")):
        with pytest.raises(Refused, match="ACCESS_REFUSED"):
            async with transaction(world.context(actor)) as act:
                await hindsight.explain(act, _about(region, region.doctor, world.clock.now()), reason="curiosité")
    after = await _lines(world, region)
    assert len(after) == len(before) + 3
    assert {(each.kind, each.action, each.outcome) for each in after[len(before) :]} == {
        ("journal", "search", "refused")
    }


async def test_what_was_erased_cannot_be_asked_about(world: World) -> None:
    region = await _region(world)
    then = world.clock.now()
    world.clock.advance(timedelta(days=1))
    async with transaction(world.context(region.person)) as act:
        await lifecycle.close(act, region.patient_id)
        await lifecycle.purge(act, region.patient_id, basis=lifecycle.Basis.REQUEST, proof="lettre")
    with pytest.raises(Conflict, match="RECORD_ERASED"):
        await _explained(world, _about(region, region.author, then))
    (since,) = await _explained(world, _about(region, region.author, world.clock.now()))
    assert (since.decision.allowed, since.facts.dossier_state) == (False, DossierState.PURGED)


async def test_before_the_first_rules_nothing_can_be_said(world: World) -> None:
    region = await _region(world)
    with pytest.raises(InvalidInput, match="NO_RULES_THAT_DAY"):
        await _explained(world, _about(region, region.doctor, datetime(1999, 1, 1, tzinfo=UTC)))


async def test_a_history_without_a_beginning_is_inferred_and_said_to_be(world: World) -> None:
    region = await _region(world)
    await region.happens("authorize", region.doctor, 0)
    then = world.clock.now()
    world.clock.advance(timedelta(hours=1))
    await region.happens("mask", region.doctor, 0)
    async with world.tenant.database.transaction() as connection:
        await connection.execute(
            update(document_version)
            .where(document_version.c.document_id == region.documents[0], document_version.c.metadata_version == 1)
            .values(changed={})
        )
    (before,) = await _explained(world, _about(region, region.doctor, then))
    assert before.document is not None
    assert (before.decision.allowed, before.document.masked) == (True, False)
    assert "masked" in before.presumed


async def test_a_profession_is_that_of_the_day(world: World) -> None:
    then = world.clock.now()
    nurse = professional(NURSE)
    region = await _region(world)
    await region.probes(nurse, Mode.NORMAL, None)
    world.clock.advance(timedelta(days=300))
    await region.probes(replace(nurse, profession=PHYSICIAN), Mode.NORMAL, None)
    async with world.tenant.database.transaction() as connection:
        found = [
            await asked_again.last_line_of(connection, nurse.id, at)
            for at in (then - timedelta(days=1), then, world.clock.now())
        ]
    assert [each and each.actor_profession for each in found] == [None, NURSE, PHYSICIAN]


async def test_every_decision_leaves_the_same_facts(world: World) -> None:
    """Whether a statement or an act wrote the line: what is asked again later is asked of the same keys."""
    region = await _region(world)
    await region.happens("authorize", region.doctor, 0)
    for actor in (region.doctor, region.nurse):
        await region.probes(actor, Mode.NORMAL, None)
        await region.probes(actor, Mode.NORMAL, region.documents[0])
    for what in ("mask", "unmask", "delete"):
        await region.happens(what, region.author, 0)
    lines = [each for each in await _lines(world, region) if each.kind != "patient"]
    assert {each.kind for each in lines} == {"dossier", "document", "authorizations"}
    assert {frozenset(each.facts) for each in lines} == {
        frozenset({"role", "relations", "blocked", "objection", "state", "document"})
    }


async def _lines(world: World, region: Region) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        chosen = select(journal).where(journal.c.patient_id == region.patient_id).order_by(journal.c.line_id)
        return list((await connection.execute(chosen)).all())
