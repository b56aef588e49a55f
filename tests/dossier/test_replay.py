"""A pack is tried on what people really asked: the one in force changes nothing, a planted change is found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib.resources import as_file, files
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from sqlalchemy import insert, select

from passerelle.audit import journal as journal_of
from passerelle.audit.tables import journal
from passerelle.dossier import replay
from passerelle.dossier.recorded import Unanswerable
from passerelle_policies.packs import Pack, load_pack, packs
from passerelle_policies.vocabulary import Action, Kind, Mode, Relation, Role
from tests.builders import DENTIST, World, professional
from tests.dossier.happenings import Region, steps

IN_FORCE = packs()[-1]
LINE = {
    "rule": "x-essai", "role": "", "relation": "", "setting": "*", "kind": "document", "types": "dmp:*",
    "action": "read", "mode": "*", "even_if": "", "dossier": "open", "when": "", "effect": "", "established": "yes",
    "source": "essai", "sentence": "Essai.", "to_professional": "",
}  # fmt: skip
Draft = Callable[..., Pack]
_years = count(2040)


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    """A pack to come, which says only what it changes of the one in force."""

    def made(**cells: str) -> Pack:
        folder = tmp_path / f"essai-{uuid4().hex[:6]}"
        folder.mkdir()
        (folder / "pack.toml").write_text(
            f'label = "Essai"\neffective = 2030-01-01\nsource = "essai"\nextends = "{IN_FORCE.name}"\n', "utf-8"
        )
        line = ",".join({**LINE, **cells}[column] for column in LINE)
        (folder / "matrix.csv").write_text(f"{','.join(LINE)}\n{line}\n", "utf-8")
        with as_file(files("passerelle_policies").joinpath("packs")) as distributed:
            return replay.draft(load_pack(folder, distributed))

    return made


@pytest.fixture
def since(world: World) -> datetime:
    """A year in which nothing has happened yet: the tests of this module share their journal."""
    world.clock.set(datetime(next(_years), 1, 1, tzinfo=UTC))
    return world.clock.now()


async def lines_of(world: World) -> list[Any]:
    async with world.tenant.database.transaction() as connection:
        return list((await connection.execute(select(journal).order_by(journal.c.line_id))).all())


async def lived_in(world: World, steps: list[Any]) -> Region:
    region = Region(world)
    await region.settle()
    await region.happens("publish", region.author, 0)
    for act, about, number, later, who, mode, on_document in steps:
        await region.happens(act, region.who(about), number)
        chosen = region.documents[number % len(region.documents)] if on_document and region.documents else None
        await region.probes(region.who(who), mode, chosen)
        world.clock.advance(later)
    return region


@settings(
    max_examples=10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(steps=steps)
async def test_the_packs_in_force_give_every_outcome_that_the_journal_tells(world: World, steps: list[Any]) -> None:
    """The control: whatever was asked of the rules comes out as it did."""
    await lived_in(world, steps)

    found = await replay.replay(world.tenant, IN_FORCE, datetime(2020, 1, 1, tzinfo=UTC))

    assert (found.astray, found.gained, found.lost, found.changes) == (0, 0, 0, {})
    assert found.asked + sum(found.apart.values()) == found.lines == len(await lines_of(world))
    assert not found.apart.keys() & {Unanswerable.WORDS_UNKNOWN, Unanswerable.PACK_UNKNOWN}


async def test_a_planted_loss_is_found_exactly(world: World, draft: Draft, since: datetime) -> None:
    """Whoever it takes something away from, and nobody else; the lines say where to look."""
    region = await lived_in(world, [])
    for what in ("authorize", "consent"):
        await region.happens(what, region.doctor, 0)
    for actor in (region.doctor, region.nurse, region.person, region.doctor):
        await region.probes(actor, Mode.NORMAL, region.documents[0])
        await region.probes(actor, Mode.NORMAL, None)
    lost = {
        f"{world.tenant.id}:{each.line_id}"
        for each in await lines_of(world)
        if (each.kind, each.outcome, each.actor_id) == ("document", "allowed", region.doctor.id)
    }
    assert len(lost) == 2

    loss = draft(role="physician", relation="authorized|attending_physician", types="11488-4", effect="deny")
    found = await replay.replay(world.tenant, loss, since)

    ((cell, change),) = found.changes.items()
    assert cell == replay.Cell(
        role=Role.PHYSICIAN,
        relations=(Relation.AUTHORIZED,),
        kind=Kind.DOCUMENT,
        action=Action.READ,
        type_code="11488-4",
    )
    assert (change.gained, change.lost, set(change.lines)) == (0, 2, lost)
    assert (found.lost, found.gained, found.astray) == (2, 0, 0)


async def test_a_planted_gain_is_found_exactly(world: World, draft: Draft, since: datetime) -> None:
    region = await lived_in(world, [])
    outsider = professional(DENTIST)
    await region.probes(outsider, Mode.NORMAL, None)
    await region.probes(region.nurse, Mode.NORMAL, None)

    gain = draft(role="dentist", relation="none", kind="dossier", types="-", effect="allow")
    found = await replay.replay(world.tenant, gain, since)

    ((cell, change),) = found.changes.items()
    assert (cell.role, cell.relations, cell.kind, cell.type_code) == (Role.DENTIST, (), Kind.DOSSIER, None)
    assert (change.gained, change.lost, found.astray) == (1, 0, 0)


async def test_what_cannot_be_asked_again_is_counted_apart(world: World, since: datetime) -> None:
    region = await lived_in(world, [])
    context = world.context(region.doctor)
    about = journal_of.who(context) | {
        "patient_id": region.patient_id, "kind": "dossier", "action": "read", "outcome": "allowed", "rule": "x",
        "pack": IN_FORCE.name,
    }  # fmt: skip
    facts = {"role": "nurse", "relations": [], "blocked": False, "objection": False, "state": "open"}
    planted: tuple[tuple[dict[str, Any], Unanswerable], ...] = (
        ({"facts": {}}, Unanswerable.NO_DECISION),
        ({"outcome": "refused", "code": "PATIENT_LOOKUP_TOO_MANY", "facts": facts}, Unanswerable.NO_DECISION),
        ({"facts": {"role": "nurse"}}, Unanswerable.FACTS_MISSING),
        ({"kind": "document", "facts": facts}, Unanswerable.FACTS_MISSING),
        ({"facts": {**facts, "role": "sorcerer"}}, Unanswerable.WORDS_UNKNOWN),
        ({"kind": "spell", "facts": facts}, Unanswerable.WORDS_UNKNOWN),
        ({"pack": "1802-germinal", "facts": facts}, Unanswerable.PACK_UNKNOWN),
    )
    before = await replay.replay(world.tenant, IN_FORCE, since)
    async with world.tenant.database.transaction() as connection:
        for changed, _ in planted:
            await connection.execute(insert(journal).values(**{**about, **changed}))

    after = await replay.replay(world.tenant, IN_FORCE, since)

    assert after.apart - before.apart == Counter(why for _, why in planted)
    assert (after.asked, after.astray, after.lost) == (before.asked, before.astray, before.lost)


async def test_a_line_that_no_rule_explains_is_astray_not_a_change(world: World, since: datetime) -> None:
    region = await lived_in(world, [])
    before = await replay.replay(world.tenant, IN_FORCE, since)
    facts = {"role": "nurse", "relations": [], "blocked": False, "objection": False, "state": "open", "document": None}
    told = {
        "patient_id": region.patient_id, "kind": "dossier", "action": "read", "outcome": "allowed", "rule": "x",
        "pack": IN_FORCE.name, "facts": facts,
    }  # fmt: skip
    async with world.tenant.database.transaction() as connection:
        put = insert(journal).values(**journal_of.who(world.context(region.nurse)), **told).returning(journal.c.line_id)
        line_id = (await connection.execute(put)).scalar_one()

    found = await replay.replay(world.tenant, IN_FORCE, since)

    assert (found.astray, found.astray_lines) == (before.astray + 1, [f"{world.tenant.id}:{line_id}"])
    assert (found.lost, found.gained) == (0, 0)


async def test_only_the_days_asked_for_are_gone_through(world: World, since: datetime) -> None:
    region = await lived_in(world, [])
    assert world.clock.now() == since
    for _ in range(3):
        await region.probes(region.doctor, Mode.NORMAL, None)
        world.clock.advance(timedelta(days=1))

    found = await replay.replay(world.tenant, IN_FORCE, since + timedelta(hours=1), since + timedelta(days=2))

    assert found.lines == await replay.count(world.tenant, since + timedelta(hours=1), since + timedelta(days=2)) == 1
