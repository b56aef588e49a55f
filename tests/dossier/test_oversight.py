"""Unusual patterns: each, planted among ordinary traffic, is found, and nothing else is.

Each test lives half a year after the one before: nobody can take a line out of the journal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from passerelle.audit import journal
from passerelle.audit.journal import NOBODY, Line, Outcome
from passerelle.audit.oversight import Search
from passerelle.audit.patterns import Pattern, Review
from passerelle.audit.transactions import transaction
from passerelle.dossier import oversight
from passerelle.identities import patients
from passerelle.identities.ins import IdentityStatus
from passerelle.identities.namesakes import family_names
from passerelle.kernel.actors import Actor
from passerelle.kernel.clock import PARIS
from passerelle.kernel.errors import Conflict, InvalidInput, LimitExceeded, Refused
from passerelle_policies.vocabulary import Action, ActorKind, Kind, Mode
from tests.builders import NURSE, PHYSICIAN, World, ins_of, professional

_periods = count(1)
OFFICER = Actor(kind=ActorKind.OFFICER, id="dpo", name="Dominique PROTECTION")
HABIT, WEEK = 28, 7


@dataclass
class Traffic:
    """Lines planted in a period of a week, after four of habit; `first` is the Monday of that week."""

    world: World
    first: datetime
    lines: list[tuple[Actor, datetime, UUID, Outcome, Action, Mode]] = field(default_factory=list)

    def read(
        self,
        actor: Actor,
        at: datetime,
        patients: int | UUID = 1,
        *,
        outcome: Outcome = Outcome.ALLOWED,
        action: Action = Action.READ,
        mode: Mode = Mode.NORMAL,
    ) -> None:
        for each in [patients] if isinstance(patients, UUID) else [uuid4() for _ in range(patients)]:
            self.lines.append((actor, at, each, outcome, action, mode))

    def on(self, day: int, hour: int = 10) -> datetime:
        """An hour of Paris, so many days from that Monday."""
        there = self.first.astimezone(PARIS) + timedelta(days=day)
        return there.replace(hour=hour).astimezone(UTC)

    async def review(self, **overrides: int) -> dict[Pattern, Review]:
        async with self.world.tenant.database.transaction() as connection:
            for actor, at, patient_id, outcome, action, mode in self.lines:
                self.world.clock.set(at)
                context = self.world.context(actor, mode=mode)
                line = Line(
                    kind=Kind.DOSSIER, action=action, outcome=outcome, rule="r", pack="p", patient_id=patient_id
                )
                await journal.append(connection, context, line)
        self.lines.clear()
        self.world.clock.set(self.first + timedelta(days=WEEK))
        context = self.world.context(OFFICER)
        mine = replace(context.tenant, parameters={f"oversight.{name}": value for name, value in overrides.items()})
        async with transaction(replace(context, tenant=mine)) as act:
            found = await oversight.unusual(act, self.first, self.world.clock.now(), reason="revue de la semaine")
        assert {each.pattern for each in found} == set(Pattern)
        return {each.pattern: each for each in found if each.found}


@pytest.fixture
def traffic(world: World) -> Traffic:
    monday = datetime(2026, 11, 16, tzinfo=PARIS) + timedelta(weeks=26 * next(_periods))
    traffic = Traffic(world, monday.astimezone(UTC))
    for number in range(6):
        doctor = professional(NURSE if number % 2 else PHYSICIAN, name=f"Alix ORDINAIRE{number}")
        for day in range(-HABIT, WEEK):
            traffic.read(doctor, traffic.on(day, 9 + number), 2 + (day + number) % 3)
    night = professional(NURSE, name="Alix VEILLEUSE")
    for day in range(-HABIT, WEEK, 2):
        traffic.read(night, traffic.on(day, 23), 8)
    return traffic


async def test_ordinary_traffic_is_not_noticed(traffic: Traffic) -> None:
    doctor = professional(name="Alix PUBLIANT")
    traffic.read(doctor, traffic.on(1), 60, action=Action.PUBLISH)  # feeds: was shown nothing
    assert await traffic.review() == {}


async def test_many_patients_beside_his_own_habit(traffic: Traffic) -> None:
    busy, curious = professional(name="Alix OCCUPÉ"), professional(name="Alix CURIEUX")
    for day in range(-HABIT, 0):
        traffic.read(busy, traffic.on(day), 25)
        traffic.read(curious, traffic.on(day), 3)
    traffic.read(busy, traffic.on(2), 60)  # more than the rule's least, not five times his own
    traffic.read(curious, traffic.on(2), 21)
    traffic.read(curious, traffic.on(4), 24)

    found = await traffic.review()

    assert set(found) == {Pattern.MANY_PATIENTS}
    (only,) = found[Pattern.MANY_PATIENTS].furthest
    assert (only.rpps, only.count, only.usual, only.least) == (curious.id, 24, 3, 20)
    assert only.day == traffic.on(4).date()
    assert set(await traffic.review(day_patients=25)) == set()


async def test_a_newcomer_is_held_to_his_profession(traffic: Traffic) -> None:
    newcomer = professional(name="Alix NOUVEAU")
    traffic.read(newcomer, traffic.on(3), 20)

    (only,) = (await traffic.review())[Pattern.MANY_PATIENTS].furthest

    assert (only.rpps, only.count, only.usual) == (newcomer.id, 20, 3)


async def test_a_day_that_the_period_touches_counts_whole(traffic: Traffic) -> None:
    someone = professional(name="Alix MATINAL")
    traffic.read(someone, traffic.on(0, 8), 12)
    traffic.read(someone, traffic.on(0, 15), 12)
    traffic.first = traffic.on(0, 12)

    (only,) = (await traffic.review())[Pattern.MANY_PATIENTS].furthest

    assert (only.rpps, only.count) == (someone.id, 24)


async def test_at_night_by_someone_of_the_day(traffic: Traffic) -> None:
    someone = professional(name="Alix TARDIF")
    for day in range(-HABIT, WEEK):
        traffic.read(someone, traffic.on(day), 3)
    traffic.read(someone, traffic.on(2, 23), 3)
    traffic.read(someone, traffic.on(3, 2), 2)  # the same night
    traffic.read(someone, traffic.on(3, 21), 4)  # the next one: too few

    found = await traffic.review()

    assert set(found) == {Pattern.AT_NIGHT}
    (only,) = found[Pattern.AT_NIGHT].furthest
    assert (only.rpps, only.count, only.usual, only.day) == (someone.id, 5, 0, traffic.on(2).astimezone(PARIS).date())


async def test_the_professional_bears_the_patients_name(traffic: Traffic) -> None:
    feeder = traffic.world.context(traffic.world.feeder)
    async with transaction(feeder) as act:
        traits = patients.Traits(family_name="LE GALL", given_names=("Alix",), birth_date="19800115", sex="F")
        patient_id = await patients.register(
            act, [ins_of(9_000 + next(_periods))], traits, IdentityStatus.QUALIFIED, source="essai"
        )
    cousin, stranger = professional(name="Yann Le Gall-Roux"), professional(name="Le-Gall DUPONT")
    traffic.read(cousin, traffic.on(1), patient_id)
    traffic.read(cousin, traffic.on(2), patient_id, outcome=Outcome.REFUSED)
    traffic.read(stranger, traffic.on(1), patient_id)

    found = await traffic.review()

    assert set(found) == {Pattern.SAME_NAME}
    (only,) = found[Pattern.SAME_NAME].furthest
    assert (only.rpps, only.patient_id, only.count) == (cousin.id, patient_id, 2)


async def test_a_record_that_many_read(traffic: Traffic) -> None:
    known = uuid4()
    for number in range(15):
        traffic.read(professional(name=f"Alix P{number}"), traffic.on(number % WEEK, 11), known)

    found = await traffic.review()

    assert set(found) == {Pattern.READ_BY_MANY}
    (only,) = found[Pattern.READ_BY_MANY].furthest
    assert (only.patient_id, only.rpps, only.count, only.usual) == (known, None, 15, 1)


async def test_broken_glass_often(traffic: Traffic) -> None:
    often, once = professional(name="Alix SOUVENT"), professional(name="Alix PARFOIS")
    for day in range(3):
        opened = uuid4()
        traffic.read(often, traffic.on(day), opened, action=Action.BREAK_GLASS)
        traffic.read(often, traffic.on(day), opened, mode=Mode.BREAK_GLASS)
    traffic.read(once, traffic.on(1), action=Action.BREAK_GLASS)
    traffic.read(once, traffic.on(1), 4, mode=Mode.REGULATION_CENTRE)

    found = await traffic.review()

    assert set(found) == {Pattern.EMERGENCIES}
    assert [(each.rpps, each.count) for each in found[Pattern.EMERGENCIES].furthest] == [(often.id, 3)]


async def test_refusals_in_series(traffic: Traffic) -> None:
    seeker, clumsy = professional(name="Alix CHERCHEUR"), professional(name="Alix MALADROIT")
    same = uuid4()
    for number in range(5):
        traffic.read(seeker, traffic.on(2), NOBODY if number % 2 else uuid4(), outcome=Outcome.REFUSED)
        traffic.read(clumsy, traffic.on(2), same, outcome=Outcome.REFUSED)  # the same record again and again
        traffic.read(clumsy, traffic.on(number), outcome=Outcome.REFUSED)  # now and then

    found = await traffic.review()

    assert set(found) == {Pattern.REFUSALS}
    assert [(each.rpps, each.count) for each in found[Pattern.REFUSALS].furthest] == [(seeker.id, 5)]


async def test_each_rule_counts_all_and_shows_the_furthest(traffic: Traffic) -> None:
    for number in range(4):
        traffic.read(professional(name=f"Alix S{number}"), traffic.on(1), 5 + number, outcome=Outcome.REFUSED)
    await traffic.review()

    context = traffic.world.context(OFFICER)
    async with transaction(context) as act:
        found = await oversight.unusual(act, traffic.first, context.clock.now(), reason="revue", first=2)

    (refusals,) = (each for each in found if each.pattern is Pattern.REFUSALS)
    assert (refusals.found, [each.count for each in refusals.furthest]) == (4, [8, 7])


async def test_the_patient_reads_who_searched_his_journal(world: World) -> None:
    patient_id, person = await world.patient()
    other_id, _ = await world.patient()
    context = world.context(OFFICER)

    async with transaction(context) as act:
        found = await oversight.search(act, Search(patient_id=patient_id), reason="plainte de la patiente")
        assert found
        assert {each.patient_id for each in found} == {patient_id}
    for wanted, refusal in ((Search(patient_id=uuid4()), Conflict), (Search(patient_id=other_id), InvalidInput)):
        with pytest.raises(refusal):
            async with transaction(context) as act:
                await oversight.search(act, wanted, reason="plainte" if refusal is Conflict else " ")
    with pytest.raises(Refused):
        async with transaction(world.context(professional())) as act:
            await oversight.search(act, Search(patient_id=patient_id), reason="plainte")

    async with transaction(world.context(person)) as act:
        lines = await journal.page(act.connection, patient_id, first=50)
    searches = [(each.actor_name, each.outcome, each.facts.get("reason")) for each in lines if each.action == "search"]
    assert searches[1:] == [(OFFICER.name, "allowed", "plainte de la patiente")]
    assert searches[0][1] == "refused"


async def test_a_period_is_bounded(world: World) -> None:
    now = world.clock.now()
    with pytest.raises(LimitExceeded) as refused:
        async with transaction(world.context(OFFICER)) as act:
            await oversight.unusual(act, now - timedelta(days=93), now, reason="revue")
    assert refused.value.code == "PERIOD_TOO_LONG"


@pytest.mark.parametrize(
    ("name", "borne"),
    [
        ("Marie DUPONT", {"dupont"}),
        ("Anne Le Gall-Roux", {"legallroux", "gallroux", "legall", "gall", "roux"}),
        ("Noël de la Tour", {"delatour", "latour", "tour"}),
        ("ÉLÉONORE", {"eleonore"}),
    ],
)
def test_family_names(name: str, borne: set[str]) -> None:
    assert family_names(name) == borne


@given(given=st.sampled_from(["Alix", "Jean-Noël"]), family=st.text("ABCÉ -'", min_size=1).map(str.strip))
def test_whoever_writes_his_name_in_full_bears_it(given: str, family: str) -> None:
    if len(patients.folded(family)) >= 3:
        assert patients.folded(family) in family_names(f"{given} {family}")
