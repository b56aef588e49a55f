"""The patient moves: at every moment one home, and a move that was cut off anywhere ends as one that was not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from passerelle.audit.transactions import transaction
from passerelle.dossier import visibility
from passerelle.dossier.tables import document
from passerelle.kernel.actors import Actor
from passerelle.kernel.errors import Refused
from passerelle_policies.vocabulary import ActorKind
from passerelle_tenants import home_acts
from passerelle_tenants.federation.kinds.document_marks import DocumentMarks
from passerelle_tenants.federation.kinds.documents import Documents
from passerelle_tenants.federation.kinds.dossiers import Dossiers
from passerelle_tenants.federation.kinds.relations import Relations
from passerelle_tenants.locator import Home, Locator
from tests.builders import document as incoming
from tests.conftest import Template
from tests.federation.homes_ground import Region, region


@pytest.fixture(scope="module")
async def networks(
    tenant_template: Template, directory_template: Template, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Region]:
    kinds, folder = (Documents(), DocumentMarks(), Dossiers(), Relations()), tmp_path_factory.mktemp("moves")
    async with region(tenant_template, directory_template, folder, "nantes", "toulouse", "lyon", more=kinds) as made:
        yield made


class Moving:
    """A person at home in Nantes, with a document in each network; Nantes masked that of Lyon and that of Toulouse."""

    def __init__(self, ground: Region) -> None:
        self.ground = ground
        self.people: dict[str, Actor] = {}
        self.documents: dict[str, UUID] = {}

    async def begin(self) -> None:
        for name in self.ground.offices:
            patient_id, self.people[name] = await self.ground.arrive(name)
            if name == "nantes":
                await self.ground.locate(name)
            self.documents[name] = await self.ground.worlds[name].publish(patient_id, incoming())
        await self.ground.settle()
        for name in ("lyon", "toulouse"):
            async with transaction(self.ground.worlds["nantes"].context(self.people["nantes"])) as act:
                await visibility.mask(act, self.documents[name])
        await self.ground.settle()

    async def declare(self, name: str) -> None:
        async with transaction(self.ground.worlds[name].context(self.people[name])) as act:
            await home_acts.declare(act, self.ground.locator, self.ground.patients[name])

    async def shown(self, name: str) -> dict[str, bool]:
        """The entries that are not withdrawn in a network, by the network that keeps them, and whether masked."""
        rows = await self.ground.rows(
            name,
            select(document.c.document_id, document.c.masked).where(
                document.c.patient_id == self.ground.patients[name], document.c.status == "current"
            ),
        )
        kept_by = {document_id: each for each, document_id in self.documents.items()}
        return {kept_by[document_id]: masked for document_id, masked in rows}

    async def state(self) -> object:
        """All that must be the same in the end."""
        found = await self.ground.whereabouts()
        assert found.home is not None
        return (
            found.home_id,
            found.home.state,
            await self.ground.believed(),
            {name: await self.shown(name) for name in self.ground.offices},
            {name: await self.ground.owed(name) for name in self.ground.offices},
        )


MOVED: tuple[object, ...] = (
    "toulouse",
    "declared",
    {"nantes": "toulouse", "toulouse": "toulouse", "lyon": "toulouse"},
    {
        "nantes": {"nantes": False},
        "toulouse": {"nantes": False, "toulouse": True, "lyon": True},
        "lyon": {"lyon": True},
    },
    {"nantes": set(), "toulouse": set(), "lyon": set()},
)


async def test_a_patient_moves_with_all_that_was_decided(networks: Region) -> None:
    moving = Moving(networks.of_somebody_else())
    await moving.begin()
    assert await moving.shown("nantes") == {"nantes": False, "toulouse": True, "lyon": True}

    await moving.declare("toulouse")
    await moving.ground.settle()

    assert await moving.state() == MOVED
    assert await moving.ground.moves("nantes") == [("toulouse", True, False, True)]
    assert await moving.ground.moves("toulouse") == [("toulouse", False, True, True)]
    # What Toulouse keeps has one side again: its home decides.
    async with transaction(networks.worlds["toulouse"].context(moving.people["toulouse"])) as act:
        assert not (await visibility.unmask(act, moving.documents["toulouse"])).masked
    # What Lyon keeps is decided at the new home, in Lyon as well.
    async with transaction(networks.worlds["toulouse"].context(moving.people["toulouse"])) as act:
        await visibility.unmask(act, moving.documents["lyon"])
    await moving.ground.settle()
    assert (await moving.shown("lyon"), await moving.shown("toulouse")) == (
        {"lyon": False},
        {"nantes": False, "toulouse": False, "lyon": False},
    )

    await moving.declare("nantes")  # and back
    await moving.ground.settle()

    assert await moving.shown("nantes") == {"nantes": False, "toulouse": False, "lyon": False}
    assert await moving.shown("toulouse") == {"toulouse": False}


class CutOff(Locator):
    """A locator whose next change reaches the directory, and then the process is gone."""

    left: ClassVar[int] = 0

    async def write(self, key: str, before: Home | None, after: Home, now: datetime) -> bool:
        done = await super().write(key, before, after, now)
        if done and CutOff.left == 1:
            CutOff.left = 0
            raise ConnectionError("cut off")
        CutOff.left -= 1 if done and CutOff.left else 0
        return done


_STEPS = st.lists(
    st.tuples(st.sampled_from(["nantes", "toulouse", "lyon"]), st.sampled_from(["turn", "carry", "narrows"])),
    max_size=14,
)


@settings(max_examples=4)
@given(steps=_STEPS, cut=st.sampled_from([0, 1, 2]))
async def test_a_move_that_is_cut_off_anywhere_ends_as_one_that_is_not(
    networks: Region, steps: list[tuple[str, str]], cut: int
) -> None:
    moving = Moving(networks.of_somebody_else())
    await moving.begin()
    await moving.declare("toulouse")
    moving.ground.locator, CutOff.left = CutOff(networks.locator.directory, networks.locator.key), cut
    for name, step in steps:
        try:
            if step == "turn":
                await moving.ground.turn(name)
            else:
                await moving.ground.carry(name, only=("home", "relations", "dossier") if step == "narrows" else ())
        except ConnectionError:
            pass
        believed = await moving.ground.believed()
        assert believed["lyon"] != "lyon"
        assert [believed[each] == each for each in ("nantes", "toulouse")].count(True) <= 1
        assert (await moving.ground.whereabouts()).home_id in {"nantes", "toulouse"}
    with suppress(ConnectionError):
        await moving.ground.settle()
    CutOff.left = 0
    await moving.ground.settle()

    assert await moving.state() == MOVED


async def test_what_the_old_home_decides_while_it_hands_over_is_not_lost(networks: Region) -> None:
    moving = Moving(networks.of_somebody_else())
    ground = moving.ground
    await moving.begin()
    async with transaction(ground.worlds["nantes"].context(moving.people["nantes"])) as act:
        await visibility.unmask(act, moving.documents["lyon"])
    await ground.settle()
    await moving.declare("toulouse")
    while not (await ground.moves("nantes")):
        await ground.turn("nantes")
        await ground.carry("nantes", only=("place", "document", "document_marks", "relations", "dossier"))
        await ground.carry("toulouse")
        await ground.carry("lyon")
    await ground.carry("nantes", only=("home",))
    assert await ground.believed() == {"nantes": "toulouse", "toulouse": "toulouse", "lyon": "nantes"}
    async with transaction(ground.worlds["nantes"].context(moving.people["nantes"])) as act:
        await visibility.mask(act, moving.documents["lyon"])

    await ground.settle()

    assert (await moving.shown("toulouse"))["lyon"] is True
    assert (await moving.shown("nantes")) == {"nantes": False}


async def test_a_dispute_moves_nothing_until_an_officer_decides(networks: Region) -> None:
    moving = Moving(networks.of_somebody_else())
    ground = moving.ground
    await moving.begin()
    await moving.declare("nantes")
    officer = Actor(kind=ActorKind.OFFICER, id="dpo", name="Déléguée")

    async with transaction(ground.worlds["toulouse"].context(officer)) as act:
        await home_acts.declare(act, ground.locator, ground.patients["toulouse"])
    await ground.settle()

    found = await ground.whereabouts()
    assert found.home is not None
    assert (found.home_id, found.home.state, found.home.claimed_by) == ("nantes", "disputed", "toulouse")
    assert set((await ground.believed()).values()) == {"nantes"}
    with pytest.raises(Refused):
        async with transaction(ground.worlds["toulouse"].context(moving.people["toulouse"])) as act:
            await home_acts.decide(act, ground.locator, ground.patients["toulouse"], "toulouse")

    async with transaction(ground.worlds["nantes"].context(officer)) as act:
        await home_acts.decide(act, ground.locator, ground.patients["nantes"], "toulouse")
    await ground.settle()

    assert await moving.state() == MOVED
