"""Break-glass away from home is known, told of and reviewed at home, which decides upon it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from passerelle.dossier import emergencies, emergency_reviews, lifecycle, objections, reading
from passerelle.dossier.tables import emergency_access
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import ActorKind, Mode
from tests.builders import document, professional
from tests.federation.visits.visiting import Visit

GLASS = Mode.BREAK_GLASS
REASON = "Patient inconscient, admis aux urgences"


async def at_home(between: Visit, patient_id: UUID) -> list[Any]:
    found = select(emergency_access).where(emergency_access.c.patient_id == patient_id)
    return list(await between.rows(between.home, found))


async def opens(between: Visit, who: Actor, patient_id: UUID) -> bool:
    try:
        await reading.open_dossier(between.home.context(who, mode=GLASS), patient_id)
    except Refused:
        return False
    return True


async def test_home_lets_him_in_tells_the_patient_and_reviews_it(between: Visit) -> None:
    home, away, himself, _ = await between.patient()
    await between.home.publish(home, document())
    doctor = professional()
    assert not await opens(between, doctor, home)
    opened = await between.do(between.away, doctor, emergencies.break_the_glass, away, REASON, mode=GLASS)
    await between.travel()

    assert await opens(between, doctor, home)
    assert not await opens(between, professional(), home)
    assert await between.home.notices(himself) == ["break_glass"]
    lines = [each for each in await between.home.journal(himself, home) if each.action == "break_glass"]
    assert [(each.actor_id, each.outcome, each.facts["network"], each.mode) for each in lines] == [
        (doctor.id, "allowed", "toulouse", "break_glass")
    ]
    (row,) = await at_home(between, home)
    assert (row.origin, row.reason, row.valid_until) == ("toulouse", REASON, opened.valid_until)
    officer = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée Essai")
    queue = await between.do(between.home, officer, emergency_reviews.emergencies_to_review, first=50)
    assert [(each.emergency.access_id, each.emergency.origin) for each in queue] == [(opened.access_id, "toulouse")]

    await between.do(between.away, doctor, emergencies.end_emergency, away)
    await between.travel()
    assert not await opens(between, doctor, home)
    assert await between.home.notices(himself) == ["break_glass"]
    assert await between.owed() == []


async def test_who_objects_at_home_is_opened_nowhere(between: Visit) -> None:
    home, away, himself, _ = await between.patient()
    doctor = professional()
    # An opening that crosses the objection on its way: over at once where home is, told of all the same.
    await between.do(between.away, doctor, emergencies.break_the_glass, away, REASON, mode=GLASS)
    await between.do(between.home, himself, objections.object_to_emergencies, home)
    await between.travel()
    assert not await opens(between, doctor, home)
    (row,) = await at_home(between, home)
    assert row.valid_until <= between.clock.now()
    assert "break_glass" in await between.home.notices(himself)
    refused = [each for each in await between.home.journal(himself, home) if each.action == "break_glass"]
    assert [each.outcome for each in refused] == ["refused"]

    # And from then on, nowhere.
    with pytest.raises(Refused, match="ACCESS_REFUSED"):
        await between.do(between.away, professional(), emergencies.break_the_glass, away, REASON, mode=GLASS)
    live = select(emergency_access).where(
        emergency_access.c.patient_id == away, emergency_access.c.valid_until > between.clock.now()
    )
    assert await between.rows(between.away, live) == []


async def test_of_a_record_that_is_purged_at_home_nothing_is_kept(between: Visit) -> None:
    home, away, himself, _ = await between.patient()
    await between.do(between.home, himself, lifecycle.close, home)
    await between.do(
        between.home, himself, lifecycle.purge, home, basis=lifecycle.Basis.REQUEST, proof="lettre recommandée"
    )
    await between.do(between.away, professional(), emergencies.break_the_glass, away, REASON, mode=GLASS)
    await between.travel()
    assert await at_home(between, home) == []
    assert await between.owed() == []
